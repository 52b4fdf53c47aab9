"""BM25 of a dataset's documents: the baseline that needs no training.

Scores are those of bm25s (Lù 2024, arXiv 2407.03618) by Lucene's formula, Robertson's with an idf
that is never negative (Kamphuis et al. 2020), summed in float64 and rounded to float32. Every list
is an index of its own: document frequencies and lengths are those of the pool for the pool, and of
one language's documents for the list of that language, as a search of that language alone would
have them. A document that shares no token with the query is not ranked, as in Lucene. How texts are
cut into tokens: `tokenization`.

Letters: N documents.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import bm25s
import numpy as np
import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.vectors import Float32, Int64
from polybatch.retrieval.score_rows import UNSCORED, ScoreRow
from polybatch.retrieval.tokenization import tokenize, tokenizer_of

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets DEBUG for all programs that log

K1, B = 0.9, 0.4
"""Anserini's defaults, which most published BM25 rows have."""


@dataclass(frozen=True)
class _List:
    """One list: which documents it holds (row numbers), and their index (None: without tokens)."""

    documents: Int64
    vocabulary: dict[str, int]
    index: bm25s.BM25 | None

    @classmethod
    def of(cls, documents: Int64, tokens: list[list[str]], k1: float, b: float) -> _List:
        vocabulary: dict[str, int] = {}
        ids = [[vocabulary.setdefault(each, len(vocabulary)) for each in text] for text in tokens]
        if not vocabulary:
            return cls(documents, vocabulary, None)
        index = bm25s.BM25(k1=k1, b=b, method="lucene", dtype="float64", csc_backend="numpy")
        index.index((ids, vocabulary), create_empty_token=False, show_progress=False)
        return cls(documents, vocabulary, index)

    def scores(self, tokens: list[str]) -> Float32:
        """Return the scores of this list's documents for a query, UNSCORED where none matches."""
        known = [self.vocabulary[each] for each in tokens if each in self.vocabulary]
        if not known or self.index is None:
            return np.full(len(self.documents), UNSCORED)
        scores = self.index.get_scores_from_ids(known).astype(np.float32)
        return np.where(scores > 0, scores, UNSCORED)  # an idf is never 0 or less

    @property
    def bytes(self) -> int:
        arrays = () if self.index is None else ("data", "indices", "indptr")
        return sum(self.index.scores[name].nbytes for name in arrays if self.index)


@dataclass(frozen=True)
class Bm25Scores:
    """BM25 of every query against the pool and against each language's documents.

    `columns`: (N,), document n in column n. `tokenizers`: {language: name of its tokenisation}.
    `index_bytes`: of the arrays of all lists together.
    """

    columns: Int64
    tokenizers: dict[str, str]
    index_bytes: int
    _queries: list[list[str]]
    _pool: _List
    _languages: list[_List]

    @classmethod
    def of_dataset(cls, dataset: Dataset, k1: float = K1, b: float = B) -> Bm25Scores:
        """Index a dataset's corpus; InputError for a language without tokenisation.

        Example:
            >>> dataset = Dataset(
            ...     "toy",
            ...     pl.DataFrame({"lang": ["en"], "text": ["A bird."]}),
            ...     pl.DataFrame({"lang": ["en", "en"], "text": ["no fish", "one bird"]}),
            ...     pl.DataFrame(),
            ... )
            >>> row = next(Bm25Scores.of_dataset(dataset).of(np.array([0])))
            >>> row.pool.round(3)
            array([ -inf, 0.365], dtype=float32)
        """
        known = {*dataset.corpus["lang"], *dataset.queries["lang"]}
        for lang in sorted(known):
            tokenizer_of(lang)
        return cls.of_tokens(dataset, _tokens(dataset.queries), _tokens(dataset.corpus), k1, b)

    @classmethod
    def of_tokens(
        cls,
        dataset: Dataset,
        queries: list[list[str]],
        documents: list[list[str]],
        k1: float,
        b: float,
    ) -> Bm25Scores:
        """Index the tokens of a dataset's documents, one list a row, as those of its queries."""
        langs = dataset.corpus["lang"].to_numpy()
        known = {*dataset.corpus["lang"], *dataset.queries["lang"]}
        tokenizers = {lang: tokenizer_of(lang) for lang in sorted(known)}
        everything = np.arange(len(documents))
        pool = _List.of(everything, documents, k1, b)
        languages = []
        if len(set(langs)) > 1:
            for lang in sorted(set(langs)):
                rows = np.flatnonzero(langs == lang)
                languages.append(_List.of(rows, [documents[row] for row in rows], k1, b))
        size = sum(each.bytes for each in (pool, *languages))
        return cls(everything, tokenizers, size, queries, pool, languages)

    def asking(self, queries: list[list[str]]) -> Bm25Scores:
        """Return the same documents, with the tokens of other queries."""
        return replace(self, _queries=queries)

    def best(self, text: str, lang: str, k: int) -> Int64:
        """Return the documents (row numbers) of the k highest scores in the pool, in any order.

        Fewer where fewer share a token with the text.
        """
        scores = self._pool.scores(tokenize(text, lang))
        found: Int64 = np.argpartition(-scores, min(k, len(scores)) - 1)[:k]
        return found[scores[found] > UNSCORED]

    def of(self, queries: Int64) -> Iterator[ScoreRow]:
        """Yield the scores of each query, in the order given."""
        for query in queries.tolist():
            tokens = self._queries[query]
            pool = self._pool.scores(tokens)
            by_language = np.empty_like(pool) if self._languages else pool
            for each in self._languages:
                by_language[each.documents] = each.scores(tokens)
            yield ScoreRow(query, pool, by_language)


def _tokens(table: pl.DataFrame) -> list[list[str]]:
    return [tokenize(text, lang) for text, lang in table.select("text", "lang").iter_rows()]
