"""Training pairs as arrays: languages of queries and documents, and which must not share a batch.

Two items must not share a batch when they share a relevant document, in any language, or when a
query or relevant document of one has, normalised, the text of one of the other's: in-batch
negatives would then call a right answer wrong. Datasets of one source may hold an item in a
language each, so equal ids count as one, whichever datasets have them; those of unrelated sources
then share no batch, and nothing else happens.

Letters: I items, L languages. Nothing here is as long as the list of all pairs of languages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from polybatch.core.dataset import Dataset, normalised
from polybatch.core.errors import InputError
from polybatch.core.languages import LanguagePair

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]

_SLICE = 65_536  # rows
_SEED = 7  # of polars' hash; only equality counts


@dataclass(frozen=True)
class PairTable:
    """All training pairs of some datasets.

    `items`: dataset and item_id of each item, sorted. `queries`: dataset, query_id of each query
    row; `query_of`: (I, L) row of the item's query in a language, or -1. `documents`: dataset,
    doc_id of each relevant document row, those of an item and language side by side from
    `first_document` (I, L), `document_count` (I, L) of them. `keys`: what an item shares with
    others, those of item i at `key_bounds[i]:key_bounds[i + 1]`.
    """

    languages: tuple[str, ...]
    items: pl.DataFrame
    queries: pl.DataFrame
    documents: pl.DataFrame
    query_of: Int32
    first_document: Int32
    document_count: Int32
    keys: Int64
    key_bounds: Int64

    def counts(self) -> dict[LanguagePair, int]:
        """Return {ordered pair of languages: number of pairs}, for those that have any."""
        return _counts(self.languages, self.query_of, self.document_count)

    def pool(self, pair: LanguagePair) -> Int64:
        """Return the rows of `items` (N,) that have a query and a document in these languages."""
        a, b = (self.languages.index(half) for half in (pair.query, pair.document))
        return np.flatnonzero((self.query_of[:, a] >= 0) & (self.document_count[:, b] > 0))

    def parallel_items(self) -> Int64:
        """Return the rows of `items` (N,) that have a query and a document in every language."""
        return np.flatnonzero(((self.query_of >= 0) & (self.document_count > 0)).all(axis=1))

    def keys_of(self, item: int) -> list[int]:
        """Return what an item shares with others; items with a common key share no batch."""
        found: list[int] = self.keys[self.key_bounds[item] : self.key_bounds[item + 1]].tolist()
        return found


def pair_table(datasets: Sequence[Dataset]) -> PairTable:
    """Return the training pairs of `datasets`, whatever the order of their rows.

    Example:
        >>> queries = pl.DataFrame({"item_id": ["i", "j"], "query_id": ["q", "r"], "lang": "en",
        ...                         "text": ["Who?", "who"]})
        >>> corpus = pl.DataFrame({"doc_id": ["a", "b"], "lang": "en", "text": ["Poe", "Eco"]})
        >>> qrels = pl.DataFrame({"item_id": ["i", "j"], "doc_id": ["a", "b"], "relevance": 1})
        >>> found = pair_table([Dataset("toy", queries, corpus, qrels)])
        >>> found.keys_of(0), found.keys_of(1)  # both ask who: they share no batch
        ([0], [0])
    """
    items, queries, documents, languages = _sorted_rows(datasets)
    first, count = _grid(documents, items.height, languages)
    keys, bounds = _shared_keys(datasets, items, documents)
    return PairTable(
        languages,
        items.drop("item"),
        queries.select("dataset", "query_id"),
        documents.select("dataset", "doc_id"),
        _grid(queries, items.height, languages)[0],
        first,
        count,
        keys,
        bounds,
    )


def pair_counts(datasets: Sequence[Dataset]) -> dict[LanguagePair, int]:
    """Return {ordered pair of languages: number of training pairs}, for those that have any.

    Example:
        >>> queries = pl.DataFrame({"item_id": "i", "query_id": ["q", "r"], "lang": ["en", "sw"]})
        >>> corpus = pl.DataFrame({"doc_id": ["a", "b"], "lang": "en"})
        >>> qrels = pl.DataFrame({"item_id": "i", "doc_id": ["a", "b"], "relevance": 1})
        >>> found = pair_counts([Dataset("toy", queries, corpus, qrels)])
        >>> {str(pair): count for pair, count in found.items()}
        {'en>en': 2, 'sw>en': 2}
    """
    items, queries, documents, languages = _sorted_rows(datasets)
    query_of, _ = _grid(queries, items.height, languages)
    return _counts(languages, query_of, _grid(documents, items.height, languages)[1])


def _counts(
    languages: Sequence[str], query_of: Int32, document_count: Int32
) -> dict[LanguagePair, int]:
    matrix = (query_of >= 0).astype(np.float64).T @ document_count
    return {
        LanguagePair(query_lang, doc_lang): int(matrix[a, b])
        for a, query_lang in enumerate(languages)
        for b, doc_lang in enumerate(languages)
        if matrix[a, b]
    }


def _sorted_rows(
    datasets: Sequence[Dataset],
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, tuple[str, ...]]:
    """Return items, their queries and their relevant documents, sorted, and the languages."""
    queries = _concat(datasets, "queries", ["item_id", "query_id", "lang"])
    qrels = _concat(datasets, "qrels", ["item_id", "doc_id", "relevance"])
    corpus = _concat(datasets, "corpus", ["doc_id", "lang"])
    relevant = qrels.filter(pl.col("relevance") > 0).drop("relevance")
    documents = relevant.join(corpus, on=["dataset", "doc_id"])
    items = queries.join(documents, on=["dataset", "item_id"], how="semi")
    items = items.select("dataset", "item_id").unique().sort("dataset", "item_id")
    if items.is_empty():
        raise InputError(
            "training datasets",
            "no pair",
            "queries with relevant documents",
            "Name a dataset with 'use: train' that has some",
        )
    items = items.with_row_index("item")
    queries = queries.join(items, on=["dataset", "item_id"]).sort("item", "lang", "query_id")
    documents = documents.join(items, on=["dataset", "item_id"]).sort("item", "lang", "doc_id")
    languages = tuple(sorted({*queries["lang"].unique(), *documents["lang"].unique()}))
    return items, queries, documents, languages


def _concat(datasets: Sequence[Dataset], name: str, columns: list[str]) -> pl.DataFrame:
    parts: list[pl.DataFrame] = [
        getattr(dataset, name).select(
            pl.lit(dataset.name).cast(_names(datasets)).alias("dataset"), *columns
        )
        for dataset in datasets
    ]
    return pl.concat(parts)


def _names(datasets: Sequence[Dataset]) -> pl.Enum:
    """Return a type for the dataset column that takes one byte per row, sorted by name."""
    return pl.Enum(sorted({dataset.name for dataset in datasets}))


def _grid(rows: pl.DataFrame, items: int, languages: Sequence[str]) -> tuple[Int32, Int32]:
    """Return first row and number of rows of each (item, language); -1 and 0 where none."""
    place = {lang: i for i, lang in enumerate(languages)}
    cells = (
        rows.with_row_index("row")
        .group_by("item", "lang")
        .agg(pl.col("row").min(), pl.len().alias("count"))
    )
    item = cells["item"].to_numpy()
    lang = cells["lang"].replace_strict(place, return_dtype=pl.Int64).to_numpy()
    first = np.full((items, len(languages)), -1, np.int32)
    count = np.zeros((items, len(languages)), np.int32)
    first[item, lang] = cells["row"].to_numpy()
    count[item, lang] = cells["count"].to_numpy()
    return first, count


def item_keys(
    datasets: Sequence[Dataset], items: pl.DataFrame, documents: pl.DataFrame
) -> pl.DataFrame:
    """Return (item, key) of everything that two items must not have in common.

    Keys are 64-bit hashes: should two different texts ever share one, a pair is put off to a later
    batch without need, and nothing else happens.
    """
    return pl.concat(_key_parts(datasets, items, documents)).unique()


def _key_parts(
    datasets: Sequence[Dataset], items: pl.DataFrame, documents: pl.DataFrame
) -> Iterator[pl.DataFrame]:
    """Yield (item, key) of ids, then of each dataset's question and document texts."""
    yield _in_slices(documents, "item", pl.col("doc_id").hash(_SEED).alias("key"))
    if len(datasets) > 1:
        yield _in_slices(items, "item", pl.col("item_id").hash(_SEED + 2).alias("key"))
    for dataset in datasets:
        mine = items.filter(pl.col("dataset") == dataset.name).select("item", "item_id")
        yield _text_keys(dataset.queries, mine, "item_id")
        held = documents.filter(pl.col("dataset") == dataset.name).select("item", "doc_id")
        yield _text_keys(dataset.corpus, held, "doc_id")


def _text_keys(texts: pl.DataFrame, wanted: pl.DataFrame, on: str) -> pl.DataFrame:
    key = normalised("text").hash(_SEED + 1).alias("key")
    return _in_slices(texts, on, key).join(wanted, on=on).select("item", "key")


def _in_slices(frame: pl.DataFrame, name: str, key: pl.Expr) -> pl.DataFrame:
    """Return `name` and `key` of all rows; normalised texts exist for a slice a thread."""
    starts = range(0, max(frame.height, 1), _SLICE)
    return pl.concat(
        pl.collect_all([frame.slice(start, _SLICE).lazy().select(name, key) for start in starts])
    )


def _shared_keys(
    datasets: Sequence[Dataset], items: pl.DataFrame, documents: pl.DataFrame
) -> tuple[Int64, Int64]:
    """Return the keys that more than one item has, renumbered, and where each item's begin."""
    parts = [
        (part["item"].to_numpy().astype(np.int32), part["key"].to_numpy())
        for part in _key_parts(datasets, items, documents)
    ]
    item, key = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((item, key))
    item, key = item[order], key[order]
    same = key[1:] == key[:-1]
    first = np.concatenate([[True], ~same | (item[1:] != item[:-1])])  # of each item and key
    item, key = item[first], key[first]
    same = key[1:] == key[:-1]
    shared = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    item, key = item[shared], key[shared]
    number = np.unique(key, return_inverse=True)[1].astype(np.int64)
    order = np.lexsort((number, item))
    bounds = np.searchsorted(item[order], np.arange(items.height + 1))
    return number[order], bounds.astype(np.int64)
