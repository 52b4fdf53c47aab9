"""Small worlds of queries, documents and vectors, with ties."""

from __future__ import annotations

import numpy as np
import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.vectors import Float32

World = tuple[Dataset, Float32, Float32]
LANGUAGES = ("en", "sw", "th")


def make_world(seed: int, copies: bool, items: int = 6) -> World:
    """Return a dataset in which languages lack, with grades 0 to 3 and, if asked, few vectors."""
    chance = np.random.default_rng(seed)
    docs = [(f"d{n}", LANGUAGES[chance.integers(3)]) for n in chance.permutation(25)]
    asked = [
        (f"i{i}-{lang}", f"i{i}", lang)
        for i in range(items)
        for lang in LANGUAGES
        if chance.random() < 0.7
    ]
    judged = [
        (f"i{i}", docs[n][0], int(chance.integers(0, 4)))
        for i in range(items)
        for n in chance.choice(25, 4, replace=False)
    ]
    judged += [(f"i{i}", docs[i][0], 1) for i in range(items)]
    dataset = Dataset(
        "toy",
        pl.DataFrame(asked, schema=["query_id", "item_id", "lang"], orient="row"),
        pl.DataFrame(docs, schema=["doc_id", "lang"], orient="row"),
        pl.DataFrame(judged, schema=["item_id", "doc_id", "relevance"], orient="row").unique(
            ["item_id", "doc_id"], keep="last", maintain_order=True
        ),
    )

    def vectors(count: int) -> Float32:
        if copies:
            return chance.integers(-1, 2, (count, 3)).astype(np.float32)
        return chance.standard_normal((count, 16), np.float32)

    return dataset, vectors(len(asked)), vectors(len(docs))
