"""The index of a corpus: exact inner-product search, ties as trec_eval breaks them.

By FAISS (Douze et al. 2024, arXiv 2401.08281).
Letters: Q queries, N documents, D dimensions, k documents asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import faiss
import numpy as np
import polars as pl

from polybatch.core.dataset import read_table, write_table
from polybatch.core.errors import InputError, not_made
from polybatch.core.files import library_writes, whole_file
from polybatch.core.vectors import Bools, Float32, Int64, check_vectors
from polybatch.retrieval.flat_rows import rows_in

DOC_IDS = pl.Schema({"doc_id": pl.String})
QUERY_IDS = pl.Schema({"query_id": pl.String})
TOKENS = "tokens.json"
"""Beside an encoder's index: how it reads each language (TokenCounts.by_language)."""

_INDEX = "a FAISS index of this pipeline"
_VECTORS = "vectors of queries (N, D) as 32-bit floats"
_AGAIN = "Run `dvc repro -f -s` of the index stage: the files are of two makings"
_DAMAGED = "Run `dvc repro -f -s` of the index stage: the file is damaged"
_NOISE = 1e-5
"""More than the rounding error of a float32 inner product of unit vectors (1e-6 at D = 4096)."""


class ScoredDoc(NamedTuple):
    """A document found for a query, and how near it is."""

    query_id: str
    doc_id: str
    score: float


@dataclass(frozen=True)
class EncodedQueries:
    """Queries and their vectors (Q, D), row by row."""

    query_ids: tuple[str, ...]
    vectors: Float32


@dataclass(frozen=True)
class Index:
    """A flat FAISS index and the id of each of its rows."""

    flat: Any
    doc_ids: tuple[str, ...]

    @property
    def vectors(self) -> Float32:
        """The documents' vectors (N, D), bit by bit as they were given: to read, not a copy."""
        rows = rows_in(self.flat)
        rows.flags.writeable = False
        return rows


def build_index(doc_ids: list[str], vectors: Float32) -> Index:
    """Index documents (N, D); refuses NaN, rows not of unit length and ids not unique.

    Raises:
        InputError: vectors are not finite or not of unit length, or an id stands twice.

    Example:
        >>> index = build_index(["a", "b"], np.eye(2, dtype=np.float32))
        >>> len(index.doc_ids), index.vectors.shape
        (2, (2, 2))
    """
    _refuse_unusable(doc_ids, vectors)
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(np.ascontiguousarray(vectors, dtype=np.float32))
    return Index(flat, tuple(doc_ids))


def checked_index(doc_ids: list[str], flat: Any) -> Index:
    """Return the index of what stands in `flat` (`room_for`); refuses the same."""
    _refuse_unusable(doc_ids, rows_in(flat))
    return Index(flat, tuple(doc_ids))


def _refuse_unusable(doc_ids: list[str], vectors: Float32) -> None:
    check_vectors("documents", doc_ids, vectors, unit=True)
    ids = pl.Series(doc_ids, dtype=pl.String)
    if twice := sorted(ids.filter(ids.is_duplicated()).unique()):
        raise InputError(
            "documents",
            f"{len(twice)} doc_ids more than once ({', '.join(twice[:3])})",
            "each doc_id once",
            "Rename or drop the duplicates in the source's corpus",
        )


def search(
    index: Index, queries: EncodedQueries, k: int, allowed: Bools | None = None
) -> list[list[ScoredDoc]]:
    """Return the k nearest documents of each query, best first, equal scores by doc_id descending.

    `allowed`: (N,), which documents may be found, some at least; None for all. FAISS proposes,
    exact scores decide: candidates are fetched until the last of them is out of reach, then scored
    by float64 sums rounded to float32, the same wherever a row stands.

    Example:
        >>> index = build_index(["a", "b"], np.eye(2, dtype=np.float32))
        >>> query = EncodedQueries(("q",), np.array([[0.8, 0.6]], np.float32))
        >>> [(doc.doc_id, round(doc.score, 2)) for doc in search(index, query, 5)[0]]
        [('a', 0.8), ('b', 0.6)]
    """
    check_vectors("queries", queries.query_ids, queries.vectors, unit=False)
    _check_fit(index, queries, k)
    found: list[list[ScoredDoc]] = [[] for _ in queries.query_ids]
    for row, candidates in _candidates(index, queries.vectors, k, allowed):
        found[row] = _best(index, queries, row, candidates)[:k]
    return found


def save_index(index: Index, folder: Path) -> None:
    """Write `documents.faiss` and `doc_ids.parquet` into `folder`; same rows, same bytes.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> save_index(build_index(["a", "b"], np.eye(2, dtype=np.float32)), folder)
        >>> load_index(folder).doc_ids
        ('a', 'b')
    """
    path = folder / "documents.faiss"
    with whole_file(path) as temporary, library_writes(path):
        faiss.write_index(index.flat, str(temporary))
    write_table(pl.DataFrame({"doc_id": index.doc_ids}, schema=DOC_IDS), folder / "doc_ids.parquet")


def load_index(folder: Path, mapped: bool = False) -> Index:
    """Read what `save_index` wrote; InputError if it is missing, torn or of two makings.

    `mapped`: the vectors stay in the file, which the system reads where it is asked for them; only
    for a file that is known to be whole, as FAISS maps a torn one and crashes.

    Example:
        >>> load_index(Path("nowhere"))
        Traceback (most recent call last):
        polybatch.core.errors.InputError: nowhere/documents.faiss: found no such file, ...
    """
    path = folder / "documents.faiss"
    try:
        flat = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    except (RuntimeError, MemoryError) as error:  # a torn one may ask for more than there is
        raise _unreadable(path, _INDEX) from error
    if type(flat) is not faiss.IndexFlatIP:
        raise InputError(path, f"an index of another kind ({type(flat).__name__})", _INDEX, _AGAIN)
    doc_ids = tuple(read_table(folder / "doc_ids.parquet", DOC_IDS)["doc_id"])
    _check_count(path, flat.ntotal, len(doc_ids))
    if not mapped:
        _refuse_changed(path, flat, doc_ids)
    return Index(flat, doc_ids)


def save_queries(queries: EncodedQueries, folder: Path) -> None:
    """Write `queries.npy` and `query_ids.parquet` into `folder`.

    InputError for vectors that are not finite or not of unit length.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> save_queries(EncodedQueries(("q",), np.array([[1, 0]], np.float32)), folder)
        >>> load_queries(folder).vectors.tolist()
        [[1.0, 0.0]]
    """
    check_vectors("queries", queries.query_ids, queries.vectors, unit=True)
    with whole_file(folder / "queries.npy") as temporary, temporary.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(queries.vectors, dtype=np.float32))
    ids = pl.DataFrame({"query_id": queries.query_ids}, schema=QUERY_IDS)
    write_table(ids, folder / "query_ids.parquet")


def load_queries(folder: Path) -> EncodedQueries:
    """Read what `save_queries` wrote; InputError if it is missing, torn or of two makings.

    Example:
        >>> load_queries(Path("nowhere"))
        Traceback (most recent call last):
        polybatch.core.errors.InputError: nowhere/queries.npy: found no such file, ...
    """
    path = folder / "queries.npy"
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise _unreadable(path, _VECTORS) from error
    _check_array(path, vectors)
    query_ids = tuple(read_table(folder / "query_ids.parquet", QUERY_IDS)["query_id"])
    _check_count(path, len(vectors), len(query_ids))
    return EncodedQueries(query_ids, vectors)


def _candidates(
    index: Index, vectors: Float32, k: int, allowed: Bools | None
) -> list[tuple[int, Int64]]:
    """Return, for each query row, the index rows among which the best k surely are."""
    done: list[tuple[int, Int64]] = []
    count, params = len(index.doc_ids), None
    if allowed is not None:
        count = int(allowed.sum())
        library: Any = faiss  # whose stubs lack the parameters of its constructors
        selector = library.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        params = library.SearchParameters(sel=selector)
    open_rows, depth, k = np.arange(len(vectors)), k + 1, min(k, count)
    while open_rows.size:
        asked = np.ascontiguousarray(vectors[open_rows])
        scores, rows = index.flat.search(asked, depth, params=params)
        if depth >= count:
            enough = np.ones(len(open_rows), bool)
        else:
            reach = _NOISE * np.maximum(1, np.linalg.norm(vectors[open_rows], axis=1))
            enough = scores[:, -1] < scores[:, k - 1] - reach
        # FAISS pads with -1, and doc_ids[-1] would be the last document.
        done += [
            (int(open_rows[i]), rows[i][rows[i] >= 0].astype(np.int64))
            for i in np.flatnonzero(enough)
        ]
        open_rows, depth = open_rows[~enough], depth * 2
    return done


def _best(index: Index, queries: EncodedQueries, row: int, candidates: Int64) -> list[ScoredDoc]:
    """Score the candidates anew and put them in order, (score, doc_id) descending."""
    query = queries.vectors[row].astype(np.float64)
    # A sum along rows, not a matrix product: equal rows get equal sums, bit by bit.
    documents = index.flat.reconstruct_batch(candidates).astype(np.float64)
    scores = (documents * query).sum(axis=1).astype(np.float32)
    found = [
        ScoredDoc(queries.query_ids[row], index.doc_ids[i], float(score))
        for i, score in zip(candidates, scores, strict=True)
    ]
    return sorted(found, key=lambda doc: (doc.score, doc.doc_id), reverse=True)


def _check_fit(index: Index, queries: EncodedQueries, k: int) -> None:
    if k < 1 or not index.doc_ids:
        raise InputError(
            "search", f"k = {k}, {len(index.doc_ids)} documents", "1 or more of each", "Ask for one"
        )
    if queries.vectors.shape[1] != index.flat.d:
        raise InputError(
            "queries",
            f"{queries.vectors.shape[1]} dimensions",
            f"the index's {index.flat.d}",
            "Encode queries and documents with the same checkpoint",
        )


def _check_count(path: Path, rows: int, ids: int) -> None:
    if rows != ids:
        raise InputError(
            path,
            f"{rows} vectors",
            f"one for each of the {ids} ids beside it",
            _AGAIN,
        )


def _refuse_changed(path: Path, flat: Any, doc_ids: tuple[str, ...]) -> None:
    """Refuse vectors that `build_index` would not have taken: the file was changed since."""
    if not doc_ids:
        return
    try:
        check_vectors("documents", doc_ids, rows_in(flat), unit=True)
    except InputError as error:
        raise InputError(path, error.found, error.expected, _DAMAGED) from error


def _check_array(path: Path, vectors: object) -> None:
    """Refuse what numpy reads and we did not write: an archive of arrays, 0-d, other numbers."""
    found = type(vectors).__name__
    if isinstance(vectors, np.ndarray):
        if vectors.ndim == 2 and vectors.dtype == np.float32:
            return
        found = f"an array of shape {vectors.shape} and type {vectors.dtype}"
    raise InputError(path, found, _VECTORS, _AGAIN)


def _unreadable(path: Path, expected: str) -> InputError:
    if not path.exists():
        return not_made(path)
    return InputError(path, "no readable file", expected, _DAMAGED)
