"""The section `index` of params.yaml: how the focus strategy's documents are searched in use.

Scores of the study are exact whatever it says; a study without the section searches exactly, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic.dataclasses import dataclass

from polybatch.core.errors import did_you_mean
from polybatch.settings.types import EXACT, UNIQUE, Count, in_range

KINDS = ("flat", "hnsw", "ivf-pq")
"""What `index.kind` may say, beside FAISS's own factory strings; `flat` is exact."""

_FACTORY = re.compile(r"(?:IVF|IMI|HNSW|OPQ|PCAR?|RR|ITQ|SQ|L2norm|Flat)[\w,()./-]*")
_SEARCH = re.compile(r"(?:\w+=[\d.]+(?:,\w+=[\d.]+)*)?")


@dataclass(frozen=True, config=EXACT)
class IndexSettings:
    """An index that finds most of the nearest documents in a part of the time.

    `kind`: a row of KINDS, or a FAISS factory string such as `OPQ64,IVF4096,PQ64`. `search`:
    FAISS's search-time parameters, such as `nprobe=16`; empty for FAISS's own. `sample`: documents
    that it is trained on at most, drawn by `seed`. `k`: cut-offs of R@k; AP is cut at the largest.
    `max_loss`: points that a language or pair may lose in any of them; null for any number.
    """

    kind: str
    search: str
    sample: Count
    seed: Annotated[int, in_range(0, 2**31 - 1)]
    k: Annotated[tuple[Annotated[int, in_range(1, 1000)], ...], *UNIQUE]
    max_loss: Annotated[float | None, in_range(0.0, 100.0)]


def index_mistakes(settings: IndexSettings) -> Iterator[tuple[str, str, str, str]]:
    """Yield a key, what was found, what is expected and what to do.

    Example:
        >>> wrong = IndexSettings("hnws", "nprobe 16", 1000, 0, (10,), None)
        >>> [(key, do) for key, _, _, do in index_mistakes(wrong)]
        [('kind', "Did you mean 'hnsw'?"), ('search', 'Write it as `nprobe=16`')]
    """
    if settings.kind not in KINDS and not _FACTORY.fullmatch(settings.kind):
        expected = f"{', '.join(KINDS)}, or a FAISS factory string such as IVF4096,PQ64"
        yield "kind", f"'{settings.kind}'", expected, did_you_mean(settings.kind, KINDS, "Choose")
    if not _SEARCH.fullmatch(settings.search):
        expected = "names and numbers such as nprobe=16,k_factor_rf=4, or nothing"
        yield "search", f"'{settings.search}'", expected, "Write it as `nprobe=16`"
