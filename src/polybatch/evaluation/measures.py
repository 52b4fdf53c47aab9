"""Measures as rows of a table, computed from the ranks of the relevant documents.

Definitions are trec_eval's (Voorhees & Harman 2005): AP divides by all relevant documents,
whatever the cut-off; nDCG has linear gain and its ideal is over all judged. Names are printed as
ir_measures prints them (MacAvaney et al. 2022). A new measure is a row::

    MEASURES["Success"] = Measure(lambda found, k: (found.first_rank <= k).astype(float), "…")

Letters: J judged queries, P (judged query, relevant document) pairs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from polybatch.core.errors import InputError
from polybatch.core.vectors import Int64

Float64 = npt.NDArray[np.float64]
Score = Callable[["Found", float], Float64]

NEVER = 10**12
"""The rank of a relevant document that was not ranked at all: it counts as not found."""


@dataclass(frozen=True)
class Found:
    """Ranks (1-based) of the relevant documents of J judged queries, ragged; each array (P,).

    `owner`: the judged query, 0 to J - 1, ascending; `rank` ascends within it. Each has at
    least one pair. `relevance`: the grade, above 0.
    """

    owner: Int64
    rank: Int64
    relevance: Int64

    @classmethod
    def of(cls, owner: Int64, rank: Int64, relevance: Int64) -> Found:
        """Sort pairs given in any order.

        Example:
            >>> Found.of(np.array([1, 0, 0]), np.array([2, 7, 1]), np.array([1, 1, 1])).rank
            array([1, 7, 2])
        """
        order = np.lexsort((rank, owner))
        return cls(owner[order], rank[order], relevance[order])

    @cached_property
    def relevant(self) -> Int64:
        """How many relevant documents each judged query has (J,)."""
        return np.bincount(self.owner)

    @cached_property
    def first_rank(self) -> Int64:
        """The rank of the first relevant document of each judged query (J,)."""
        return self.rank[self._starts]

    @cached_property
    def number(self) -> Int64:
        """1 for the first pair of a judged query, 2 for its second, … (P,)."""
        return np.arange(len(self.owner)) - self._starts[self.owner] + 1

    @cached_property
    def ideal_relevance(self) -> Int64:
        """The grades of each judged query, best first (P,)."""
        return self.relevance[np.lexsort((-self.relevance, self.owner))]

    def total(self, values: npt.NDArray[np.generic]) -> Float64:
        """Sum values of pairs (P,) into sums of judged queries (J,)."""
        sums = np.bincount(self.owner, values.astype(np.float64), len(self.relevant))
        return sums.astype(np.float64, copy=False)

    @cached_property
    def _starts(self) -> Int64:
        return np.cumsum(self.relevant) - self.relevant


@dataclass(frozen=True)
class Measure:
    """A family of measures: `score(found, cut-off)` gives a score in [0, 1] a query (J,).

    `bare`: whether the name may stand without a cut-off, meaning the full pool.
    """

    score: Score
    meaning: str
    bare: bool = False


def average_precision(found: Found, k: float) -> Float64:
    """Mean (J,) over all relevant documents of the precision at each; 0 for those below k.

    Example:
        >>> found = Found.of(np.array([0, 0]), np.array([1, 3]), np.array([1, 1]))
        >>> average_precision(found, 3), average_precision(found, 2)  # (1/1 + 2/3) / 2, 1/1 / 2
        (array([0.83333333]), array([0.5]))
    """
    return found.total(np.where(found.rank <= k, found.number / found.rank, 0)) / found.relevant


def ndcg(found: Found, k: float) -> Float64:
    """Sum (J,) of grade / log2(rank + 1) down to k, over that of the best order.

    Example:
        >>> found = Found.of(np.array([0, 0]), np.array([1, 3]), np.array([1, 1]))
        >>> ndcg(found, 10).round(4)  # (1 + 1/2) / (1 + 1/log2(3))
        array([0.9197])
    """
    gained = _discounted(found.relevance, found.rank, k)
    return found.total(gained) / found.total(_discounted(found.ideal_relevance, found.number, k))


def reciprocal_rank(found: Found, k: float) -> Float64:
    """1 / rank of the first relevant document (J,); 0 if below k.

    Example:
        >>> found = Found.of(np.array([0, 0, 1]), np.array([4, 9, 1]), np.array([1, 1, 1]))
        >>> reciprocal_rank(found, 10), reciprocal_rank(found, 3)
        (array([0.25, 1.  ]), array([0., 1.]))
    """
    return np.where(found.first_rank <= k, 1 / found.first_rank, 0)


def recall(found: Found, k: float) -> Float64:
    """Share (J,) of the relevant documents that are among the first k.

    Example:
        >>> found = Found.of(np.array([0, 0, 1]), np.array([1, 3, 7]), np.array([1, 1, 1]))
        >>> recall(found, 3), recall(found, 1)
        (array([1., 0.]), array([0.5, 0. ]))
    """
    return found.total(found.rank <= k) / found.relevant


MEASURES: dict[str, Measure] = {
    "AP": Measure(average_precision, "average precision, over all relevant documents", bare=True),
    "nDCG": Measure(ndcg, "normalised discounted cumulative gain, linear gain"),
    "RR": Measure(reciprocal_rank, "reciprocal rank of the first relevant document"),
    "R": Measure(recall, "recall"),
}


def parse(name: str) -> tuple[Measure, float]:
    """Return a measure and its cut-off, infinity being the full pool.

    Example:
        >>> parse("nDCG@10")[1], parse("AP")[1]
        (10.0, inf)
        >>> parse("nDCG")
        Traceback (most recent call last):
        polybatch.core.errors.InputError: measures: found nDCG, expected one of AP, AP@k, ...
    """
    match = re.fullmatch(r"([^@\s]+?)(?:@([1-9][0-9]*))?", name)
    measure = MEASURES.get(match[1]) if match else None
    if match is None or measure is None or not (match[2] or measure.bare):
        known = [f"{key}, {key}@k" if row.bare else f"{key}@k" for key, row in MEASURES.items()]
        raise InputError(
            "measures",
            name or "an empty name",
            f"one of {', '.join(known)}, k being 1 or more",
            "Mend evaluation.measures in params.yaml",
        )
    return measure, float(match[2]) if match[2] else math.inf


def score_all(found: Found, names: Sequence[str]) -> dict[str, Float64]:
    """Return the scores (J,) of every judged query, by measure.

    Example:
        >>> one = Found.of(np.array([0, 0]), np.array([2, 1]), np.array([1, 1]))
        >>> {name: scores.tolist() for name, scores in score_all(one, ["AP", "R@1"]).items()}
        {'AP': [1.0], 'R@1': [0.5]}
    """
    parsed = {name: parse(name) for name in names}
    return {name: measure.score(found, min(k, NEVER - 1)) for name, (measure, k) in parsed.items()}


def _discounted(grades: Int64, places: Int64, k: float) -> Float64:
    return np.where(places <= k, grades / np.log2(places + 1.0), 0)
