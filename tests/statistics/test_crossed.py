"""Clusters of two crossed levels, against another program and against a slow double sum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from polybatch.statistics.family import Claims, correlation
from polybatch.statistics.influence import Arm, arm_of
from polybatch.statistics.multi_reader import (
    Contrast,
    equal_seed_variances,
    estimate,
    seed_covariance,
)

ONE = np.ones((1, 1))
LEVELS = np.stack([np.repeat(np.arange(6), 8), np.tile(np.arange(8), 6)])


def _scores() -> np.ndarray:
    chance = np.random.default_rng(5)
    first, second = chance.normal(size=6), 0.7 * chance.normal(size=8)
    return np.round(first[LEVELS[0]] + second[LEVELS[1]] + chance.normal(size=48), 3)


def _arm(scores: np.ndarray, levels: np.ndarray | None, trained: bool = False) -> Arm:
    counts = np.ones((scores.shape[1], 1))
    return arm_of([row[:, None] for row in scores], counts, ONE, trained, levels)


def test_the_error_is_that_of_statsmodels() -> None:
    """statsmodels 0.15.0: OLS(y, ones).fit(), cov_cluster_2groups(.., use_correction=False)."""
    found = estimate({"a": _arm(_scores()[None], LEVELS)}, Contrast("a", None))
    smaller = 6 / 5  # the correction of the level with fewer clusters
    assert found.value[0] == pytest.approx(-0.28825)
    assert found.error[0] ** 2 == pytest.approx(0.23681022265625046 * smaller)
    assert found.freedom[0] == 5
    for level, truth in zip(LEVELS, (0.1606317100694448, 0.12851372656250026), strict=True):
        sums = np.stack([_scores()[level == n].sum() for n in range(level.max() + 1)])
        sizes = np.bincount(level)
        arm = arm_of([sums[:, None]], sizes[:, None].astype(float), ONE, False)
        one = estimate({"a": arm}, Contrast("a", None))
        groups = len(sums)
        assert one.error[0] ** 2 == pytest.approx(truth * groups / (groups - 1))


def _pairs(moved: np.ndarray, levels: np.ndarray) -> float:
    """Sum products of all two cells that share a cluster of either level: the definition."""
    return float(
        sum(
            moved[i] * moved[j]
            for i in range(len(moved))
            for j in range(len(moved))
            if (levels[:, i] == levels[:, j]).any()
        )
    )


@pytest.mark.parametrize("seed", range(4))
def test_seeds_and_crossed_clusters_add_up_as_the_slow_sums_say(seed: int) -> None:
    chance = np.random.default_rng(seed)
    levels = np.unique(chance.integers(0, 7, (2, 40)), axis=1)
    cells = levels.shape[1]
    common = chance.normal(size=7)[levels[0]] + chance.normal(size=7)[levels[1]]
    scores = {
        name: common + chance.normal(size=(3, 1)) / 3 + chance.normal(size=(3, cells))
        for name in "ab"
    }
    scores["b"] = scores["b"] + chance.normal(size=7)[levels[0]]
    arms = {name: _arm(each, levels, trained=True) for name, each in scores.items()}
    found = estimate(arms, Contrast("b", "a"))
    groups = min(len(np.unique(level)) for level in levels)
    times = groups / (groups - 1)
    apart = {
        name: (each - each.mean(axis=1, keepdims=True)) / cells for name, each in scores.items()
    }
    added = apart["b"].mean(axis=0) - apart["a"].mean(axis=0)
    one_way = [sum(added[level == n].sum() ** 2 for n in range(7)) for level in levels]
    together = times * max(_pairs(added, levels), *one_way)
    spread = sum(each.mean(axis=1).var(ddof=1) / 3 for each in scores.values())
    residue = times * sum(
        _pairs(row, levels) for each in apart.values() for row in each - each.mean(axis=0)
    ) / (4 * 3) * 2  # fmt: skip
    assert found.from_seeds[0] == pytest.approx(spread)
    assert found.from_clusters[0] == pytest.approx(max(together - residue, 0))
    pooled = sum(each.mean(axis=1).var(ddof=1) for each in scores.values()) / 2
    assert seed_covariance(arms)[0, 0] == pytest.approx(pooled - residue * 3 / 2)
    claims = [Contrast("b", "a"), Contrast("a", "b")]
    tested = Claims(arms, claims, [estimate(arms, one) for one in claims])
    assert correlation(tested)[0, 1] == pytest.approx(-1, abs=0.35)


def test_levels_that_say_the_same_are_one_level() -> None:
    chance = np.random.default_rng(2)
    scores = chance.random((3, 20))
    plain, twice = (
        estimate({"a": _arm(scores, levels, True)}, Contrast("a", None))
        for levels in (None, np.stack([np.arange(20)] * 2))
    )
    assert twice.error == pytest.approx(plain.error)
    assert twice.freedom == pytest.approx(plain.freedom)


def test_intervals_hold_what_they_promise_where_clusters_are_crossed() -> None:
    """12 x 15 clusters whose two levels both bring chance: one-way intervals fall far short."""
    chance = np.random.default_rng(0)
    levels = np.stack([np.repeat(np.arange(12), 15), np.tile(np.arange(15), 12)])
    hits = {"two": 0, "one": 0}
    worlds = 400
    for _ in range(worlds):
        moved = chance.normal(size=12)[levels[0]] + chance.normal(size=15)[levels[1]]
        scores = (moved + chance.normal(size=180))[None]
        for name, crossed in (("two", levels), ("one", None)):
            low, high = estimate({"a": _arm(scores, crossed)}, Contrast("a", None)).interval(0.95)
            hits[name] += bool(low[0] <= 0 <= high[0])
    assert hits["two"] / worlds > 0.92
    assert hits["one"] / worlds < 0.6


def test_bartletts_test_of_the_seed_variances_is_scipys() -> None:
    chance = np.random.default_rng(3)
    values = chance.random((3, 4))
    arms = {
        name: Arm(row[:, None], np.zeros((4, 5, 1)), True)
        for name, row in zip("abc", values, strict=True)
    }
    assert equal_seed_variances(arms)[0] == pytest.approx(stats.bartlett(*values).pvalue)
