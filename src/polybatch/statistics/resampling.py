"""Resampling items by matrix products: bootstrap intervals, randomisation p-values, Holm.

What the numbers mean, and where the methods come from: `polybatch.statistics.significance`.

Letters: I items, L lists of queries, V views, b resamples at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polybatch.vectors import Int64

Float64 = npt.NDArray[np.float64]

_CHUNK = 500  # resamples at a time: 500 x 1,190 weights are 5 MB
_FINE = 2.0**40  # parts of 1 that means of lists are rounded to, so that sums of them are exact
_SAME = 1e-12  # sums of the same numbers in another order differ by less, scores being in [0, 1]


@dataclass(frozen=True)
class Resampling:
    """`resamples`: of the bootstrap, and turns of the signs; `confidence`: of the intervals."""

    resamples: int
    confidence: float
    seed: int


def holm(p: Float64) -> Float64:
    """Return p-values corrected for their number by Holm's step-down procedure.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1)
    return corrected


def bootstrap_weights(
    generator: np.random.Generator, items: int, resamples: int
) -> Iterator[Float64]:
    """Yield how often each item was drawn, `resamples` rows (b, I) in all, each adding up to I.

    Example:
        >>> [row.sum().item() for row in next(bootstrap_weights(np.random.default_rng(0), 5, 3))]
        [5.0, 5.0, 5.0]
    """
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        drawn = generator.integers(0, items, (rows, items))
        drawn += np.arange(rows)[:, None] * items
        counts = np.bincount(drawn.ravel(), minlength=rows * items)
        yield counts.reshape(rows, items).astype(np.float64)


@dataclass(frozen=True)
class Means:
    """Means over queries, then over lists, of weighted items.

    Call with `weights @ columns` of weights (b, I), and get the views (b, V). Where every item is
    asked in every list as often, the mean of means is linear in the items, and `columns` holds
    what an item adds to each view (I, V). Else it holds sums and counts (I, 2 L).
    """

    columns: Float64
    members: Float64  # (L, V), 1 where the list belongs to the view
    linear: bool

    @classmethod
    def of(cls, sums: Float64, counts: Float64, members: Float64) -> Means:
        """Return the means of sums and counts (I, L), views being the columns of `members`."""
        if (counts == counts[0]).all():
            share = members / members.sum(axis=0) / counts[0][:, None]
            return cls(_product(sums, share) / len(sums), members, True)
        return cls(np.concatenate([sums, counts], axis=1), members, False)

    def __call__(self, found: Float64) -> Float64:
        """Return the views (b, V); NaN where no query of a view was drawn."""
        if self.linear:
            return found
        sums, counts = np.hsplit(found, 2)
        asked = counts > 0  # a list that no drawn item is in is left out of this resample
        means = np.divide(sums, counts, out=np.zeros_like(sums), where=asked)
        lists = asked @ self.members
        filled = np.full_like(lists, np.nan)
        means = np.rint(means * _FINE) / _FINE
        views: Float64 = np.divide(means @ self.members, lists, out=filled, where=lists > 0)
        return views

    @property
    def whole(self) -> Float64:
        """The views (V,) of all items, each once."""
        views: Float64 = self(self.columns.sum(axis=0, keepdims=True))[0]
        return views


def item_order(*columns: Float64) -> Int64:
    """Return an order of the items that their numbers decide, not their names."""
    rows = np.ascontiguousarray(np.concatenate(columns, axis=1) + 0.0)  # -0.0 becomes 0.0
    as_bytes = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    return np.argsort(as_bytes, kind="stable").astype(np.int64)


def added(gain: Float64, counts: Float64, members: Float64) -> Float64:
    """Return what each item adds to the difference of each view (I, V)."""
    total = counts.sum(axis=0)
    share = members / members.sum(axis=0) / total[:, None]
    return _product(gain, share)


def _product(one: Float64, other: Float64) -> Float64:
    """Return the matrix product, summed in one order whatever the threads and the BLAS."""
    product: Float64 = np.einsum("il,lv->iv", one, other, optimize=False)
    return product


def intervals(
    means: Sequence[Means], items: int, resampling: Resampling, chance: np.random.Generator
) -> list[tuple[Float64, Float64]]:
    """Return the lower and upper end (V,) of each, from the same draws for all of them."""
    found = [np.empty((resampling.resamples, one.members.shape[1])) for one in means]
    columns, cuts = _side_by_side([one.columns for one in means])
    start = 0
    for weights in bootstrap_weights(chance, items, resampling.resamples):
        pieces = np.split(weights @ columns, cuts, axis=1)
        for one, piece, values in zip(means, pieces, found, strict=True):
            values[start : start + len(weights)] = one(piece)
        start += len(weights)
    tail = (1 - resampling.confidence) / 2
    return [_ends(values, tail) for values in found]


def _ends(values: Float64, tail: float) -> tuple[Float64, Float64]:
    quantile = np.nanquantile if np.isnan(values).any() else np.quantile
    low, high = quantile(values, [tail, 1 - tail], axis=0)
    return low, high


def p_values(
    tables: Sequence[Float64], resampling: Resampling, chance: np.random.Generator
) -> list[Float64]:
    """Return p (V,) of each: how often random signs give a sum at least as far from 0."""
    if not tables:
        return []
    columns, cuts = _side_by_side(tables)
    observed = np.abs(columns.sum(axis=0)) - _SAME
    extreme = np.zeros(columns.shape[1])
    for start in range(0, resampling.resamples, _CHUNK):
        rows = min(_CHUNK, resampling.resamples - start)
        signs = chance.integers(0, 2, (rows, len(columns))) * 2.0 - 1
        extreme += (np.abs(signs @ columns) >= observed).sum(axis=0)
    return np.split((extreme + 1) / (resampling.resamples + 1), cuts)


def _side_by_side(tables: Sequence[Float64]) -> tuple[Float64, Int64]:
    """Return tables of as many rows as one, and where to cut it: one product for all.

    Its numbers are rounded to so many binary digits that sums of them, weighted by whole numbers
    that add up to the items, are exact: in any order, by any BLAS, on any number of threads.
    """
    widths = [table.shape[1] for table in tables]
    table = np.concatenate(tables, axis=1)
    largest = len(table) * float(np.abs(table).max(initial=0.0))
    digits = 2.0 ** (51 - np.frexp(largest)[1])
    return np.rint(table * digits) / digits, np.cumsum(widths)[:-1]
