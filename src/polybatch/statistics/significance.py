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

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from polybatch.errors import InputError
from polybatch.randomness import stream
from polybatch.statistics.breakdowns import Layout, View, lay_out, membership
from polybatch.statistics.resampling import (
    Float64,
    Means,
    Resampling,
    added,
    holm,
    intervals,
    item_order,
    p_values,
)

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


def assess(
    per_query: Mapping[str, pl.DataFrame], baseline: str, views: Views, resampling: Resampling
) -> pl.DataFrame:
    """Return every view of every strategy with intervals, and its difference to the baseline's.

    `per_query`: evaluation.SCORES of each strategy, of the same queries (what differs is refused
    by `compare.refuse_different_queries`; here a row that is missing is an InputError too).

    Example:
        >>> from polybatch.evaluation.scores import SCORES
        >>> from polybatch.statistics.breakdowns import setting_views
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
            order = item_order(self._counts, sums)
            own[name] = Means.of(sums[order], self._counts[order], self._members)
            if name != self._baseline:
                base = self._sums[self._baseline]
                order = item_order(self._counts, base, sums)
                gain, counts = (sums - base)[order], self._counts[order]
                gains[name] = Means.of(gain, counts, self._members)
                turned[name] = added(gain, counts, self._members)
        chance = stream(resampling.seed, "bootstrap", dataset)
        spread = intervals([*own.values(), *gains.values()], items, resampling, chance)
        signs = stream(resampling.seed, "randomisation", dataset)
        p = dict(zip(turned, p_values(list(turned.values()), resampling, signs), strict=True))
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
