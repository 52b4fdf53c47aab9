"""How sure a score and a difference to the baseline are, in every view of every arm.

Eleven translations of one question are not eleven independent questions, nor are the questions of
one article: intervals are over clusters (`statistics.clusters`) and, where an arm was trained with
several seeds, over trainings too (`statistics.multi_reader`). Claims are the declared contrasts
(`statistics.contrasts`); these tables are exploratory, so each is corrected within itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from polybatch.statistics.arms import Scored
from polybatch.statistics.clusters import LEAST
from polybatch.statistics.decisions import Difference, Rule, decide
from polybatch.statistics.family import holm
from polybatch.statistics.influence import Float64
from polybatch.statistics.multi_reader import Estimate, estimate

SIGNIFICANCE = pl.Schema(
    {
        "dataset": pl.String,
        "measure": pl.String,
        "kind": pl.String,
        "setting": pl.String,
        "group": pl.String,
        "strategy": pl.String,
        "items": pl.Int64,
        "clusters": pl.Int64,
        "seeds": pl.Int64,
        "value": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "difference": pl.Float64,
        "difference_low": pl.Float64,
        "difference_high": pl.Float64,
        "p": pl.Float64,
        "p_holm": pl.Float64,
        "outcome": pl.String,
    }
)
"""One row per arm and view. Differences are to the baseline, null for itself. `seeds`: the fewest
trainings in the difference (of the baseline: its own), null where nothing was trained. Intervals
and p are null with fewer than five clusters. `p_holm`: over all comparisons of the same dataset,
measure, kind and setting, which is one table. `outcome`: the decision (decisions.Outcome) on the
difference with that p."""

DIGITS = 7
"""Decimals of scores and p in files: what machines compute alike."""


def assess(scored: Sequence[Scored], baseline: str, rule: Rule) -> pl.DataFrame:
    """Return SIGNIFICANCE: all views of all arms with intervals, and differences to the baseline.

    Example:
        >>> from polybatch.evaluation.scores import SCORES
        >>> from polybatch.statistics.arms import ArmKind, read_arms
        >>> from polybatch.statistics.breakdowns import setting_views
        >>> from polybatch.statistics.clusters import Clusters
        >>> def scores(trial):
        ...     return pl.DataFrame(
        ...         [("d", "mono", "en", "en", f"i{n}", "AP", n / 8 + (trial == "b") / 9)
        ...          for n in range(6)], SCORES, orient="row")
        >>> each = pl.DataFrame({"item_id": [f"i{n}" for n in range(6)], "cluster": range(6)})
        >>> scored = read_arms({name: ArmKind((name,), False) for name in "ab"}, scores,
        ...                    {"d": Clusters("item_id", each)},
        ...                    lambda lists, _: setting_views(lists))
        >>> found = assess(scored, "a", Rule(0.005, 0.95)).filter(strategy="b")
        >>> found.select("difference", "difference_low", "outcome").row(0)
        (0.1111111, 0.1111111, 'better')
    """
    frames = [
        _frame(part, name, baseline, rule.confidence) for part in scored for name in part.arms
    ]
    table = _corrected(pl.concat(frames))
    outcomes = [
        None if row["difference"] is None else decide(difference_in(row), rule)
        for row in table.iter_rows(named=True)
    ]
    found = table.with_columns(outcome=pl.Series(outcomes, dtype=pl.String))
    return found.match_to_schema(SIGNIFICANCE)


def difference_in(row: Mapping[str, Any]) -> Difference:
    """Return what a row of SIGNIFICANCE says of a difference, for `decisions`.

    Example:
        >>> row = {"difference": 0.02, "difference_low": 0.01, "difference_high": 0.03, "p": 0.002}
        >>> difference_in(row | {"p_holm": 0.007, "seeds": 3, "clusters": 48}).p
        0.007
    """
    names = ("difference", "difference_low", "difference_high", "p_holm", "seeds", "clusters")
    return Difference(*(row[name] for name in names))


def _frame(part: Scored, name: str, baseline: str, confidence: float) -> pl.DataFrame:
    own = estimate(part.arms, part.contrast(name, None))
    other = None if name == baseline else baseline
    columns = _interval(own, part.clusters, confidence, ("value", "low", "high"))
    if other is not None:
        gain = estimate(part.arms, part.contrast(name, baseline))
        names = ("difference", "difference_low", "difference_high")
        columns |= _interval(gain, part.clusters, confidence, names)
        columns["p"] = np.where(part.clusters < LEAST, np.nan, gain.p)
    empty = [None] * len(part.views)
    numbers = [key for key in SIGNIFICANCE if key in columns or key in _NUMBERS]
    return pl.DataFrame(
        {
            "dataset": [part.dataset] * len(part.views),
            "measure": [part.measure] * len(part.views),
            "kind": [view.kind for view in part.views],
            "setting": [view.setting for view in part.views],
            "group": [view.group for view in part.views],
            "strategy": [name] * len(part.views),
            "items": part.items,
            "clusters": part.clusters.astype(np.int64),
            "seeds": pl.Series([part.seeds(name, other)] * len(part.views), dtype=pl.Int64),
        }
        | {key: pl.Series(key, columns.get(key, empty), pl.Float64) for key in numbers}
    ).fill_nan(None)


_NUMBERS = tuple(name for name, kind in SIGNIFICANCE.items() if kind == pl.Float64)[:-1]


def _interval(
    found: Estimate, clusters: Float64, confidence: float, names: tuple[str, str, str]
) -> dict[str, Float64]:
    ends = [np.where(clusters < LEAST, np.nan, end) for end in found.interval(confidence)]
    return dict(zip(names, (found.value, *ends), strict=True))


def _corrected(table: pl.DataFrame) -> pl.DataFrame:
    """Add `p_holm`: over all comparisons of one table."""
    corrected = np.full(table.height, np.nan)
    family = ["dataset", "measure", "kind", "setting"]
    p = table["p"].to_numpy()
    for one in table.select(family).with_row_index("row").partition_by(family):
        rows = one["row"].to_numpy()
        rows = rows[~np.isnan(p[rows])]
        corrected[rows] = holm(p[rows])
    rounded = pl.col(*_NUMBERS).round(DIGITS) + 0.0
    return table.with_columns(
        rounded, p_holm=pl.Series(corrected, dtype=pl.Float64).fill_nan(None).round(DIGITS)
    )
