"""Intervals over seeds and clusters, against scipy's tests where one source of chance is absent."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from polybatch.statistics.multi_reader import Arm, Contrast, arm_of, estimate, family

ONE = np.ones((1, 1))


def arm(scores: np.ndarray, trained: bool = True) -> Arm:
    """An arm of one list with one query a cluster; scores (R, G)."""
    return arm_of([row[:, None] for row in scores], np.ones((scores.shape[1], 1)), ONE, trained)


def test_without_training_it_is_the_paired_t_test_over_clusters() -> None:
    chance = np.random.default_rng(0)
    one, other = chance.random((2, 40))
    arms = {"a": arm(one[None], trained=False), "b": arm(other[None], trained=False)}
    found = estimate(arms, Contrast("a", "b"))
    truth = stats.ttest_rel(one, other)
    assert found.p[0] == pytest.approx(truth.pvalue)
    low, high = found.interval(0.95)
    assert (low[0], high[0]) == pytest.approx(tuple(truth.confidence_interval(0.95)))


def test_without_chance_of_questions_it_is_the_pooled_t_test_over_seeds() -> None:
    chance = np.random.default_rng(1)
    one, other = chance.random((2, 4))
    arms = {
        name: arm(np.repeat(values[:, None], 30, axis=1))
        for name, values in (("a", one), ("b", other))
    }
    found = estimate(arms, Contrast("a", "b"))
    assert found.p[0] == pytest.approx(stats.ttest_ind(one, other).pvalue)
    paired = estimate(arms, Contrast("a", "b", shared_plan=True))
    assert paired.p[0] == pytest.approx(stats.ttest_rel(one, other).pvalue)


def test_one_seed_holds_chance_of_questions_alone_and_says_so() -> None:
    scores = np.random.default_rng(2).random((2, 25))
    arms = {"a": arm(scores[:1]), "b": arm(scores[1:])}
    found = estimate(arms, Contrast("a", "b"))
    assert not found.seeds_known
    assert found.p[0] == pytest.approx(stats.ttest_rel(*scores).pvalue)


def test_a_family_of_one_is_not_corrected_and_a_larger_one_lies_below_bonferroni() -> None:
    chance = np.random.default_rng(3)
    arms = {f"s{n}": arm(chance.random((3, 60)) + 0.02 * n) for n in range(5)}
    contrasts = [Contrast(f"s{n}", "s0") for n in range(1, 5)]
    single = [estimate(arms, one) for one in contrasts]
    alone = family(arms, contrasts[:1], single[:1], np.random.default_rng(0))
    assert alone[0, 0] == pytest.approx(single[0].p[0], abs=0.015)
    corrected = family(arms, contrasts, single, np.random.default_rng(0))
    for one, p in zip(single, corrected[:, 0], strict=True):
        assert one.p[0] <= p <= min(1, 4 * one.p[0]) + 0.015
