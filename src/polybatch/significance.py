"""How sure a score and a difference are: everything is resampled by item, never by query.

Eleven translations of one question are not eleven independent questions. An item is drawn, or
has its sign turned, with all its scores in all languages (a clustered, paired design: Field and
Welsh 2007, doi 10.1111/j.1467-9868.2007.00593.x; Smucker, Allan and Carterette 2007,
doi 10.1145/1321440.1321528, for the randomisation test in retrieval). Intervals are percentiles of
the bootstrap (Efron 1979); p = (extreme + 1) / (trials + 1), never 0 (Phipson and Smyth 2010);
Holm's step-down correction (Holm 1979) is over all comparisons of a table.

Items are put in an order made of their scores, so renaming them changes no number; both
generators have names, so a new strategy changes no number of another.

Letters: J judged queries, I items, L lists of queries, V views, B resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from polybatch.errors import InputError
from polybatch.streams import stream
from polybatch.vectors import Int64
from polybatch.views import Layout, View, lay_out, membership

Float64 = npt.NDArray[np.float64]
Views = Callable[[pl.DataFrame, str], Sequence[View]]
"""From a dataset's lists (views.LISTS) and a measure to what is to be averaged."""

SIGNIFICANCE = pl.Schema(
    {
        "dataset": pl.String,
        "measure": pl.String,
        "kind": pl.String,
        "setting": pl.String,
        "group": pl.String,
        "strategy": pl.String,
        "items": pl.Int64,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "difference": pl.Float64,
        "difference_low": pl.Float64,
        "difference_high": pl.Float64,
        "p": pl.Float64,
        "p_holm": pl.Float64,
    }
)
"""A row a strategy and view. Differences are to the baseline, null for itself. With one item there
is nothing to resample: intervals and p are null. `p_holm`: over all comparisons of the same
measure and kind, all datasets together, which is one table."""

_CHUNK = 500  # resamples at a time: 500 x 1,190 weights are 5 MB
_SAME = 1e-12  # sums of the same numbers in another order differ by less, scores being in [0, 1]


@dataclass(frozen=True)
class Resampling:
    """`resamples`: of the bootstrap, and turns of the signs; `confidence`: of the intervals."""

    resamples: int
    confidence: float
    seed: int


def assess(
    per_query: Mapping[str, pl.DataFrame], baseline: str, views: Views, resampling: Resampling
) -> pl.DataFrame:
    """Return every view of every strategy with intervals, and its difference to the baseline's.

    `per_query`: evaluation.SCORES of each strategy, of the same queries (what differs is refused
    by `compare.refuse_different_queries`; here a row that is missing is an InputError too).

    Example:
        >>> from polybatch.evaluation import SCORES
        >>> from polybatch.views import setting_views
        >>> good, bad = (
        ...     pl.DataFrame([("d", "mono", "en", "en", f"i{n}", "AP", score) for n in range(8)],
        ...                  schema=SCORES, orient="row") for score in (0.75, 0.5))
        >>> sure = assess({"a": bad, "b": good}, "a", lambda lists, _: setting_views(lists),
        ...               Resampling(999, 0.95, 0))
        >>> sure.filter(strategy="b").select("value", "difference", "difference_low").row(0)
        (0.75, 0.25, 0.25)
    """
    parts = []
    reference = per_query[baseline]
    for dataset in reference["dataset"].unique(maintain_order=True):
        for measure in reference["measure"].unique(maintain_order=True):
            keys = _rows(reference, dataset, measure)
            layout = lay_out(keys)
            scores = {name: _aligned(frame, name, keys) for name, frame in per_query.items()}
            table = _Table(layout, views(layout.lists, measure), scores, baseline)
            parts.append(
                table.assess(resampling, str(dataset)).select(
                    pl.lit(dataset).alias("dataset"), pl.lit(measure).alias("measure"), pl.all()
                )
            )
    return _corrected(pl.concat(parts)).match_to_schema(SIGNIFICANCE)


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
        >>> [row.sum().item() for row in next(bootstrap_weights(stream("x"), 5, 3))]
        [5.0, 5.0, 5.0]
    """
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        drawn = generator.integers(0, items, (rows, items))
        drawn += np.arange(rows)[:, None] * items
        counts = np.bincount(drawn.ravel(), minlength=rows * items)
        yield counts.reshape(rows, items).astype(np.float64)


@dataclass(frozen=True)
class _Means:
    """Means over queries, then over lists, of weighted items.

    Call with `weights @ columns` of weights (b, I), and get the views (b, V). Where every item is
    asked in every list as often, the mean of means is linear in the items, and `columns` holds
    what an item adds to each view (I, V). Else it holds sums and counts (I, 2 L).
    """

    columns: Float64
    members: Float64  # (L, V), 1 where the list belongs to the view
    linear: bool

    @classmethod
    def of(cls, sums: Float64, counts: Float64, members: Float64) -> _Means:
        if (counts == counts[0]).all():
            share = members / members.sum(axis=0) / counts[0][:, None]
            return cls(sums @ share / len(sums), members, True)
        return cls(np.concatenate([sums, counts], axis=1), members, False)

    def __call__(self, found: Float64) -> Float64:
        if self.linear:
            return found
        sums, counts = np.hsplit(found, 2)
        asked = counts > 0  # a list that no drawn item is in is left out of this resample
        means = np.divide(sums, counts, out=np.zeros_like(sums), where=asked)
        lists = asked @ self.members
        filled = np.full_like(lists, np.nan)
        views: Float64 = np.divide(means @ self.members, lists, out=filled, where=lists > 0)
        return views

    @property
    def whole(self) -> Float64:
        """The views (V,) of all items, each once."""
        views: Float64 = self(self.columns.sum(axis=0, keepdims=True))[0]
        return views


class _Table:
    """One dataset and measure: all strategies' scores by item and list."""

    def __init__(
        self, layout: Layout, views: Sequence[View], scores: Mapping[str, Float64], baseline: str
    ) -> None:
        self._views, self._baseline = views, baseline
        self._members = membership(layout.lists, views)
        self._counts = layout.counts
        self._sums = {name: layout.sums(values) for name, values in scores.items()}

    def assess(self, resampling: Resampling, dataset: str) -> pl.DataFrame:
        items = len(self._counts)
        own, gains, turned = {}, {}, {}
        for name, sums in self._sums.items():
            order = _order(self._counts, sums)
            own[name] = _Means.of(sums[order], self._counts[order], self._members)
            if name != self._baseline:
                base = self._sums[self._baseline]
                order = _order(self._counts, base, sums)
                gain, counts = (sums - base)[order], self._counts[order]
                gains[name] = _Means.of(gain, counts, self._members)
                turned[name] = _added(gain, counts, self._members)
        chance = stream(resampling.seed, "bootstrap", dataset)
        spread = _intervals([*own.values(), *gains.values()], items, resampling, chance)
        signs = stream(resampling.seed, "randomisation", dataset)
        p = dict(zip(turned, _p_values(list(turned.values()), resampling, signs), strict=True))
        lows = dict(zip([*own, *((name, "gain") for name in gains)], spread, strict=True))
        frames = []
        for name, means in own.items():
            columns = {"value": means.whole, "low": lows[name][0], "high": lows[name][1]}
            if name in gains:
                columns |= {
                    "difference": gains[name].whole,
                    "difference_low": lows[name, "gain"][0],
                    "difference_high": lows[name, "gain"][1],
                    "p": p[name],
                }
            frames.append(self._frame(name, columns))
        return pl.concat(frames)

    def _frame(self, strategy: str, columns: dict[str, Float64]) -> pl.DataFrame:
        counts = self._counts @ self._members > 0
        numbers = ("value", "low", "high", "difference", "difference_low", "difference_high", "p")
        head = {
            "kind": [view.kind for view in self._views],
            "setting": [view.setting for view in self._views],
            "group": [view.group for view in self._views],
            "strategy": [strategy] * len(self._views),
            "items": counts.sum(axis=0),
        }
        frame = pl.DataFrame(
            head
            | {
                name: pl.Series(name, columns.get(name, [None] * len(self._views)), pl.Float64)
                for name in numbers
            }
        )
        # One item leaves nothing to resample: its "interval" would have no width.
        alone = pl.col("items") < 2
        blank = pl.when(alone).then(None)
        return frame.fill_nan(None).with_columns(
            blank.otherwise(pl.col(name)).alias(name)
            for name in ("low", "high", "difference_low", "difference_high", "p")
        )


def _order(*columns: Float64) -> Int64:
    """Return an order of the items that their numbers decide, not their names."""
    rows = np.ascontiguousarray(np.concatenate(columns, axis=1) + 0.0)  # -0.0 becomes 0.0
    as_bytes = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    return np.argsort(as_bytes, kind="stable").astype(np.int64)


def _added(gain: Float64, counts: Float64, members: Float64) -> Float64:
    """Return what each item adds to the difference of each view (I, V)."""
    total = counts.sum(axis=0)
    share = members / members.sum(axis=0) / total[:, None]
    added: Float64 = gain @ share
    return added


def _intervals(
    means: Sequence[_Means], items: int, resampling: Resampling, chance: np.random.Generator
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


def _p_values(
    added: Sequence[Float64], resampling: Resampling, chance: np.random.Generator
) -> list[Float64]:
    """Return p (V,) of each: how often random signs give a sum at least as far from 0."""
    if not added:
        return []
    columns, cuts = _side_by_side(added)
    observed = np.abs(columns.sum(axis=0)) - _SAME
    extreme = np.zeros(columns.shape[1])
    for start in range(0, resampling.resamples, _CHUNK):
        rows = min(_CHUNK, resampling.resamples - start)
        signs = chance.integers(0, 2, (rows, len(columns))) * 2.0 - 1
        extreme += (np.abs(signs @ columns) >= observed).sum(axis=0)
    return np.split((extreme + 1) / (resampling.resamples + 1), cuts)


def _side_by_side(tables: Sequence[Float64]) -> tuple[Float64, Int64]:
    """Return tables of as many rows as one, and where to cut it: one product for all."""
    widths = [table.shape[1] for table in tables]
    return np.concatenate(tables, axis=1), np.cumsum(widths)[:-1]


def _rows(frame: pl.DataFrame, dataset: object, measure: object) -> pl.DataFrame:
    rows = frame.filter(pl.col("dataset") == dataset, pl.col("measure") == measure)
    return rows.sort("setting", "query_lang", "doc_lang", "item_id")


def _aligned(frame: pl.DataFrame, strategy: str, keys: pl.DataFrame) -> Float64:
    """Return a strategy's scores (J,) in the order of `keys`; refuses gaps and NaN."""
    rows = _rows(frame, keys["dataset"][0], keys["measure"][0])
    names = ["setting", "query_lang", "doc_lang", "item_id"]
    if not rows.select(names).equals(keys.select(names)):
        missing = keys.join(rows, on=names, how="anti")
        raise InputError(
            f"{strategy}, {keys['dataset'][0]}, {keys['measure'][0]}",
            f"{rows.height} scores, {missing.height} of the baseline's queries missing",
            f"the baseline's {keys.height} judged queries, each once",
            "Evaluate both on the same data: `dvc repro` the older one",
        )
    bad = rows.filter(~pl.col("score").is_finite().fill_null(False))
    if bad.height:
        first = "; ".join(" ".join(row) for row in bad.select(names).head(3).rows())
        raise InputError(
            f"{strategy}, {keys['dataset'][0]}, {keys['measure'][0]}",
            f"{bad.height} scores that are no numbers ({first})",
            "finite scores",
            "Run this strategy's evaluate stage again",
        )
    return rows["score"].to_numpy()


def _corrected(table: pl.DataFrame) -> pl.DataFrame:
    """Add `p_holm`: over all comparisons of the same measure and kind."""
    corrected = np.full(table.height, np.nan)
    families = table.select("measure", "kind").with_row_index("row")
    p = table["p"].to_numpy()
    for family in families.partition_by("measure", "kind"):
        rows = family["row"].to_numpy()
        rows = rows[~np.isnan(p[rows])]
        corrected[rows] = holm(p[rows])
    return table.with_columns(p_holm=pl.Series(corrected).fill_nan(None))
