"""Vectors of an evaluation dataset without their means, which training texts give.

Nothing of what is evaluated takes part in the means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.retrieval.centring import By, Means, centre
from polybatch.retrieval.index import (
    EncodedQueries,
    build_index,
    load_index,
    load_queries,
    save_index,
    save_queries,
)

Side = Literal["query", "document"]
SIDES: tuple[Side, ...] = ("query", "document")

MOST = 500
"""Texts of a language and side: the mean of as many unit vectors is within 0.045 of that of all."""


def mean_texts(
    training: Iterable[Dataset], side: Side, most: int = MOST
) -> tuple[list[str], list[str]]:
    """Return distinct texts of one side and their languages, at most `most` of each.

    Which ones, the digests of the texts say, so the order of rows changes nothing.

    Example:
        >>> rows = {"text": ["a", "b", "a", "c"], "lang": ["en", "en", "en", "sw"]}
        >>> dataset = Dataset("toy", pl.DataFrame(rows), pl.DataFrame(), pl.DataFrame())
        >>> sorted(zip(*mean_texts([dataset], "query"), strict=True))
        [('a', 'en'), ('b', 'en'), ('c', 'sw')]
    """
    tables = [each.queries if side == "query" else each.corpus for each in training]
    texts = {row for table in tables for row in table.select("text", "lang").iter_rows()}
    drawn = sorted(texts, key=lambda row: hashlib.blake2b(row[0].encode()).digest())
    frame = pl.DataFrame(drawn, ["text", "lang"], orient="row")
    chosen = frame.filter(pl.int_range(pl.len()).over("lang") < most).sort("lang", "text")
    return chosen["text"].to_list(), chosen["lang"].to_list()


def centre_folder(
    before: Path, after: Path, dataset: Dataset, means: Mapping[Side, Means], by: By
) -> dict[str, Any]:
    """Write index and queries of a dataset as they are in `before`, centred, into a new `after`.

    Returns, of each side, the languages that had to take the mean of all, with their vectors, and
    how many vectors equal their mean.
    """
    after.mkdir(parents=True)
    index, queries = load_index(before), load_queries(before)
    documents = centre(index.vectors, dataset.corpus["lang"].to_list(), means["document"], by)
    save_index(build_index(list(index.doc_ids), documents.vectors), after)
    asked = centre(queries.vectors, dataset.queries["lang"].to_list(), means["query"], by)
    save_queries(EncodedQueries(queries.query_ids, asked.vectors), after)
    return {
        side: {"without_mean": dict(one.without_mean), "at_mean": one.at_mean}
        for side, one in (("query", asked), ("document", documents))
    }
