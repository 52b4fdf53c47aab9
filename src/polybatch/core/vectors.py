"""Vectors as rows: what is checked of them, which are the same, how two of them are scored.

Letters: Q queries, N documents, U distinct rows, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polybatch.core.errors import InputError

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

UNIT_TOLERANCE = 1e-3
"""How far from 1 the length of a unit vector may be (float16 checkpoints keep about 1e-3)."""

_BLOCK = 4096  # documents cast to float64 at a time, so that no second copy of all is held


def check_vectors(where: str, ids: Sequence[str], vectors: Float32, unit: bool) -> None:
    """Raise InputError unless there is one finite row an id, of unit length if `unit`.

    Example:
        >>> check_vectors("q", ["a", "b"], np.array([[1, 0], [np.nan, 0]], np.float32), True)
        Traceback (most recent call last):
        polybatch.core.errors.InputError: q: found 1 vectors with NaN or infinity (b), ...
    """
    if vectors.ndim != 2 or len(vectors) != len(ids):
        raise InputError(
            where,
            f"vectors of shape {vectors.shape}",
            f"one row for each of {len(ids)} ids",
            "Encode these texts again, in the order of their table",
        )
    squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
    _refuse(where, ids, ~np.isfinite(squares), "NaN or infinity", "finite numbers")
    if unit:
        wrong = np.abs(np.sqrt(squares) - 1) > UNIT_TOLERANCE
        _refuse(where, ids, wrong, "another length than 1", f"unit length (+-{UNIT_TOLERANCE})")


def distinct_rows(vectors: Float32) -> tuple[Int64, Int64]:
    """Return which rows (U,) are the first of their kind, and of which kind each row is (N,).

    Kinds are in the order of their bytes, so it depends on the set of rows only, not on their order
    in `vectors`; -0.0 is 0.0. Nothing but rows whose first four numbers are equal is copied.

    Example:
        >>> vectors = np.array([[2, 1], [0, 1], [2, 1]], np.float32)
        >>> first, kind = distinct_rows(vectors)
        >>> first.tolist(), vectors[first][kind].tolist()
        ([1, 0], [[2.0, 1.0], [0.0, 1.0], [2.0, 1.0]])
    """
    if not vectors.size:
        return np.zeros(0, np.int64), np.zeros(len(vectors), np.int64)
    heads = _as_bytes(vectors[:, :4])
    order = np.argsort(heads, kind="stable")
    new = np.append(True, heads[order][1:] != heads[order][:-1])
    shared = ~(new & np.append(new[1:], True))  # places whose neighbour has the same beginning
    whole = _as_bytes(vectors[order[shared]])
    within = np.argsort(whole, kind="stable")  # by the beginning first, so no row leaves its places
    order[shared] = order[shared][within]
    new[shared] = np.append(True, whole[within][1:] != whole[within][:-1])[: len(within)]
    kind = np.empty(len(vectors), np.int64)
    kind[order] = np.cumsum(new) - 1
    return order[new], kind


def _as_bytes(rows: Float32) -> npt.NDArray[np.void]:
    """Return each row as one value that is compared by its bytes; a copy."""
    copy = np.ascontiguousarray(rows, dtype=np.float32) + np.float32(0)  # -0.0 becomes 0.0
    return copy.view(np.dtype((np.void, copy.itemsize * copy.shape[1]))).ravel()


def inner_products(queries: Float32, documents: Float32, rows: Int64 | None = None) -> Float32:
    """Return the scores (Q, N): sums in float64, rounded to float32.

    `rows`: the N documents that are meant, by their row numbers; None: all.

    In float32 the last bits of a product depend on where a row stands in the matrix, on the
    number of threads and on the BLAS; rounded from float64 they depend on the two vectors.

    Example:
        >>> inner_products(np.eye(2, dtype=np.float32), np.array([[0.6, 0.8]], np.float32))
        array([[0.6],
               [0.8]], dtype=float32)
    """
    count = len(documents) if rows is None else len(rows)
    scores = np.empty((len(queries), count), np.float32)
    wide = queries.astype(np.float64)
    for start in range(0, count, _BLOCK):
        some = slice(start, start + _BLOCK)
        block = documents[some if rows is None else rows[some]].astype(np.float64)
        scores[:, some] = wide @ block.T
    return scores


def _refuse(
    where: str, ids: Sequence[str], bad: npt.NDArray[np.bool_], found: str, expected: str
) -> None:
    rows = np.flatnonzero(bad)
    if rows.size:
        first = ", ".join(ids[row] for row in rows[:3])
        raise InputError(
            where,
            f"{rows.size} vectors with {found} ({first})",
            f"{expected} in every row",
            "Check the checkpoint that encoded them (did its training diverge?) and their texts",
        )
