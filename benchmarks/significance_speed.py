"""Significance of XQuAD-R's size: 10 strategies, 13,090 queries, 10,000 resamples, seconds.

    python benchmarks/significance_speed.py [--resamples 10000] [--strategies 10]

1,190 items in 11 languages: 11 monolingual lists, 110 pairs and the pool, 157,080 scores a
strategy. `parallel`: every item in every language, as XQuAD-R. `ragged`: a third of the scores
missing, as in MLQA-R, so that every resample needs a mean of ratios.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time

import numpy as np
import polars as pl

from polybatch.evaluation.scores import SCORES
from polybatch.statistics.breakdowns import language_views, script_views, setting_views
from polybatch.statistics.resampling import Resampling
from polybatch.statistics.significance import assess

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
ITEMS = 1190


def scores(strategy: int, lacking: float) -> pl.DataFrame:
    """Return one strategy's scores; which are missing does not depend on the strategy."""
    keys = [("mono" if a == b else "cross", a, b) for a in LANGUAGES for b in LANGUAGES] + [
        ("multi", a, "mul") for a in LANGUAGES
    ]
    lists = pl.DataFrame(keys, ["setting", "query_lang", "doc_lang"], orient="row")
    items = pl.DataFrame({"item_id": [f"i{n:04}" for n in range(ITEMS)]})
    rows = lists.join(items, how="cross")
    keep = np.random.default_rng(0).random(rows.height) >= lacking
    values = np.random.default_rng(1 + strategy).random(rows.height)
    return (
        rows.with_columns(dataset=pl.lit("bench"), measure=pl.lit("AP"), score=pl.Series(values))
        .filter(keep)
        .match_to_schema(SCORES)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--strategies", type=int, default=10)
    arguments = parser.parse_args()
    views = {
        "settings": lambda lists, _: setting_views(lists),
        "settings, languages, scripts": lambda lists, _: [
            *setting_views(lists),
            *language_views(lists),
            *script_views(lists),
        ],
    }
    for world, lacking in (("parallel", 0.0), ("ragged", 1 / 3)):
        table = {f"s{n}": scores(n, lacking) for n in range(arguments.strategies)}
        for name, chosen in views.items():
            start, busy = time.perf_counter(), time.process_time()
            assess(table, "s0", chosen, Resampling(arguments.resamples, 0.95, 0))
            seconds, busy = time.perf_counter() - start, time.process_time() - busy
            sys.stdout.write(f"{world}, {name}: {seconds:.1f} s ({busy:.1f} s of CPU)\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"peak MiB: {peak:.0f}\n")


if __name__ == "__main__":
    main()
