"""Reciprocal rank fusion of two sources of scores (Cormack, Clarke and Büttcher, SIGIR 2009).

A document's score is the sum over the sources of 1 / (60 + its rank), ranks being those of the
whole list: the pool for the pool, a language's documents for the list of that language. Equal
scores of a source are ranked by doc_id, descending, as everywhere. A source that did not rank a
document adds nothing to it; one that neither ranked stays unscored.

Letters: N documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.vectors import Float32, Int64
from polybatch.retrieval.score_rows import UNSCORED, ScoreRow, ScoreRows, block_rows

CONSTANT = 60
"""The paper's k: how little the first ranks outweigh the next."""

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FusedScores:
    """The fusion of two sources; `columns`: (N,), document n in column n."""

    columns: Int64
    sources: tuple[ScoreRows, ScoreRows]
    _order: _Order
    _constant: int

    @classmethod
    def of_sources(
        cls, dataset: Dataset, one: ScoreRows, other: ScoreRows, constant: int = CONSTANT
    ) -> FusedScores:
        """Fuse two sources of the dataset's scores, query by query and list by list.

        Example:
            >>> from polybatch.retrieval.score_rows import VectorScores
            >>> corpus = pl.DataFrame({"doc_id": ["a", "b"], "lang": "en"})
            >>> dataset = Dataset("toy", pl.DataFrame(), corpus, pl.DataFrame())
            >>> documents = np.eye(2, dtype=np.float32)
            >>> one = VectorScores(documents[:1], documents, np.array([0, 1]))  # ranks a, then b
            >>> row = next(FusedScores.of_sources(dataset, one, one).of(np.array([0])))
            >>> row.pool.round(4)  # 2/61, 2/62
            array([0.0328, 0.0323], dtype=float32)
        """
        columns = np.arange(dataset.corpus.height)
        return cls(columns, (one, other), _Order.of(dataset), constant)

    def of(self, queries: Int64) -> Iterator[ScoreRow]:
        """Yield the fused scores of each query; one block of queries is held at a time."""
        rows = block_rows(2 * len(self.columns))
        for start in range(0, len(queries), rows):
            block = queries[start : start + rows]
            first = {query: parts for query, *parts in self._parts(self.sources[0], block)}
            for query, *parts in self._parts(self.sources[1], block):
                pool, by_language = map(_sum, first.pop(query), parts)
                yield ScoreRow(query, pool, by_language)

    def _parts(self, source: ScoreRows, queries: Int64) -> Iterator[tuple[int, Float64, Float64]]:
        """Yield each query and what a source adds to its documents' scores, in the two lists."""
        columns = source.columns[self._order.documents]
        for query, pool, by_language in source.of(queries):
            ranked = self._order.ranked(pool[columns])
            in_pool = self._order.parts(ranked, self._constant)
            if by_language is not pool:
                ranked = self._order.ranked(by_language[columns])
            yield query, in_pool, self._order.parts_by_language(ranked, self._constant)


@dataclass(frozen=True)
class _Ranked:
    """Places (N,) from the best to the worst, and how many of them the source ranked."""

    places: Int64
    scored: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Order:
    """The documents by doc_id, descending, so that of equal scores the first place is better.

    `languages`: the number of the language at each place.
    """

    documents: Int64
    languages: npt.NDArray[np.uint16]

    @classmethod
    def of(cls, dataset: Dataset) -> _Order:
        corpus = dataset.corpus.select("doc_id", "lang").with_row_index("n")
        corpus = corpus.sort("doc_id", descending=True)
        numbers = (corpus["lang"].rank("dense") - 1).cast(pl.UInt16)
        return cls(corpus["n"].cast(pl.Int64).to_numpy(), numbers.to_numpy())

    def ranked(self, scores: Float32) -> _Ranked:
        """Put scores, one per place, in order.

        One sort of whole numbers, the score above the place: a stable sort of floats takes five
        times as long.
        """
        bits = (scores + np.float32(0)).view(np.int32)  # -0.0 becomes 0.0
        rising = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)
        keys = (-rising << 32) + np.arange(len(scores))
        keys.sort()
        places = keys & 0xFFFFFFFF
        return _Ranked(places, scores[places] > UNSCORED)

    def parts(self, ranked: _Ranked, constant: int) -> Float64:
        """Return 1 / (constant + rank) of each document, 0 where it was not ranked."""
        ranks = np.arange(1, len(ranked.places) + 1)
        return self._spread(ranked, ranks, constant)

    def parts_by_language(self, ranked: _Ranked, constant: int) -> Float64:
        """Return the same of ranks among the documents of each one's own language."""
        languages = self.languages[ranked.places]
        grouped = np.argsort(languages, kind="stable")
        sizes = np.bincount(languages)
        starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
        ranks = np.arange(1, len(grouped) + 1) - starts
        regrouped = _Ranked(ranked.places[grouped], ranked.scored[grouped])
        return self._spread(regrouped, ranks, constant)

    def _spread(self, ranked: _Ranked, ranks: Int64, constant: int) -> Float64:
        parts = np.empty(len(ranks), np.float64)
        parts[self.documents[ranked.places]] = np.where(ranked.scored, 1 / (constant + ranks), 0)
        return parts


def _sum(one: Float64, other: Float64) -> Float32:
    """Return the sums, rounded to float32 as all scores are; UNSCORED where both are 0."""
    total = (one + other).astype(np.float32)
    return np.where(total > 0, total, UNSCORED)
