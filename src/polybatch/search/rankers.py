"""From texts to ranked documents: by a checkpoint's vectors, by BM25, or by both together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import polars as pl

from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of_folder
from polybatch.core.vectors import Bools, Float32
from polybatch.encoders.checkpoints import open_checkpoint
from polybatch.encoders.encode import encode_with_settings
from polybatch.encoders.light import Encoder
from polybatch.retrieval.approximate import ApproximateIndex, Hits
from polybatch.retrieval.approximate_folder import open_approximate, refuse_other_source
from polybatch.retrieval.index import EncodedQueries, Index, load_index, search
from polybatch.search.pool import Pool
from polybatch.settings.encoder import EncoderSettings

if TYPE_CHECKING:
    from polybatch.retrieval.score_rows import ScoreRows

_SAME = {"fp32": 1e-3, "bf16": 1e-2}
"""How far a number of a vector may be off when its text is encoded anew."""
_FILTERS = 64  # language filters that are kept, a byte a document each


class Ranked(NamedTuple):
    """A document (row number) and its score."""

    row: int
    score: float


class Ranker(Protocol):
    """Ranks documents for texts."""

    def best(self, texts: Sequence[str], languages: tuple[str, ...], k: int) -> list[list[Ranked]]:
        """Return the k best documents in these languages (none named: in all) of each text."""


class VectorRanker:
    """A checkpoint and its index, searched by FAISS."""

    def __init__(self, pool: Pool, encoder: Encoder, settings: EncoderSettings, index: Index):
        self.encoder, self.settings, self.index = encoder, settings, index
        self.approximate: ApproximateIndex | None = None
        self._pool = pool
        self._row = {doc_id: row for row, doc_id in enumerate(pool.doc_ids)}
        self._allowed = lru_cache(_FILTERS)(self._only)

    @classmethod
    def open(
        cls,
        pool: Pool,
        checkpoint: Path,
        folder: Path,
        settings: EncoderSettings,
        approximate: Path | None = None,
    ) -> VectorRanker:
        """Open a checkpoint and what was indexed with it, and an approximate index if given one.

        Raises:
            InputError: an index holds other documents or another checkpoint's vectors, or is
                damaged.
        """
        place = folder / pool.dataset.name
        fast = None
        if approximate is not None:
            fast = open_approximate(approximate / pool.dataset.name)
            refuse_other_source(fast, approximate / pool.dataset.name, place)
        index = load_index(place, mapped=fast is not None)  # whole, as its fingerprint is the same
        if list(index.doc_ids) != pool.doc_ids:
            raise InputError(
                place,
                f"{len(index.doc_ids)} ids that are not the dataset's",
                f"the {len(pool.doc_ids)} of data/valid/{pool.dataset.name}",
                "Run `dvc repro`: the index has to follow the data",
            )
        found = cls(pool, open_checkpoint(checkpoint), settings, index)
        found._refuse_other_checkpoint(checkpoint, folder)
        found._use(fast)
        return found

    def encode(self, texts: Sequence[str]) -> Float32:
        """Return the vectors of queries, (N, D), rows of unit length."""
        return encode_with_settings(self.encoder, self.settings, texts, "query")

    def best(self, texts: Sequence[str], languages: tuple[str, ...], k: int) -> list[list[Ranked]]:
        """Return the k best documents of each text."""
        if self.approximate is not None:
            hits = self.approximate.nearest(self.encode(texts), k, languages)
            return [self._ranked(self.approximate, one) for one in hits]
        allowed = self._allowed(languages)
        queries = EncodedQueries(tuple(map(str, range(len(texts)))), self.encode(texts))
        return [
            [Ranked(self._row[doc.doc_id], doc.score) for doc in found]
            for found in search(self.index, queries, k, allowed)
        ]

    def scores(self, texts: Sequence[str], languages: tuple[str, ...]) -> ScoreRows:
        """Return the inner products of the texts and all documents."""
        from polybatch.retrieval.score_rows import VectorScores

        documents = self.index.vectors
        return VectorScores(self.encode(texts), documents, np.arange(len(documents)))

    def _ranked(self, index: ApproximateIndex, hits: Hits) -> list[Ranked]:
        doc_ids = index.documents["doc_id"].gather(hits.rows)
        best = sorted(zip(hits.scores.tolist(), doc_ids, strict=True), reverse=True)
        return [Ranked(self._row[doc_id], score) for score, doc_id in best]

    def _use(self, index: ApproximateIndex | None) -> None:
        rows = [] if index is None else index.documents["doc_id"].to_list()
        if unknown := sorted(set(rows) - self._row.keys()):
            raise InputError(
                "data/approximate",
                f"{len(unknown)} documents that the dataset lacks ({unknown[0]})",
                f"documents of data/valid/{self._pool.dataset.name}",
                "Keep an index of other documents outside the study's folder",
            )
        self.approximate = index

    def _only(self, languages: tuple[str, ...]) -> Bools | None:
        if not languages:
            return None
        allowed = np.zeros(len(self.index.doc_ids), bool)
        allowed[self._pool.rows(languages)] = True
        return allowed

    def _refuse_other_checkpoint(self, checkpoint: Path, folder: Path) -> None:
        """Encode two documents anew: a checkpoint that did not make the index gives others."""
        rows = np.unique([0, len(self.index.doc_ids) - 1])
        texts = [self._pool.document(int(row))["text"] for row in rows]
        anew = encode_with_settings(self.encoder, self.settings, texts, "document")
        held = self.index.flat.reconstruct_batch(rows)
        if anew.shape != held.shape or np.abs(anew - held).max() > _SAME[self.settings.precision]:
            raise InputError(
                folder,
                f"an index (fingerprint {sha256_of_folder(folder)[:12]}) of another checkpoint",
                f"one made with {checkpoint} (fingerprint {sha256_of_folder(checkpoint)[:12]})",
                "Run `dvc repro` of the index stage",
            )


class Scorer(Protocol):
    """Scores every document for texts."""

    def scores(self, texts: Sequence[str], languages: tuple[str, ...]) -> ScoreRows:
        """Return a source whose queries are the texts. `languages`: those searched."""


class LexicalScorer:
    """BM25 of the tokens that the stage `lexical` counted."""

    def __init__(self, pool: Pool, folder: Path) -> None:
        from polybatch.retrieval.arm_folders import open_source  # a second, with its libraries
        from polybatch.retrieval.lexical import Bm25Scores

        source = open_source(folder, pool.dataset)
        assert isinstance(source, Bm25Scores)
        self._source = source

    def scores(self, texts: Sequence[str], languages: tuple[str, ...]) -> ScoreRows:
        """Return BM25 of the texts, cut as those of the only language searched, else as English."""
        from polybatch.retrieval.tokenization import tokenize

        lang = languages[0] if len(languages) == 1 else "en"
        return self._source.asking([tokenize(text, lang) for text in texts])


class FusedScorer:
    """Two scorers' ranks joined."""

    def __init__(self, pool: Pool, parts: tuple[Scorer, Scorer], constant: int) -> None:
        self._pool, self._parts, self._constant = pool, parts, constant

    def scores(self, texts: Sequence[str], languages: tuple[str, ...]) -> ScoreRows:
        """Return the reciprocal rank fusion of both."""
        from polybatch.retrieval.fusion import FusedScores

        one, other = (part.scores(texts, languages) for part in self._parts)
        return FusedScores.of_sources(self._pool.dataset, one, other, self._constant)


class ScoreRanker:
    """Documents by a scorer; those that it does not score above 0 are not found."""

    def __init__(self, pool: Pool, scorer: Scorer) -> None:
        self._pool, self._scorer = pool, scorer
        # of equal scores the best is the one whose id is last, as everywhere
        self._ties = pl.Series(pool.doc_ids).rank("ordinal").to_numpy()

    def best(self, texts: Sequence[str], languages: tuple[str, ...], k: int) -> list[list[Ranked]]:
        """Return the k best documents of each text."""
        rows = self._pool.rows(languages)
        source = self._scorer.scores(texts, languages)
        columns = source.columns[rows]
        found: list[list[Ranked]] = [[] for _ in texts]
        for query, pool, by_language in source.of(np.arange(len(texts))):
            scores = (by_language if len(languages) == 1 else pool)[columns]
            order = np.lexsort((self._ties[rows], scores))[::-1]
            order = order[scores[order] > 0][:k]
            found[query] = [Ranked(int(rows[i]), float(scores[i])) for i in order]
        return found
