"""Corrections of p-values for how many there are: max-|t| of a declared family, and Holm's.

max-|t|: draws of a multivariate t with the contrasts' estimated correlation, each with its own
degrees of freedom (Hothorn, Bretz and Westfall 2008, doi 10.1002/bimj.200810425); a draw counts
against a contrast if the most improbable |t| of the draw is as improbable as the contrast's.

Letters: K contrasts, V views, F = K V members of a family in one dataset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.linalg import block_diag

from polybatch.statistics.influence import Arm, Float64
from polybatch.statistics.multi_reader import (
    Contrast,
    Estimate,
    influence,
    products,
    seed_covariance,
)

_BLOCK = 1_000  # draws at a time


def holm(p: Float64) -> Float64:
    """Return p-values corrected for their number by Holm's step-down procedure.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1)
    return corrected


@dataclass(frozen=True)
class Claims:
    """What is tested in one dataset: its arms, contrasts and their estimates."""

    arms: Mapping[str, Arm]
    contrasts: Sequence[Contrast]
    estimates: Sequence[Estimate]


@dataclass(frozen=True)
class Corrected:
    """`p`: of each dataset (K, V), corrected. `level`: the single p at which `p` is 1 - confidence.

    `level` says what one test of the family has to reach, and so what a study can find.
    """

    p: list[Float64]
    level: float


def family(
    tested: Sequence[Claims], chance: np.random.Generator, draws: int, confidence: float
) -> Corrected:
    """Correct all contrasts in all views of all datasets together, by max-|t|.

    Datasets count as independent of each other: a seed that they share makes the correction a
    little stricter than it has to be.
    """
    single = np.concatenate([np.ravel([one.p for one in part.estimates]) for part in tested])
    freedom = np.concatenate([np.ravel([one.freedom for one in part.estimates]) for part in tested])
    smallest = _smallest_p(
        block_diag(*(correlation(part) for part in tested)), freedom, chance, draws
    )
    extreme = np.searchsorted(smallest, single * (1 + 1e-9), side="right")
    corrected = np.maximum((extreme + 1) / (draws + 1), single)
    shapes = [(len(part.estimates), -1) for part in tested]
    cuts = np.cumsum([len(part.estimates) * len(part.estimates[0].p) for part in tested])[:-1]
    parts = [
        part.reshape(shape) for part, shape in zip(np.split(corrected, cuts), shapes, strict=True)
    ]
    return Corrected(parts, float(np.quantile(smallest, 1 - confidence)))


def _smallest_p(
    correlation: Float64, freedom: Float64, chance: np.random.Generator, draws: int
) -> Float64:
    """Return the smallest p (draws,) of a family without any difference, in ascending order."""
    root = _root(correlation)
    found = np.empty(draws)
    # the errors of a family are made of the same parts, so one quantile scales all of a draw
    for start in range(0, draws, _BLOCK):
        count = min(_BLOCK, draws - start)
        levels = (np.arange(count)[:, None] + 0.5) / count
        finite = np.where(np.isfinite(freedom), freedom, 1.0)
        scale = np.where(
            np.isfinite(freedom), np.sqrt(stats.chi2.ppf(levels, finite) / finite), 1.0
        )
        drawn = np.abs(chance.standard_normal((count, len(freedom))) @ root.T) / scale
        found[start : start + count] = 2 * stats.t.sf(drawn, freedom).min(axis=1)
    return np.sort(found)


def _root(correlation: Float64) -> Float64:
    """Return the symmetric root of the nearest correlation matrix, the same on any machine."""
    values, vectors = np.linalg.eigh(correlation)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    lengths = np.sqrt((root**2).sum(axis=1, keepdims=True))
    return np.asarray(root / np.where(lengths > 0, lengths, 1))


def correlation(tested: Claims) -> Float64:
    """Return the correlation (F, F) of a dataset's estimates: clusters and arms in common."""
    arms, contrasts = tested.arms, tested.contrasts
    added = [influence(arms, one) for one in contrasts]  # (G, V) each
    views = added[0].shape[1]
    stacked = np.concatenate(added, axis=1)
    covariance = products(next(iter(arms.values())), stacked)
    seeds = seed_covariance(arms)
    for a, one in enumerate(contrasts):
        for b, other in enumerate(contrasts):
            rows, columns = (slice(n * views, (n + 1) * views) for n in (a, b))
            covariance[rows, columns] += seeds * _shared(arms, one, other)
    errors = np.concatenate([one.error for one in tested.estimates])
    safe = np.where(errors > 0, errors, 1)
    found: Float64 = np.clip(covariance / np.outer(safe, safe), -1, 1)
    np.fill_diagonal(found, 1)
    return np.asarray(np.nan_to_num(found))


def _shared(arms: Mapping[str, Arm], one: Contrast, other: Contrast) -> float:
    """Return how much of a training's variance two contrasts have in common."""
    found = 0.0
    for name, sign in ((one.first, 1), (one.second, -1)):
        for again, turn in ((other.first, 1), (other.second, -1)):
            if name is not None and name == again and arms[name].trained:
                found += sign * turn / arms[name].seeds
    return found
