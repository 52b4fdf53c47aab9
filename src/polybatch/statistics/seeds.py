"""Seeds as an axis: what several trainings of one strategy give on average, and how they differ.

The spread over seeds says how far a score moves with the same questions and another training.
Whether a difference is larger than that, only the contrasts decide (`statistics.contrasts`).
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from polybatch.core.markdown import escape, markdown, number
from polybatch.evaluation.scores import SETTINGS, Summary

SEEDS = pl.Schema(
    {
        "strategy": pl.String,
        "dataset": pl.String,
        "setting": pl.String,
        "measure": pl.String,
        "seeds": pl.Int64,
        "mean": pl.Float64,
        "spread": pl.Float64,
        "lowest": pl.Float64,
        "highest": pl.Float64,
    }
)
"""One row per strategy, dataset, setting and measure. `spread`: the standard deviation over seeds
(n - 1), null for one seed."""


def mean_scores(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return evaluation.SCORES with each query's score averaged over the frames, one per seed.

    All frames hold the same queries (compare.refuse_different_queries); rows are in the first
    one's order. One frame comes back as it is.

    Example:
        >>> row = {"dataset": "d", "setting": "mono", "query_lang": "sw", "doc_lang": "sw"}
        >>> row |= {"item_id": "1", "measure": "AP"}
        >>> frames = [pl.DataFrame([row | {"score": score}]) for score in (0.5, 1.0)]
        >>> mean_scores(frames)["score"].to_list()
        [0.75]
    """
    if len(frames) == 1:
        return frames[0]
    keys = [name for name in frames[0].columns if name != "score"]
    first = frames[0].with_row_index("row")
    summed = first.select("row", *keys, "score")
    for position, frame in enumerate(frames[1:]):
        other = frame.select(*keys, pl.col("score").alias(f"score {position}"))
        summed = summed.join(other, on=keys, how="left", validate="1:1", nulls_equal=True)
    columns = [name for name in summed.columns if name.startswith("score")]
    return (
        summed.sort("row")
        .with_columns(score=pl.mean_horizontal(*columns))
        .select(frames[0].columns)
    )


def mean_numbers(trees: Sequence[Any]) -> Any:
    """Return what JSON trees of the same shape hold, their numbers averaged.

    A null in any of them stays null; what is no number is the first one's.

    Example:
        >>> mean_numbers([{"a": [1, 2.0], "b": "x"}, {"a": [2, 3.0], "b": "x"}])
        {'a': [1.5, 2.5], 'b': 'x'}
    """
    first = trees[0]
    if len(trees) == 1:
        return first
    if isinstance(first, Mapping):
        return {key: mean_numbers([tree[key] for tree in trees]) for key in first}
    if isinstance(first, list):
        return [mean_numbers(list(items)) for items in zip(*trees, strict=True)]
    if any(tree is None for tree in trees):
        return None
    if isinstance(first, bool) or not isinstance(first, (int, float)):
        return first
    return statistics.fmean(trees)


def spread_over_seeds(summaries: Mapping[str, Sequence[Summary]]) -> pl.DataFrame:
    """Return SEEDS of the summaries, one per seed, of each strategy.

    Example:
        >>> values = [{"d": {"mono": {"AP": value}}} for value in (0.6, 0.7)]
        >>> row = spread_over_seeds({"hybrid": values}).row(0, named=True)
        >>> round(row["mean"], 3), round(row["spread"], 4)
        (0.65, 0.0707)
    """
    rows = []
    for name, found in summaries.items():
        for key, seen in _values(found).items():
            spread = statistics.stdev(seen) if len(seen) > 1 else None
            numbers = (len(seen), statistics.fmean(seen), spread, min(seen), max(seen))
            rows.append((name, *key, *numbers))
    return pl.DataFrame(rows, schema=SEEDS, orient="row")


def _values(summaries: Sequence[Summary]) -> dict[tuple[str, str, str], list[float]]:
    first = summaries[0]
    return {
        (dataset, setting, measure): [summary[dataset][setting][measure] for summary in summaries]
        for dataset, settings in first.items()
        for setting in SETTINGS
        for measure in settings.get(setting, {})
    }


def seeds_section(table: pl.DataFrame, measure: str, trained: bool = True) -> str:
    """Return means and spreads over seeds in percent. `table`: SEEDS; `trained`: whether any row.

    Example:
        >>> scores = [{"d": {"mono": {"AP": value}}} for value in (0.6, 0.7)]
        >>> print(seeds_section(spread_over_seeds({"hybrid": scores}), "AP").splitlines()[-1])
        | hybrid | d | mono | 2 | 65.0 ± 7.1 | 60.0 to 70.0 |
    """
    rows = table.filter(pl.col("measure") == measure, pl.col("seeds") > 1)
    if not trained:
        return "Nothing was trained here: the scores hold no chance of training."
    if not rows.height:
        return (
            "Every strategy was trained with one seed: how much of a difference is chance of "
            "training is not known. `study.seeds: [0, 1, 2]` in params.yaml trains each three "
            "times; what is there is not run again."
        )
    cells = [
        (
            escape(row["strategy"]),
            escape(row["dataset"]),
            row["setting"],
            str(row["seeds"]),
            f"{number(row['mean'])} ± {number(row['spread'])}",
            f"{number(row['lowest'])} to {number(row['highest'])}",
        )
        for row in rows.iter_rows(named=True)
    ]
    names = ["strategy", "dataset", "setting", "seeds", "mean ± spread", "range"]
    return (
        f"{escape(measure)} in percent; spread is the standard deviation over seeds.\n\n"
        f"{markdown(pl.DataFrame(cells, names, orient='row'))}"
    )
