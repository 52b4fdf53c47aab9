"""Intervals over questions and trainings at once: multi-reader multi-case analysis.

In a reading study, readers score the same cases under several treatments; here seeds are the
readers, clusters of items (a passage, an article) are the cases, and strategies the treatments. The
variance of a mean over seeds is A + C: A from the seeds, whose variance is pooled over the trained
arms, and C from what the clusters have in common under *different* seeds (Obuchowski and Rockette
1995, doi 10.1080/03610919508813243), with the degrees of freedom of Hillis (2007, doi
10.1002/sim.2532) and those of C, G - 1, beside them (Satterthwaite). Arms derived from the
trainings of others (merges, centred vectors, fusions) add nothing to A: each training counts once.

What clusters add to a view: polybatch.statistics.influence. Letters: G clusters, V views, R seeds,
K contrasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from polybatch.statistics.influence import Arm, Float64, signed, sums_of_level


@dataclass(frozen=True)
class Contrast:
    """The difference of two arms, `first` - `second`, or the value of one where `second` is None.

    `shared_plan`: both were trained on the same batches under each seed, so seeds are paired.
    """

    first: str
    second: str | None
    shared_plan: bool = False


@dataclass(frozen=True)
class Estimate:
    """Of each view (V,): a value, its standard error and degrees of freedom.

    `from_seeds` and `from_clusters` are the two variances that add up to `error` squared. With one
    seed of a trained arm there is no `from_seeds` (NaN), and `error` holds chance of questions
    alone: `seeds_known` is False.
    """

    value: Float64
    error: Float64
    freedom: Float64
    from_seeds: Float64
    from_clusters: Float64
    seeds_known: bool

    def interval(self, confidence: float) -> tuple[Float64, Float64]:
        """Return the lower and the upper end (V,)."""
        reach = stats.t.ppf((1 + confidence) / 2, self.freedom) * self.error
        return self.value - reach, self.value + reach

    @property
    def t(self) -> Float64:
        """The value in standard errors; 0 where value and error are both 0."""
        return _ratio(self.value, self.error)

    @property
    def p(self) -> Float64:
        """Two-sided p (V,) of the value being 0."""
        found: Float64 = 2 * stats.t.sf(np.abs(self.t), self.freedom)
        return found


def estimate(arms: Mapping[str, Arm], contrast: Contrast) -> Estimate:
    """Return a contrast's value and uncertainty; the seed variance is pooled over trained `arms`.

    Arms with fewer seeds than others count by their own; an arm without training has no variance
    of seeds. Raises KeyError for an arm that is not there.
    """
    first = arms[contrast.first]
    second = arms[contrast.second] if contrast.second is not None else None
    trained = [arm for arm in (first, second) if arm is not None and arm.trained]
    value = first.values.mean(axis=0) - (0 if second is None else second.values.mean(axis=0))
    added, groups = influence(arms, contrast), first.groups
    together = _times(groups) * _over_clusters(first, added)
    groups = np.maximum(groups - 1, 1)
    if any(arm.seeds < 2 for arm in trained):
        unknown = np.full_like(value, np.nan)
        return Estimate(value, np.sqrt(together), groups, unknown, together, False)
    spread, residue, seed_freedom = _seed_variances(arms, contrast, trained)
    clusters = np.maximum(together - residue, 0)
    total = spread + clusters
    below = spread**2 / seed_freedom + together**2 / groups
    freedom = np.divide(total**2, below, out=groups.copy(), where=below > 0)
    # A sum of variances has no fewer than the least of its parts. Here one is subtracted, and where
    # little is left the formula goes to 0, and the interval to all numbers there are.
    freedom = np.maximum(freedom, np.minimum(seed_freedom, groups))
    return Estimate(value, np.sqrt(total), freedom, spread, clusters, True)


def _over_clusters(arm: Arm, added: Float64) -> Float64:
    """Return the sum of squares (V,) over clusters; over crossed ones no less than over a level."""
    found = [arm.squares(added)]
    if arm.crossed is not None:
        found += [(sums_of_level(added, level) ** 2).sum(axis=0) for level in arm.crossed]
    return np.asarray(np.max(found, axis=0))


def _seed_variances(
    arms: Mapping[str, Arm], contrast: Contrast, trained: Sequence[Arm]
) -> tuple[Float64, Float64, float]:
    """Return the seeds' variance of a contrast (V,), its part that is a cluster's, and its freedom.

    That part is in what the clusters add as well, and counts once.
    """
    if contrast.shared_plan and contrast.second is not None and len(trained) == 2:
        first, second = arms[contrast.first], arms[contrast.second]
        if first.seeds == second.seeds:
            paired = {"difference": _minus(first, second)}
            spread, freedom = seed_variance(paired)
            return spread / first.seeds, _residue(paired) / first.seeds, freedom
    if not trained:
        nothing = np.zeros(arms[contrast.first].values.shape[1])
        return nothing, nothing, np.inf
    times = sum(1 / arm.seeds for arm in trained)
    spread, freedom = seed_variance(arms)
    return spread * times, _residue(arms) * times, freedom


def seed_variance(arms: Mapping[str, Arm]) -> tuple[Float64, float]:
    """Return the variance (V,) of a single training's views by its seed, pooled, and its freedom.

    Example:
        >>> arm = Arm(np.array([[0.1], [0.3]]), np.zeros((2, 5, 1)), True)
        >>> seed_variance({"mono": arm, "cross": arm})[0].round(3).tolist()
        [0.02]
    """
    known = _trained_again(arms)
    freedom = sum(arm.seeds - 1 for arm in known)
    squares = sum((arm.seeds - 1) * arm.values.var(axis=0, ddof=1) for arm in known)
    return np.asarray(squares / freedom, np.float64), float(freedom)


def seed_covariance(arms: Mapping[str, Arm]) -> Float64:
    """Return the covariance (V, V) of a single training's views by its seed, clusters apart.

    0 where no arm was trained with several seeds.
    """
    known = _trained_again(arms)
    views = next(iter(arms.values())).values.shape[1]
    found = np.zeros((views, views))
    freedom = sum(arm.seeds - 1 for arm in known)
    for arm in known:
        apart = arm.values - arm.values.mean(axis=0)
        found += apart.T @ apart / freedom
        for moved in arm.influence - arm.influence.mean(axis=0):
            found -= products(arm, moved) / freedom
    return found


def products(arm: Arm, moved: Float64) -> Float64:
    """Return the covariances (F, F) of what clusters add, `moved` (G, F)."""
    rows, signs = signed(moved, arm.crossed)
    levels = [np.arange(len(moved))] if arm.crossed is None else arm.crossed
    groups = min(len(np.unique(level)) for level in levels)
    return np.asarray(groups / max(groups - 1, 1) * (rows * signs[:, None]).T @ rows)


def _residue(arms: Mapping[str, Arm]) -> Float64:
    """Return the variance (V,) that seeds bring through single clusters, pooled over arms."""
    known = _trained_again(arms)
    freedom = sum(arm.seeds - 1 for arm in known)
    squares = sum(
        arm.squares(moved) for arm in known for moved in arm.influence - arm.influence.mean(axis=0)
    )
    return np.asarray(_times(known[0].groups) * squares / freedom, np.float64)


def _trained_again(arms: Mapping[str, Arm]) -> list[Arm]:
    """Return the arms trained several times; derived ones where there are no others."""
    known = [arm for arm in arms.values() if arm.trained and arm.seeds > 1]
    return [arm for arm in known if not arm.derived] or known


def _minus(first: Arm, second: Arm) -> Arm:
    values, moved = first.values - second.values, first.influence - second.influence
    return Arm(values, moved, True, first.clusters, first.crossed)


def equal_seed_variances(arms: Mapping[str, Arm]) -> Float64:
    """Return p (V,) of all trained arms having the same seed variance (Bartlett); NaN if untold."""
    known = [arm.values for arm in _trained_again(arms)]
    width = next(iter(arms.values())).values.shape[1]
    if len(known) < 2:
        return np.full(width, np.nan)
    spread, p = np.stack([one.var(axis=0, ddof=1) for one in known]), np.full(width, np.nan)
    for view in np.flatnonzero((spread > 0).all(axis=0)):
        p[view] = stats.bartlett(*(values[:, view] for values in known)).pvalue
    return p


def influence(arms: Mapping[str, Arm], contrast: Contrast) -> Float64:
    """Return what clusters add to a contrast, on average over seeds (G, V)."""
    own: Float64 = arms[contrast.first].influence.mean(axis=0)
    if contrast.second is None:
        return own
    return np.asarray(own - arms[contrast.second].influence.mean(axis=0))


def _times(groups: Float64) -> Float64:
    """Return G / (G - 1) of each view, 1 where there is one cluster: its sum of squares is 0."""
    return np.asarray(groups / np.maximum(groups - 1, 1))


def _ratio(value: Float64, error: Float64) -> Float64:
    sign = np.where(value == 0, 0.0, np.copysign(np.inf, value))
    return np.divide(value, error, out=sign, where=error > 0)
