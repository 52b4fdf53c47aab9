"""Plans: the power that they promise is the power that scipy and a simulation find."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from polybatch.statistics.planning import Variances, clusters_needed, detectable


def test_without_training_the_power_is_that_of_the_t_test() -> None:
    """Against the noncentral t: power 80% to within 1% where there are clusters enough."""
    found = Variances(0.0, 0.04**2, 1)
    for clusters in (20, 48, 240):
        difference = detectable(found, 1, clusters, 0.05)
        limit = stats.t.isf(0.025, clusters - 1)
        shift = difference / (0.04 / math.sqrt(clusters))
        power = stats.nct.sf(limit, clusters - 1, shift) + stats.nct.cdf(
            -limit, clusters - 1, shift
        )
        assert power == pytest.approx(0.8, abs=0.01)


def test_the_needed_clusters_find_it_in_four_studies_of_five() -> None:
    cluster_sd, seed_sd, difference, seeds = 0.05, 0.004, 0.01, 5
    need = clusters_needed(Variances(2 * seed_sd**2, cluster_sd**2, 2), seeds, difference, 0.05)
    assert need is not None
    chance, found = np.random.default_rng(0), 0
    for _ in range(2_000):
        moved = chance.normal(difference, cluster_sd, need)
        one, other = chance.normal(0, seed_sd, (2, seeds))
        value = moved.mean() + one.mean() - other.mean()
        training = (one.var(ddof=1) + other.var(ddof=1)) / seeds
        cluster = moved.var(ddof=1) / need
        below = training**2 / (2 * (seeds - 1)) + cluster**2 / (need - 1)
        freedom = (training + cluster) ** 2 / below
        found += abs(value) / math.sqrt(training + cluster) > stats.t.isf(0.025, freedom)
    assert 0.76 <= found / 2_000 <= 0.84


def test_one_training_or_two_find_nothing() -> None:
    """As `decide`, which says neither better nor worse of them; what nobody trained needs none."""
    for training, found in ((1e-5, [True, True, False]), (0.0, [False] * 3)):
        variances = Variances(training, 0.01, 2)
        reach = [detectable(variances, seeds, 100, 0.05) for seeds in (1, 2, 3)]
        assert [math.isinf(one) for one in reach] == found


@given(st.floats(1e-6, 1e-3), st.floats(1e-5, 1e-2), st.integers(3, 10), st.floats(0.001, 0.1))
def test_the_answer_is_the_smallest_number_that_is_enough(
    training: float, cluster: float, seeds: int, difference: float
) -> None:
    found = Variances(training, cluster, 2)
    need = clusters_needed(found, seeds, difference, 0.05)
    if need is None:
        assert detectable(found, seeds, 1_000_000, 0.05) > difference
    else:
        assert detectable(found, seeds, need, 0.05) <= difference
        assert need == 5 or detectable(found, seeds, need - 1, 0.05) > difference
