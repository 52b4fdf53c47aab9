"""An approximate index: most of the nearest documents in a part of the time, by FAISS.

For use, never for the scores that strategies are compared by. Documents are added and removed
by id without building it anew: a removed one is passed over, and its row stays until then.

Letters: Q queries, N documents, D dimensions, k documents asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from typing import Any, NamedTuple

import faiss
import numpy as np
import polars as pl

from polybatch.core.errors import InputError
from polybatch.core.randomness import stream
from polybatch.core.vectors import Bools, Float32, Int64, check_vectors
from polybatch.retrieval.index import Index
from polybatch.settings.index import IndexSettings

DOCUMENTS = pl.Schema({"doc_id": pl.String, "lang": pl.String, "removed": pl.Boolean})
"""A row of the index each, in its order."""

_BLOCK = 65_536  # vectors added at a time: no second copy of all is held
_PER_LIST = 39  # vectors that FAISS asks for to train the centre of a list
_GRAPHS = ("HNSW", "NSG")  # built by several threads, they differ each time


class Hits(NamedTuple):
    """Documents found for a query (rows of the index) and their scores, best first."""

    rows: Int64
    scores: Float32


@dataclass(frozen=True)
class Making:
    """How an index was made; `source`: the fingerprint of the exact index it was made from."""

    kind: str
    factory: str
    search: str
    sample: int
    seed: int
    source: str


@dataclass(frozen=True)
class ApproximateIndex:
    """A FAISS index, the documents of its rows (DOCUMENTS), and how it was made."""

    faiss: Any
    documents: pl.DataFrame
    made: Making

    def nearest(self, vectors: Float32, k: int, languages: Sequence[str] = ()) -> list[Hits]:
        """Return at most k documents for each of (Q, D), in these languages; none named: in all.

        Refuses vectors of other dimensions than the index's.

        Raises:
            InputError: the vectors have other dimensions.
        """
        _refuse_dimensions("queries", vectors, self.faiss.d)
        allowed = self._allowed(languages)
        if allowed is not None and not allowed.any():
            none = Hits(np.zeros(0, np.int64), np.zeros(0, np.float32))
            return [none] * len(vectors)
        k = min(k, self.faiss.ntotal)
        scores, rows = self._search(np.ascontiguousarray(vectors, np.float32), k, allowed)
        # FAISS pads with -1, which would be the last document
        return [Hits(r[r >= 0], s[r >= 0]) for r, s in zip(rows, scores, strict=True)]

    def added(
        self, doc_ids: Sequence[str], langs: Sequence[str], vectors: Float32
    ) -> ApproximateIndex:
        """Add documents (N, D) with their languages; the FAISS index is changed in place.

        Refuses ids that are there already, and vectors not of unit length or of other dimensions.

        Raises:
            InputError: an id is there already or stands twice, or vectors do not fit.
        """
        check_vectors("documents", doc_ids, vectors, unit=True)
        _refuse_dimensions("documents", vectors, self.faiss.d)
        ids = pl.concat([self._live["doc_id"], pl.Series(doc_ids, dtype=pl.String)])
        if twice := sorted(ids.filter(ids.is_duplicated()).unique()):
            raise InputError(
                "documents",
                f"{len(twice)} doc_ids that are there already ({', '.join(twice[:3])})",
                "new ones, each once",
                "Remove them first, or leave them out",
            )
        rows = {"doc_id": list(doc_ids), "lang": list(langs), "removed": [False] * len(doc_ids)}
        self.faiss.add(np.ascontiguousarray(vectors, np.float32))
        new = pl.DataFrame(rows, schema=DOCUMENTS)
        return replace(self, documents=pl.concat([self.documents, new]))

    def removed(self, doc_ids: Sequence[str]) -> ApproximateIndex:
        """Remove documents; their rows stay and are passed over.

        Raises:
            InputError: an id that is not there.
        """
        if missing := sorted(set(doc_ids) - set(self._live["doc_id"])):
            raise InputError(
                "documents",
                f"{len(missing)} doc_ids that the index lacks ({', '.join(missing[:3])})",
                "documents of the index",
                "Leave them out",
            )
        gone = pl.col("removed") | pl.col("doc_id").is_in(list(doc_ids))
        return replace(self, documents=self.documents.with_columns(removed=gone))

    @property
    def _live(self) -> pl.DataFrame:
        return self.documents.filter(~pl.col("removed"))

    def _allowed(self, languages: Sequence[str]) -> Bools | None:
        """Return which rows may be found (N,), None for all of them."""
        if not languages:
            return None if self._kept.all() else self._kept
        codes = [code for code, lang in enumerate(self._languages[0]) if lang in languages]
        allowed: Bools = self._kept & np.isin(self._languages[1], codes)
        return allowed

    @cached_property
    def _kept(self) -> Bools:
        return ~self.documents["removed"].to_numpy()

    @cached_property
    def _languages(self) -> tuple[list[str], Int64]:
        names, codes = np.unique(self.documents["lang"].to_numpy(), return_inverse=True)
        return names.tolist(), codes

    def _search(self, vectors: Float32, k: int, allowed: Bools | None) -> tuple[Any, Any]:
        if allowed is None:
            return self.faiss.search(vectors, k)  # type: ignore[no-any-return]
        bits = np.packbits(allowed, bitorder="little")  # read by the selector: keep it alive
        selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        return self.faiss.search(vectors, k, params=_parameters(self.faiss, selector))  # type: ignore[no-any-return]


def build_approximate(
    index: Index, langs: Sequence[str], settings: IndexSettings, source: str, threads: int
) -> ApproximateIndex:
    """Build an approximate index of an exact one, whose documents are in these languages.

    `source`: the exact index's fingerprint. The same threads give the same bytes; graphs (HNSW)
    are built by one. Refuses what FAISS refuses.

    Raises:
        InputError: FAISS does not know the kind or the search parameters, cannot train it on so
            few documents, or cannot search it in chosen languages.

    Example:
        >>> from polybatch.retrieval.index import build_index
        >>> settings = IndexSettings("hnsw", "efSearch=64", 100, 0, (10,), None)
        >>> exact = build_index(["a", "b"], np.eye(2, dtype=np.float32))
        >>> found = build_approximate(exact, ["en", "sw"], settings, "", 1)
        >>> [hits.rows.tolist() for hits in found.nearest(exact.vectors, 1)]
        [[0], [1]]
    """
    count, dimensions = index.flat.ntotal, index.flat.d
    factory = factory_of(settings.kind, count, dimensions, settings.sample)
    drawn = stream(settings.seed, "index", "sample").permutation(count)[: settings.sample]
    rows = [index.doc_ids, langs, [False] * count]
    documents = pl.DataFrame(dict(zip(DOCUMENTS, rows, strict=True)), schema=DOCUMENTS)
    with _faiss_says(settings, factory, count), _threads(factory, threads):
        made = faiss.index_factory(dimensions, factory, faiss.METRIC_INNER_PRODUCT)
        made.train(index.flat.reconstruct_batch(np.sort(drawn)))
        for first in range(0, count, _BLOCK):
            made.add(index.flat.reconstruct_n(first, min(_BLOCK, count - first)))
        if settings.search:
            faiss.ParameterSpace().set_index_parameters(made, settings.search)  # type: ignore[arg-type]
        making = Making(
            settings.kind, factory, settings.search, settings.sample, settings.seed, source
        )
        found = ApproximateIndex(made, documents, making)
        found.nearest(index.flat.reconstruct_n(0, 1), 1, langs[:1])  # not every kind can
    return found


def factory_of(kind: str, count: int, dimensions: int, sample: int) -> str:
    """Return FAISS's factory string of a kind; another kind is such a string already.

    `ivf-pq`: about 4 sqrt(N) lists, as FAISS's guidelines say, as far as the sample can train
    them, and a byte for eight dimensions or a few more.

    Example:
        >>> factory_of("ivf-pq", 1_000_000, 512, 200_000), factory_of("hnsw", 9, 512, 9)
        ('IVF4000,PQ64', 'HNSW32,Flat')
    """
    if kind == "hnsw":
        return "HNSW32,Flat"
    if kind != "ivf-pq":
        return kind
    lists = max(1, min(round(4 * sqrt(count)), min(count, sample) // _PER_LIST))
    codes = max(one for one in range(1, max(1, dimensions // 8) + 1) if dimensions % one == 0)
    return f"IVF{lists},PQ{codes}"


def _parameters(index: Any, selector: Any) -> Any:
    """Return search parameters that choose documents, and else say what the index says."""
    library: Any = faiss  # whose stubs lack the parameters of its constructors
    index = library.downcast_index(index)
    if isinstance(index, library.IndexPreTransform):
        inner = _parameters(index.index, selector)
        return library.SearchParametersPreTransform(index_params=inner)
    if isinstance(index, library.IndexRefine):
        inner = _parameters(index.base_index, selector)
        factor = index.k_factor
        return library.IndexRefineSearchParameters(k_factor=factor, base_index_params=inner)
    if isinstance(index, library.IndexIVF):
        return library.SearchParametersIVF(sel=selector, nprobe=index.nprobe)
    if isinstance(index, library.IndexHNSW):
        return library.SearchParametersHNSW(sel=selector, efSearch=index.hnsw.efSearch)
    return library.SearchParameters(sel=selector)


@contextmanager
def _threads(factory: str, threads: int) -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1 if any(one in factory for one in _GRAPHS) else threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


@contextmanager
def _faiss_says(settings: IndexSettings, factory: str, count: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise InputError(
            "params.yaml index",
            f"kind {settings.kind} ({factory}), search '{settings.search}', {count} documents, of"
            f" which FAISS says: {str(error).rpartition('Error: ')[2]}",
            "what FAISS can build, and search in chosen languages",
            "Choose another kind (hnsw needs no training), or parameters that belong to it",
        ) from error


def _refuse_dimensions(what: str, vectors: Float32, expected: int) -> None:
    if vectors.ndim != 2 or vectors.shape[1] != expected:
        raise InputError(
            what,
            f"vectors of shape {vectors.shape}",
            f"the index's {expected} dimensions",
            "Encode queries and documents with the same checkpoint",
        )
