"""Intervals over seeds and clusters, against scipy's tests where one source of chance is absent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from polybatch.statistics.family import Claims, family, holm
from polybatch.statistics.influence import Arm, arm_of
from polybatch.statistics.multi_reader import (
    Contrast,
    equal_seed_variances,
    estimate,
    seed_covariance,
)

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


@pytest.mark.parametrize("shared_plan", [True, False])
def test_rows_derived_from_trainings_change_no_interval_of_them(shared_plan: bool) -> None:
    chance = np.random.default_rng(6)
    arms = {name: arm(chance.random((3, 40))) for name in "abc"}
    half = replace(arms["a"], values=arms["a"].values / 2, derived=True)
    more = arms | {"a-centred": replace(arms["a"], derived=True), "bm25-a": half}
    contrast = Contrast("a", "b", shared_plan)
    assert vars(estimate(more, contrast)) == vars(estimate(arms, contrast))
    assert seed_covariance(more) == seed_covariance(arms)
    assert equal_seed_variances(more) == equal_seed_variances(arms)
    fused = {name: more[name] for name in ("bm25-a", "a-centred")}
    assert estimate(fused, Contrast("bm25-a", "a-centred")).seeds_known


def test_one_seed_holds_chance_of_questions_alone_and_says_so() -> None:
    scores = np.random.default_rng(2).random((2, 25))
    arms = {"a": arm(scores[:1]), "b": arm(scores[1:])}
    found = estimate(arms, Contrast("a", "b"))
    assert not found.seeds_known
    assert found.p[0] == pytest.approx(stats.ttest_rel(*scores).pvalue)


@pytest.mark.parametrize("shared_plan", [True, False])
def test_where_trainings_happen_to_agree_an_interval_stays_one(shared_plan: bool) -> None:
    """Of 400 made-up pairs some have no variance left but a little of seeds: +-2e19 points once."""
    random, reaches, freedoms = np.random.default_rng(3), [], []
    for _ in range(400):
        question = random.standard_normal(48)
        arms = {name: arm(question + random.standard_normal((3, 48))) for name in "ab"}
        found = estimate(arms, Contrast("a", "b", shared_plan=shared_plan))
        low, high = found.interval(0.95)
        reaches.append(high[0] - low[0])
        freedoms.append(found.freedom[0])
    assert min(freedoms) >= (2 if shared_plan else 4)
    assert max(reaches) < 10 * np.median(reaches)


def test_a_family_of_one_is_not_corrected_and_a_larger_one_lies_below_bonferroni() -> None:
    chance = np.random.default_rng(3)
    arms = {f"s{n}": arm(chance.random((3, 60)) + 0.02 * n) for n in range(5)}
    contrasts = [Contrast(f"s{n}", "s0") for n in range(1, 5)]
    single = [estimate(arms, one) for one in contrasts]
    tested = [Claims(arms, contrasts[:1], single[:1])]
    alone = family(tested, np.random.default_rng(0), 20_000, 0.95)
    assert alone.p[0][0, 0] == pytest.approx(single[0].p[0], abs=0.015)
    assert alone.level == pytest.approx(0.05, abs=0.01)
    corrected = family([Claims(arms, contrasts, single)], np.random.default_rng(0), 20_000, 0.95)
    for one, p in zip(single, corrected.p[0][:, 0], strict=True):
        assert one.p[0] <= p <= min(1, 4 * one.p[0]) + 0.015
    assert 0.05 / 4 - 0.002 < corrected.level < 0.05


def test_independent_datasets_are_corrected_as_dunn_and_sidak_do() -> None:
    """Five datasets that share nothing: 1 - (1 - p) ** 5."""
    chance = np.random.default_rng(4)
    tested = []
    for _ in range(5):
        arms = {name: arm(chance.random((1, 80)), trained=False) for name in "ab"}
        contrast = Contrast("a", "b")
        tested.append(Claims(arms, [contrast], [estimate(arms, contrast)]))
    found = family(tested, np.random.default_rng(0), 40_000, 0.95)
    for part, p in zip(tested, found.p, strict=True):
        assert p[0, 0] == pytest.approx(1 - (1 - part.estimates[0].p[0]) ** 5, abs=0.02)
    assert found.level == pytest.approx(1 - 0.95 ** (1 / 5), rel=0.1)


def test_a_view_that_few_clusters_have_counts_those_alone() -> None:
    """The t-test over the 12 clusters that were asked in the second list."""
    chance = np.random.default_rng(5)
    one, other = chance.random((2, 30))
    asked = np.ones((30, 2))
    asked[12:, 1] = 0
    arms = {
        name: arm_of([asked * values[:, None]], asked, np.eye(2), False)
        for name, values in (("a", one), ("b", other))
    }
    found = estimate(arms, Contrast("a", "b"))
    truth = stats.ttest_rel(one[:12], other[:12])
    assert found.p[1] == pytest.approx(truth.pvalue)
    assert arms["a"].groups.tolist() == [30, 12]


def test_holm_by_hand() -> None:
    """Holm 1979: 4 x 0.005, 3 x 0.01, 2 x 0.03, and the last no smaller than that."""
    found = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert found.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).tolist() == []
