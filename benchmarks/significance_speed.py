"""Intervals, contrasts and tables of XQuAD-R's size: strategies x seeds, seconds and memory.

    python benchmarks/significance_speed.py [--strategies 10] [--seeds 3] [--measures 7]

1,190 items of 240 passages in 11 languages: 11 monolingual lists, 110 pairs and the pool, 157,080
scores a training and measure, read from Parquet as the stage compare does.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from polybatch.core.dataset import read_table, write_table
from polybatch.evaluation.scores import SCORES
from polybatch.reports.comparison_sections import study_views
from polybatch.statistics.arms import ArmKind, read_arms
from polybatch.statistics.clusters import Clusters
from polybatch.statistics.contrasts import contrast_table
from polybatch.statistics.decisions import Rule
from polybatch.statistics.significance import assess

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
ITEMS, PASSAGES = 1190, 240
RULE = Rule(0.005, 0.95)


def scores(training: int, measures: int) -> pl.DataFrame:
    """Return one training's scores, sorted as the stage evaluate writes them."""
    keys = [("mono" if a == b else "cross", a, b) for a in LANGUAGES for b in LANGUAGES] + [
        ("multi", a, "mul") for a in LANGUAGES
    ]
    lists = pl.DataFrame(keys, ["setting", "query_lang", "doc_lang"], orient="row")
    items = pl.DataFrame({"item_id": [f"i{n:04}" for n in range(ITEMS)]})
    rows = lists.join(items, how="cross").sort("setting", "query_lang", "doc_lang", "item_id")
    chance = np.random.default_rng(training)
    frames = [
        rows.with_columns(
            dataset=pl.lit("bench"),
            measure=pl.lit(f"AP@{n}" if n else "AP"),
            score=pl.Series(chance.random(rows.height)),
        )
        for n in range(measures)
    ]
    return pl.concat(frames).match_to_schema(SCORES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strategies", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--measures", type=int, default=7)
    chosen = parser.parse_args()
    names = [f"s{n}" for n in range(chosen.strategies)]
    kinds = {
        name: ArmKind(tuple(f"{name}-{seed}" for seed in range(chosen.seeds)), True)
        for name in names
    }
    trials = [trial for kind in kinds.values() for trial in kind.trials]
    of = pl.DataFrame(
        {
            "item_id": [f"i{n:04}" for n in range(ITEMS)],
            "cluster": [n * PASSAGES // ITEMS for n in range(ITEMS)],
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        for number, trial in enumerate(trials):
            write_table(scores(number, chosen.measures), Path(folder) / f"{trial}.parquet")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start, busy = time.perf_counter(), time.process_time()
        scored = read_arms(
            kinds,
            lambda trial: read_table(Path(folder) / f"{trial}.parquet", SCORES),
            {"bench": Clusters("group_id", of)},
            study_views("AP", LANGUAGES, LANGUAGES[:8]),
        )
        sys.stdout.write(
            f"read: {time.perf_counter() - start:.1f} s ({time.process_time() - busy:.1f} of CPU)\n"
        )
        table = assess(scored, names[0], RULE)
        claims = [(name, names[0]) for name in names[1:]]
        found = contrast_table(scored[:1], claims, RULE, 10_000, 0)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"{len(trials)} trainings, {table.height:,} rows, {found.height} claims: {seconds:.1f} s"
        f" ({busy:.1f} s of CPU), peak {peak:,.0f} MiB ({before:,.0f} before)\n"
    )


if __name__ == "__main__":
    main()
