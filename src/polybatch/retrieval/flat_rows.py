"""The rows of a flat FAISS index as NumPy reads and writes them, without a copy."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

from polybatch.core.vectors import Float32


def room_for(documents: int, dimensions: int) -> tuple[Any, Float32]:
    """Return a flat FAISS index of zeros and its rows (N, D), to be written in their place.

    Vectors of millions of documents need their memory once this way.

    Example:
        >>> flat, rows = room_for(2, 2)
        >>> rows[:] = np.eye(2)
        >>> flat.reconstruct(1).tolist()
        [0.0, 1.0]
    """
    flat = faiss.IndexFlatIP(dimensions)
    flat.codes.resize(documents * dimensions * np.dtype(np.float32).itemsize)
    flat.ntotal = documents
    return flat, rows_in(flat)


class _Rows:
    """The rows of a flat index as NumPy reads them; the array made of it keeps the index alive."""

    def __init__(self, flat: Any) -> None:
        self.flat = flat
        numbers = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d)
        self.__array_interface__ = numbers.__array_interface__ | {"shape": (flat.ntotal, flat.d)}


def rows_in(flat: Any) -> Float32:
    """Return the rows (N, D) of a flat index, which the array keeps alive.

    Example:
        >>> rows_in(room_for(1, 2)[0]).tolist()
        [[0.0, 0.0]]
    """
    if not flat.ntotal:
        return np.empty((0, flat.d), np.float32)
    rows: Float32 = np.asarray(_Rows(flat))
    return rows
