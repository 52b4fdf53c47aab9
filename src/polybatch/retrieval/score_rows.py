"""What ranking asks of a source of scores, and the source that most strategies have: vectors.

A source may be an encoder's vectors, BM25, somebody's run or a fusion of two of them.

Letters: Q queries, N documents, U distinct vectors, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.vectors import Float32, Int64, check_vectors, distinct_rows, inner_products

UNSCORED = np.float32(-np.inf)
"""The score of a document that a source did not rank: below all others, and never found."""

BLOCK_QUERIES = 512
BLOCK_SCORES = 1 << 25  # 128 MiB of float32, for a corpus so large that 512 rows exceed it


class ScoreRow(NamedTuple):
    """A query (its row number) and its scores, in the columns of its source.

    `pool`: in the list of all documents. `by_language`: in the list of each document's own
    language; the same array where the two do not differ.
    """

    query: int
    pool: Float32
    by_language: Float32


class ScoreRows(Protocol):
    """A source of scores for a dataset: the higher the better, UNSCORED if not ranked."""

    @property
    def columns(self) -> Int64:
        """The column of a row in which document n's score stands (N,)."""

    def of(self, queries: Int64) -> Iterator[ScoreRow]:
        """Yield the row of each of these queries (row numbers), once each, in any order."""


@dataclass(frozen=True)
class VectorScores:
    """Inner products of vectors: float64 sums rounded to float32, one column a distinct vector.

    Identical vectors are scored once, so they tie exactly, and blocks are cut from the sorted
    distinct vectors, so the order of the rows changes nothing. `rows`: of `documents`, the vector
    of each column; None where every document has a column of its own.
    """

    queries: Float32
    documents: Float32
    columns: Int64
    rows: Int64 | None = None

    @classmethod
    def between(
        cls, dataset: Dataset, query_vectors: Float32, doc_vectors: Float32
    ) -> VectorScores:
        """Score vectors of the dataset's queries (Q, D) and corpus (N, D), row by row.

        Refuses vectors that are not finite, not one a row or of two numbers of dimensions.

        Raises:
            InputError: vectors are not finite, not one a row, or of different dimensions.
        """
        name, queries, corpus = dataset.name, dataset.queries, dataset.corpus
        check_vectors(f"{name}/queries", queries["query_id"].to_list(), query_vectors, unit=False)
        check_vectors(f"{name}/corpus", corpus["doc_id"].to_list(), doc_vectors, unit=False)
        if query_vectors.shape[1] != doc_vectors.shape[1]:
            raise InputError(
                name,
                f"query vectors of {query_vectors.shape[1]} dimensions",
                f"{doc_vectors.shape[1]}, as the documents have",
                "Encode queries and documents with the same checkpoint",
            )
        first, kind = distinct_rows(doc_vectors)
        return cls(query_vectors, doc_vectors, kind, first)

    def of(self, queries: Int64) -> Iterator[ScoreRow]:
        """Yield the scores (U,) of each query, scoring the next block meanwhile."""
        asked = self.queries[queries]
        first, block_of = distinct_rows(asked)
        vectors = asked[first]
        rows = block_rows(len(self.documents if self.rows is None else self.rows))
        against = self.documents, self.rows
        order = np.argsort(block_of, kind="stable")
        bounds = np.searchsorted(block_of[order], np.arange(len(vectors) + 1))
        with ThreadPoolExecutor(1) as worker:
            starts = range(0, len(vectors), rows)
            # At most one block waits while one is read, so memory stays bounded.
            waiting = [worker.submit(inner_products, vectors[:rows], *against)] if starts else []
            for start in starts:
                scores = waiting.pop().result()
                if start + rows < len(vectors):
                    after = vectors[start + rows : start + 2 * rows]
                    waiting.append(worker.submit(inner_products, after, *against))
                for local in range(len(scores)):
                    row = scores[local]
                    for place in range(bounds[start + local], bounds[start + local + 1]):
                        yield ScoreRow(int(queries[order[place]]), row, row)


@dataclass(frozen=True)
class PartScores:
    """Some queries of a source against some documents, numbered anew, as a list of their own.

    `columns`: (M,), of the documents. `_queries`: the source's row numbers of the queries.
    `_pool`: the scores are those of the pool, else of the list of the documents' language.
    """

    columns: Int64
    _source: ScoreRows
    _queries: Int64
    _pool: bool

    @classmethod
    def of_source(
        cls, source: ScoreRows, queries: Int64, documents: Int64, pool: bool = False
    ) -> ScoreRows:
        """Return the part of `source` with these queries and documents (row numbers)."""
        if not isinstance(source, VectorScores):
            return cls(source.columns[documents], source, queries, pool)
        used, columns = np.unique(source.columns[documents], return_inverse=True)
        rows = used if source.rows is None else source.rows[used]
        return VectorScores(source.queries[queries], source.documents, columns, rows)

    def of(self, queries: Int64) -> Iterator[ScoreRow]:
        """Yield the row of each of these queries, in one list whatever the languages are."""
        number = {int(self._queries[query]): int(query) for query in queries}
        for row in self._source.of(self._queries[queries]):
            scores = row.pool if self._pool else row.by_language
            yield ScoreRow(number[row.query], scores, scores)


def block_rows(columns: int) -> int:
    """Return how many rows of scores are held at a time.

    Example:
        >>> block_rows(10_000), block_rows(1 << 24)
        (512, 2)
    """
    return min(BLOCK_QUERIES, max(1, BLOCK_SCORES // max(1, columns)))
