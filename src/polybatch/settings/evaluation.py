"""The section `evaluation` of params.yaml."""

from __future__ import annotations

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
        """The measure that tables begin with: AP, else the first."""
        return "AP" if "AP" in self.measures else self.measures[0]
