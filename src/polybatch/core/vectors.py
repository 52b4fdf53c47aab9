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


def distinct_rows(vectors: Float32) -> tuple[Float32, Int64]:
    """Return the distinct rows (U, D), in an order of their own, and where each row is (N,).

    The order depends on the set of rows only, not on their order in `vectors`.

    Example:
        >>> rows, where = distinct_rows(np.array([[2, 1], [0, 1], [2, 1]], np.float32))
        >>> rows[where].tolist()
        [[2.0, 1.0], [0.0, 1.0], [2.0, 1.0]]
    """
    if not vectors.size:
        return vectors[:0], np.zeros(len(vectors), np.int64)
    rows = np.ascontiguousarray(vectors, dtype=np.float32) + np.float32(0)  # -0.0 becomes 0.0
    as_bytes = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    _, first, where = np.unique(as_bytes, return_index=True, return_inverse=True)
    return rows[first], where.astype(np.int64)


def inner_products(queries: Float32, documents: Float32) -> Float32:
    """Return the scores (Q, N): sums in float64, rounded to float32.

    In float32 the last bits of a product depend on where a row stands in the matrix, on the
    number of threads and on the BLAS; rounded from float64 they depend on the two vectors.

    Example:
        >>> inner_products(np.eye(2, dtype=np.float32), np.array([[0.6, 0.8]], np.float32))
        array([[0.6],
               [0.8]], dtype=float32)
    """
    scores = np.empty((len(queries), len(documents)), np.float32)
    wide = queries.astype(np.float64)
    for start in range(0, len(documents), _BLOCK):
        block = documents[start : start + _BLOCK].astype(np.float64)
        scores[:, start : start + _BLOCK] = wide @ block.T
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
