"""Seeds as an axis: what several trainings of one strategy give on average, and how they differ.

Intervals say how far a score would move with other questions; the spread over seeds says how far
it moves with the same questions and another training. A difference needs to be larger than both.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from polybatch.evaluation.scores import SETTINGS, Summary
from polybatch.markdown import escape, markdown

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
        "difference": pl.Float64,
        "noise": pl.Float64,
    }
)
"""A row a strategy, dataset, setting and measure. `spread`: the standard deviation over seeds
(n - 1), null for one seed. `difference`: of the means, to the baseline. `noise`: how much two
single trainings of these two strategies differ by their seeds alone, sqrt(spread² + spread²)."""

_KEYS = ["dataset", "setting", "query_lang", "doc_lang", "item_id", "measure"]


def mean_scores(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return evaluation.SCORES with each query's score averaged over the frames, one a seed.

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
    for number, frame in enumerate(frames[1:]):
        other = frame.select(*keys, pl.col("score").alias(f"score {number}"))
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


def spread_over_seeds(summaries: Mapping[str, Sequence[Summary]], baseline: str) -> pl.DataFrame:
    """Return SEEDS of the summaries, one a seed, of each strategy.

    Example:
        >>> runs = {"mono": [0.5, 0.6], "hybrid": [0.6, 0.7]}
        >>> summaries = {
        ...     name: [{"d": {"mono": {"AP": value}}} for value in values]
        ...     for name, values in runs.items()
        ... }
        >>> row = spread_over_seeds(summaries, "mono").row(1, named=True)
        >>> round(row["mean"], 3), round(row["spread"], 4), round(row["noise"], 3)
        (0.65, 0.0707, 0.1)
    """
    values = {name: _values(found) for name, found in summaries.items()}
    rows = []
    for name, found in values.items():
        for (dataset, setting, measure), seen in found.items():
            base = values[baseline].get((dataset, setting, measure))
            spread = statistics.stdev(seen) if len(seen) > 1 else None
            mean = statistics.fmean(seen)
            difference = noise = None
            if base is not None and name != baseline:
                difference = mean - statistics.fmean(base)
                if len(seen) > 1 or len(base) > 1:  # what has one seed has no chance of training
                    noise = math.hypot(*(statistics.stdev(x) for x in (seen, base) if len(x) > 1))
            rows.append(
                (
                    *(name, dataset, setting, measure),
                    *(len(seen), mean, spread, min(seen), max(seen)),
                    *(difference, noise),
                )
            )
    return pl.DataFrame(rows, schema=SEEDS, orient="row")


def _values(summaries: Sequence[Summary]) -> dict[tuple[str, str, str], list[float]]:
    first = summaries[0]
    return {
        (dataset, setting, measure): [summary[dataset][setting][measure] for summary in summaries]
        for dataset, settings in first.items()
        for setting in SETTINGS
        for measure in settings.get(setting, {})
    }


def seeds_section(table: pl.DataFrame, measure: str, baseline: str) -> str:
    """Return means and spreads over seeds in percent, and in words what is no more than noise.

    `table`: SEEDS.
    """
    rows = table.filter(measure=measure)
    count = max(rows["seeds"], default=1)
    if count == 1:
        return (
            "Every strategy was trained with one seed: how much of a difference is chance of "
            "training cannot be told. `study.seeds: [0, 1, 2]` in params.yaml trains each three "
            "times; what is there is not run again."
        )
    cells = [
        (
            escape(row["strategy"]),
            escape(row["dataset"]),
            row["setting"],
            f"{100 * row['mean']:.1f}" + (f" ± {100 * row['spread']:.1f}" if row["spread"] else ""),
            f"{100 * row['lowest']:.1f} to {100 * row['highest']:.1f}",
            "–" if row["difference"] is None else f"{100 * row['difference']:+.1f}",
            "–" if row["noise"] is None else f"{100 * row['noise']:.1f}",
        )
        for row in rows.iter_rows(named=True)
    ]
    names = ["strategy", "dataset", "setting", "mean ± spread", "range", "difference", "seed noise"]
    return "\n\n".join(
        [
            f"{escape(measure)} in percent over {count} seeds; spread is the standard deviation. "
            f"Seed noise is how far two single trainings, of a strategy and of {escape(baseline)}, "
            "stand apart by their seeds alone (one standard deviation).",
            markdown(pl.DataFrame(cells, names, orient="row")),
            _in_words(rows, baseline),
        ]
    )


def _in_words(rows: pl.DataFrame, baseline: str) -> str:
    lines = [
        f"- {escape(row['strategy'])} and {escape(baseline)}, {escape(row['dataset'])} "
        f"{row['setting']}: the difference of {100 * row['difference']:+.1f} is smaller than seed "
        f"noise ({100 * row['noise']:.1f}); another seed may turn it around."
        for row in below_noise(rows).iter_rows(named=True)
    ]
    if not lines:
        return f"Every difference to {escape(baseline)} is larger than seed noise."
    return "Not to be told from chance of training:\n\n" + "\n".join(lines)


def below_noise(table: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of SEEDS whose difference to the baseline is smaller than seed noise."""
    return table.filter(pl.col("difference").abs() < pl.col("noise"))
