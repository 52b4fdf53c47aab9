"""Planning: 1,000 batches of 64 from 100,000 items in 11 languages, each in every language.

Prints seconds and peak memory of ours, and, on a size that it can bear, of the obvious way (all
pairs of languages listed, each candidate compared with every pair of the batch) as a ratio.

    python benchmarks/plan_speed.py
"""

from __future__ import annotations

import random
import resource
import statistics
import time

import numpy as np
import polars as pl

from polybatch.batches.invariants import check_plan
from polybatch.batches.plan import plan_batches
from polybatch.core.dataset import Dataset
from polybatch.settings.batches import BatchSettings
from polybatch.settings.strategies import Strategy

LANGS = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
HYBRID = Strategy("base", "hybrid", 0.5)


def parallel(items: int) -> Dataset:
    """Every item has a question and a document of about 100 characters in every language."""
    item = pl.Series("item", np.repeat(np.arange(items), len(LANGS)))
    frame = pl.DataFrame({"item": item, "lang": pl.Series(LANGS * items)}).with_columns(
        item_id=pl.format("item{}", "item"), doc_id=pl.format("doc{}:{}", "item", "lang")
    )
    question = pl.format("question {} in {}: " + "words " * 12, "item", "lang")
    none = pl.lit(None, pl.String)
    answer = pl.format("answer {} in {}: " + "words " * 14, "item", "lang")
    return Dataset(
        "made",
        frame.select(
            query_id=pl.format("q{}:{}", "item", "lang"),
            item_id="item_id",
            lang="lang",
            text=question,
            split=pl.lit("train"),
        ),
        frame.select(
            "doc_id",
            "lang",
            text=answer,
            title=none,
            group_id="item_id",
            document_id=none,
            template_id=none,
        ),
        frame.select("item_id", "doc_id", relevance=pl.lit(1, pl.Int64)),
    )


def obvious(dataset: Dataset, steps: int, size: int) -> int:
    """Draw pairs from the list of all, keep those that share nothing with the batch."""
    chance = random.Random(0)
    queries = dataset.queries.select("item_id", "lang", "text").rows()
    texts = dict(dataset.corpus.select("doc_id", "text").rows())
    documents: dict[str, list[str]] = {}
    for item, doc in dataset.qrels.select("item_id", "doc_id").rows():
        documents.setdefault(item, []).append(doc)
    pairs = [(item, doc, text) for item, _, text in queries for doc in documents[item]]
    planned = 0
    for _ in range(steps):
        batch: list[tuple[str, str, str]] = []
        while len(batch) < size:
            one = chance.choice(pairs)
            if all(
                one[0] != other[0]
                and not set(documents[one[0]]) & set(documents[other[0]])
                and texts[one[1]].lower() != texts[other[1]].lower()
                for other in batch
            ):
                batch.append(one)
        planned += len(batch)
    return planned


def _seconds(work: object, repeats: int = 3) -> float:
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()  # type: ignore[operator]
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def main() -> None:
    small, settings = (
        parallel(2_000),
        BatchSettings(100, 64, 1.0, match_budget=False, exposure="pairs"),
    )
    ours = _seconds(lambda: plan_batches([small], "hybrid", HYBRID, settings, 0))
    theirs = _seconds(lambda: obvious(small, 100, 64))
    print(
        f"2,000 items, 100 batches: ours {ours:.2f} s, the obvious way {theirs:.2f} s,"
        f" ratio {ours / theirs:.2f}"
    )
    large, settings = (
        parallel(100_000),
        BatchSettings(1_000, 64, 1.0, match_budget=False, exposure="pairs"),
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds = _seconds(lambda: plan_batches([large], "hybrid", HYBRID, settings, 0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"100,000 items x 11 languages, 1,000 batches of 64: {seconds:.1f} s, peak {peak:.2f} GiB"
        f" ({before:.2f} GiB of it the datasets themselves)"
    )
    plan = plan_batches([large], "hybrid", HYBRID, settings, 0).table
    print(
        f"checking its laws: {_seconds(lambda: check_plan(plan, [large], settings, HYBRID)):.1f} s"
    )


if __name__ == "__main__":
    main()
