"""The section `evaluation` of params.yaml."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic.dataclasses import dataclass

from polybatch.settings.types import (
    EXACT,
    Words,
    in_range,
)

MEASURES = ("AP", "AP@k", "nDCG@k", "RR@k", "R@k")
"""What `evaluation.measures` may say, k being a cut-off such as 10."""


@dataclass(frozen=True, config=EXACT)
class EvaluationSettings:
    """Measures by their ir_measures names; `run_depth`: documents a query in the TREC runs."""

    measures: Words
    run_depth: Annotated[int, in_range(1, 1_000_000)]

    @property
    def headline(self) -> str:
        """The measure that tables begin with: AP, else the first.

        Example:
            >>> EvaluationSettings(("nDCG@10", "AP"), run_depth=100).headline
            'AP'
        """
        return "AP" if "AP" in self.measures else self.measures[0]


_MEASURE_WORDS = {
    **{"mrr": "RR", "recip_rank": "RR", "map": "AP", "recall": "R"},
    **{measure.partition("@")[0].lower(): measure.partition("@")[0] for measure in MEASURES},
}
"""Other tools' words for measures, in lower case: trec_eval's, MTEB's, BEIR's."""


def measure_mistake(name: str) -> tuple[str, str, str] | None:
    """Return what was found, what is expected and what to do; None for a measure's name.

    Example:
        >>> measure_mistake("nDCG@10")
        >>> [measure_mistake(name)[2] for name in ("MRR@10", "MAP", "ndcg_cut_10", "Recall", "F1")]
        ["Did you mean 'RR@10'?", "Did you mean 'AP'?", "Did you mean 'nDCG@10'?", \
"Did you mean 'R@10'?", 'Correct the name']
    """
    patterns = [re.sub("k$", "[1-9][0-9]{0,6}", measure) for measure in MEASURES]
    if any(re.fullmatch(pattern, name) for pattern in patterns):
        return None
    parts = re.split(r"[@_. ]+(?:cut_)?(?=[1-9]\d{0,6}$)", name, maxsplit=1)
    word, cut = (*parts, "")[:2]
    usual = _MEASURE_WORDS.get(word.lower())
    cure = "Correct the name"
    if usual is not None:
        cut = cut or ("" if usual in MEASURES else "10")
        cure = f"Did you mean '{usual}{'@' * bool(cut)}{cut}'?"
    return f"'{name}'", f"one of {', '.join(MEASURES)}, k being a number", cure
