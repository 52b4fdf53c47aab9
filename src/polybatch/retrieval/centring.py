"""Vectors without their mean: what all queries, or all documents, have in common says nothing.

Mu and Viswanath, "All-but-the-Top" (ICLR 2018), first step. Means are those of training texts,
never of what is evaluated, of queries and of documents apart. With one mean per language, what a
language's vectors have in common goes too, which is why languages lie apart in the pool.

Letters: N vectors, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from polybatch.core.errors import InputError
from polybatch.core.vectors import Float32, check_vectors

By = Literal["global", "language"]

_SHORT = 1e-6
"""A centred vector shorter than this is its mean but for rounding, and has no direction."""


@dataclass(frozen=True)
class Means:
    """The mean of all training vectors, (D,), and that of each language's; `counts`: texts each."""

    overall: Float32
    by_language: Mapping[str, Float32]
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Centred:
    """Unit vectors (N, D), and what could not be done as asked.

    `without_mean`: languages without a training text, {language: vectors}, centred by the mean of
    all. `at_mean`: how many vectors equal their mean, which stay as they were.
    """

    vectors: Float32
    without_mean: Mapping[str, int]
    at_mean: int


def means_of(vectors: Float32, langs: Sequence[str]) -> Means:
    """Return the means of training vectors (N, D) in these languages, one per row.

    Sums are in float64. Refuses no vectors at all, and vectors that are not finite.

    Raises:
        InputError: there are no vectors, or some are not finite.

    Example:
        >>> means = means_of(np.array([[1, 0], [0, 1]], np.float32), ["en", "sw"])
        >>> means.overall.tolist(), means.by_language["sw"].tolist()
        ([0.5, 0.5], [0.0, 1.0])
    """
    check_vectors("training vectors", langs, vectors, unit=False)
    if not len(vectors):
        raise InputError(
            "training vectors", "none", "at least one", "Give the study a training dataset"
        )
    of = np.asarray(langs)
    rows = {str(lang): np.flatnonzero(of == lang) for lang in np.unique(of)}
    return Means(
        _mean(vectors),
        {lang: _mean(vectors[each]) for lang, each in rows.items()},
        {lang: len(each) for lang, each in rows.items()},
    )


def centre(vectors: Float32, langs: Sequence[str], means: Means, by: By) -> Centred:
    """Subtract the mean of all, or of its language, from each vector (N, D); unit length again.

    Refuses vectors that are not finite or have other dimensions than the means.

    Raises:
        InputError: vectors are not finite, or have other dimensions than the means.

    Example:
        >>> means = Means(np.array([0.2, 0.8], np.float32), {}, {})
        >>> centre(np.array([[0.8, 0.6]], np.float32), ["en"], means, "global").vectors.round(3)
        array([[ 0.949, -0.316]], dtype=float32)
    """
    check_vectors("vectors to centre", langs, vectors, unit=False)
    if vectors.shape[1:] != means.overall.shape:
        raise InputError(
            "vectors to centre",
            f"{vectors.shape[1]} dimensions",
            f"the means' {len(means.overall)}",
            "Take means and vectors from the same checkpoint",
        )
    own = means.by_language if by == "language" else {}
    of = np.asarray(langs, dtype=object)
    moved = np.empty(vectors.shape, np.float64)
    missing: dict[str, int] = {}
    for lang in sorted(set(langs)):
        rows = np.flatnonzero(of == lang)
        if by == "language" and lang not in own:
            missing[lang] = len(rows)
        moved[rows] = vectors[rows].astype(np.float64) - own.get(lang, means.overall)
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    at_mean = lengths[:, 0] < _SHORT
    moved[at_mean] = vectors[at_mean]
    lengths[at_mean] = np.linalg.norm(moved[at_mean], axis=1, keepdims=True)
    unit = (moved / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return Centred(unit, missing, int(at_mean.sum()))


def _mean(vectors: Float32) -> Float32:
    mean: Float32 = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean
