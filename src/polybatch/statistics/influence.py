"""What each cluster adds to an arm's means: its influence, of which intervals are made.

A view is a mean over lists of means over queries. It is made linear in the clusters: what a
cluster adds is (its sum of scores - its queries times the list's mean) / the list's queries.

Where clusters are crossed (a territory's facts stand in the same templates as another's), sums of
squares over them are those over each level less those over what both have in common (Cameron,
Gelbach and Miller 2011, doi 10.1198/jbes.2010.07136), and the level with fewer clusters counts.

Letters: G clusters, L lists, V views, R seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polybatch.core.vectors import Int64

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """A strategy's views under each seed: `values` (R, V), `influence` (R, G, V).

    `influence`: what each cluster adds to each view; over the clusters it adds up to 0.
    `trained`: whether another seed would give other values. An arm without training has R = 1.
    `clusters` (V,): how many clusters have queries in a view; None means all of them. `crossed`
    (2, G): of crossed clusters the numbers of their two levels, else None. `derived`: made of other
    arms' trainings, as a fusion is.
    """

    values: Float64
    influence: Float64
    trained: bool
    clusters: Float64 | None = None
    crossed: Int64 | None = None
    derived: bool = False

    @property
    def seeds(self) -> int:
        """Trainings of this arm."""
        return len(self.values)

    @property
    def groups(self) -> Float64:
        """Clusters that have queries in each view (V,)."""
        _, groups, views = self.influence.shape
        return np.full(views, float(groups)) if self.clusters is None else self.clusters

    def squares(self, moved: Float64) -> Float64:
        """Return the sum of squares (V,) of what clusters add, `moved` (G, V)."""
        rows, signs = signed(moved, self.crossed)
        return np.asarray(signs @ rows**2)


def signed(moved: Float64, crossed: Int64 | None) -> tuple[Float64, Float64]:
    """Return rows (M, F) and signs (M,) whose signed products are those over all clusters (G, F).

    Of crossed clusters: the sums of each level, and with a minus what both have in common.

    Example:
        >>> moved = np.array([[1.0], [2.0], [3.0]])
        >>> rows, signs = signed(moved, np.array([[0, 0, 1], [0, 1, 1]]))
        >>> rows[:, 0].tolist(), signs.tolist()
        ([3.0, 3.0, 1.0, 5.0, 1.0, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
    """
    if crossed is None:
        return moved, np.ones(len(moved))
    sums = np.concatenate([sums_of_level(moved, level) for level in crossed])
    signs = np.repeat([1.0, -1.0], [len(sums), len(moved)])
    return np.concatenate([sums, moved]), signs


def sums_of_level(moved: Float64, level: Int64) -> Float64:
    """Return the sums (N, V) of what clusters add, `moved` (G, V), over the N groups of a level.

    Example:
        >>> sums_of_level(np.array([[1.0], [2.0], [3.0]]), np.array([0, 1, 0])).tolist()
        [[4.0], [2.0]]
    """
    found = np.zeros((int(level.max()) + 1, moved.shape[1]))
    np.add.at(found, level, moved)
    return found


def arm_of(
    sums: Sequence[Float64],
    counts: Float64,
    members: Float64,
    trained: bool,
    crossed: Int64 | None = None,
) -> Arm:
    """Return an arm from the sums of its scores (G, L), one per seed.

    `counts` (G, L): queries of each cluster in each list. `members` (L, V): 1 where the list
    belongs to the view. `crossed`: as in Arm.

    Example:
        >>> one = arm_of([np.array([[1.0], [0.0]])], np.ones((2, 1)), np.ones((1, 1)), True)
        >>> one.values.tolist(), one.influence[0, :, 0].tolist()
        ([[0.5]], [0.25, -0.25])
    """
    totals = counts.sum(axis=0)
    share = members / members.sum(axis=0)
    means = [found.sum(axis=0) / totals for found in sums]
    moved = [
        ((found - counts * mean) / totals) @ share for found, mean in zip(sums, means, strict=True)
    ]
    values = np.stack([mean @ share for mean in means])
    there = (counts @ members > 0).astype(np.float64)
    levels = [there] if crossed is None else [sums_of_level(there, level) > 0 for level in crossed]
    clusters = np.min([level.sum(axis=0) for level in levels], axis=0).astype(np.float64)
    return Arm(values, np.stack(moved), trained, clusters, crossed)
