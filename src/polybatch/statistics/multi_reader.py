"""Intervals over questions and trainings at once: multi-reader multi-case analysis.

In a reading study, readers score the same cases under several treatments; here seeds are the
readers, clusters of items (a passage, an article) are the cases, and strategies the treatments. The
variance of a mean over seeds is A + C: A from the seeds, whose variance is pooled over the trained
arms, and C from what the clusters have in common under *different* seeds (Obuchowski and Rockette
1995, doi 10.1080/03610919508813243), with the degrees of freedom of Hillis (2007, doi
10.1002/sim.2532) and those of C, G - 1, beside them (Satterthwaite).

A view is a mean over lists of means over queries. It is made linear in the clusters: what a
cluster adds is (its sum of scores - its queries times the list's mean) / the list's queries.

Letters: G clusters, L lists, V views, R seeds, K contrasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Float64 = npt.NDArray[np.float64]

_DRAWS = 20_000  # of the multivariate t: a corrected p of 0.05 is known to 0.0015
_BLOCK = 2_000  # draws at a time


@dataclass(frozen=True)
class Arm:
    """A strategy's views under each seed: `values` (R, V), `influence` (R, G, V).

    `influence`: what each cluster adds to each view; over the clusters it adds up to 0.
    `trained`: whether another seed would give other values. An arm without training has R = 1.
    """

    values: Float64
    influence: Float64
    trained: bool

    @property
    def seeds(self) -> int:
        """Trainings of this arm."""
        return len(self.values)


def arm_of(sums: Sequence[Float64], counts: Float64, members: Float64, trained: bool) -> Arm:
    """Return an arm from the sums of its scores (G, L), one a seed.

    `counts` (G, L): queries of each cluster in each list. `members` (L, V): 1 where the list
    belongs to the view.

    Example:
        >>> one = arm_of([np.array([[1.0], [0.0]])], np.ones((2, 1)), np.ones((1, 1)), True)
        >>> one.values.tolist(), one.influence[0, :, 0].tolist()
        ([[0.5]], [0.25, -0.25])
    """
    asked = counts.sum(axis=0)
    share = members / members.sum(axis=0)
    means = [found.sum(axis=0) / asked for found in sums]
    influence = [
        ((found - counts * mean) / asked) @ share for found, mean in zip(sums, means, strict=True)
    ]
    return Arm(np.stack([mean @ share for mean in means]), np.stack(influence), trained)


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

    def detectable(self, confidence: float, power: float = 0.8) -> Float64:
        """Return the smallest true difference that such a study finds with this power (V,)."""
        limit = stats.t.ppf((1 + confidence) / 2, self.freedom)
        found: Float64 = (limit + stats.t.ppf(power, self.freedom)) * self.error
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
    added = _influence(first, second)
    together = _covariance(added, added)  # the clusters', and what a seed does to one of them
    groups = len(added) - 1.0
    if any(arm.seeds < 2 for arm in trained):
        nothing, freedom = np.full_like(value, np.nan), np.full_like(value, groups)
        return Estimate(value, np.sqrt(together), freedom, nothing, together, False)
    spread, residue, seed_freedom = _seed_variances(arms, contrast, trained)
    clusters = np.maximum(together - residue, 0)
    total = spread + clusters
    below = spread**2 / seed_freedom + together**2 / groups
    freedom = np.divide(total**2, below, out=np.full_like(total, groups), where=below > 0)
    return Estimate(value, np.sqrt(total), freedom, spread, clusters, True)


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
    known = [arm for arm in arms.values() if arm.trained and arm.seeds > 1]
    freedom = sum(arm.seeds - 1 for arm in known)
    squares = sum((arm.seeds - 1) * arm.values.var(axis=0, ddof=1) for arm in known)
    return np.asarray(squares / freedom, np.float64), float(freedom)


def _residue(arms: Mapping[str, Arm]) -> Float64:
    """Return the variance (V,) that seeds bring through single clusters, pooled over arms."""
    known = [arm for arm in arms.values() if arm.trained and arm.seeds > 1]
    freedom = sum(arm.seeds - 1 for arm in known)
    groups = known[0].influence.shape[1]
    squares = sum(((arm.influence - arm.influence.mean(axis=0)) ** 2).sum((0, 1)) for arm in known)
    return np.asarray(groups / (groups - 1) * squares / freedom, np.float64)


def _minus(first: Arm, second: Arm) -> Arm:
    return Arm(first.values - second.values, first.influence - second.influence, True)


def equal_seed_variances(arms: Mapping[str, Arm]) -> Float64:
    """Return p (V,) of all trained arms having the same seed variance (Bartlett); NaN if untold."""
    known = [arm.values for arm in arms.values() if arm.trained and arm.seeds > 1]
    width = next(iter(arms.values())).values.shape[1]
    if len(known) < 2:
        return np.full(width, np.nan)
    spread = np.stack([values.var(axis=0, ddof=1) for values in known])
    p = np.full(width, np.nan)
    for view in np.flatnonzero((spread > 0).all(axis=0)):
        p[view] = stats.bartlett(*(values[:, view] for values in known)).pvalue
    return p


def family(
    arms: Mapping[str, Arm],
    contrasts: Sequence[Contrast],
    estimates: Sequence[Estimate],
    chance: np.random.Generator,
) -> Float64:
    """Return p (K, V) corrected for all contrasts of a view together, by max-|t|.

    Draws of a multivariate t with the contrasts' estimated correlation, each with its own
    degrees of freedom: p = (draws whose largest |t| is as improbable + 1) / (draws + 1).
    """
    views = len(estimates[0].value)
    single = np.stack([one.p for one in estimates])  # (K, V)
    corrected = np.empty_like(single)
    for view in range(views):
        correlation = _correlation(arms, contrasts, estimates, view)
        freedom = np.array([one.freedom[view] for one in estimates])
        corrected[:, view] = _max_t(single[:, view], correlation, freedom, chance)
    return corrected


def _max_t(
    single: Float64, correlation: Float64, freedom: Float64, chance: np.random.Generator
) -> Float64:
    """Return each p (K,) corrected: how often the smallest p of a null family is as small."""
    root = _root(correlation)
    limits = stats.t.isf(single[:, None] / 2, freedom)  # (K, K): where each |t| is as improbable
    # the errors of a family are made of the same parts, so one quantile scales all of a draw
    levels = (np.arange(_BLOCK)[:, None] + 0.5) / _BLOCK
    scale = np.where(np.isfinite(freedom), np.sqrt(stats.chi2.ppf(levels, freedom) / freedom), 1)
    extreme = np.zeros(len(single))
    for _ in range(_DRAWS // _BLOCK):
        drawn = np.abs(chance.standard_normal((_BLOCK, len(single))) @ root.T) / scale
        extreme += (drawn[:, None, :] >= limits - 1e-9).any(axis=2).sum(axis=0)
    return np.maximum((extreme + 1) / (_DRAWS + 1), single)


def _root(correlation: Float64) -> Float64:
    """Return a matrix whose product with its transpose is the nearest correlation."""
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0))
    lengths = np.sqrt((root**2).sum(axis=1, keepdims=True))
    return np.asarray(root / np.where(lengths > 0, lengths, 1))


def _correlation(
    arms: Mapping[str, Arm], contrasts: Sequence[Contrast], estimates: Sequence[Estimate], view: int
) -> Float64:
    """Return the contrasts' correlation (K, K) in a view: clusters in common, arms in common."""
    added = [
        _influence(arms[one.first], arms[one.second] if one.second is not None else None)
        for one in contrasts
    ]
    stacked = np.stack([each[:, view] for each in added], axis=1)
    groups = len(stacked)
    covariance = groups / (groups - 1) * stacked.T @ stacked
    extra = np.zeros(len(estimates[0].value))
    if any(arm.trained and arm.seeds > 1 for arm in arms.values()):
        extra = seed_variance(arms)[0] - _residue(arms)
    for a, one in enumerate(contrasts):
        for b, other in enumerate(contrasts):
            if a != b:
                covariance[a, b] += extra[view] * _shared(arms, one, other)
    errors = np.array([one.error[view] for one in estimates])
    safe = np.where(errors > 0, errors, 1)
    found: Float64 = np.clip(covariance / np.outer(safe, safe), -1, 1)
    np.fill_diagonal(found, 1)
    return found


def _shared(arms: Mapping[str, Arm], one: Contrast, other: Contrast) -> float:
    """Return how much of a training's variance two contrasts have in common."""
    found = 0.0
    for name, sign in ((one.first, 1), (one.second, -1)):
        for again, turn in ((other.first, 1), (other.second, -1)):
            if name is not None and name == again and arms[name].trained:
                found += sign * turn / arms[name].seeds
    return found


def _influence(first: Arm, second: Arm | None) -> Float64:
    """Return what clusters add to a contrast, on average over seeds (G, V)."""
    own: Float64 = first.influence.mean(axis=0)
    return own if second is None else np.asarray(own - second.influence.mean(axis=0))


def _covariance(one: Float64, other: Float64) -> Float64:
    """Return the covariance (V,) that clusters bring to two contrasts (G, V)."""
    groups = len(one)
    return np.asarray(groups / (groups - 1) * (one * other).sum(axis=0))


def _ratio(value: Float64, error: Float64) -> Float64:
    sign = np.where(value == 0, 0.0, np.copysign(np.inf, value))
    return np.divide(value, error, out=sign, where=error > 0)
