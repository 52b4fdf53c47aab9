"""Random effects against the BCG trials (Colditz et al. 1994), and Hartung and Knapp by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from polybatch.statistics.meta_analysis import pool, random_effects

# vaccinated with and without tuberculosis, then not vaccinated: 13 trials
BCG = np.array([
    (4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619),
    (33, 5036, 47, 5761), (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892),
    (29, 7470, 45, 7232), (17, 1699, 65, 1600), (186, 50448, 141, 27197), (5, 2493, 3, 2338),
    (27, 16886, 29, 17825),
])  # fmt: skip


def _log_risk_ratios() -> tuple[np.ndarray, np.ndarray]:
    a, b, c, d = BCG.T.astype(float)
    effect = np.log(a / (a + b)) - np.log(c / (c + d))
    return effect, np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))


def test_the_mean_is_the_one_that_metafor_and_stata_print() -> None:
    """metafor 4, test_misc_metan_vs_rma.uni_with_dat.bcg.r, method="DL": -0.7141; tau2 0.3088."""
    effect, error = _log_risk_ratios()
    found = random_effects(effect, error, 0.95)
    assert found.value == pytest.approx(-0.7141, abs=5e-5)
    assert found.spread**2 == pytest.approx(0.3088, abs=5e-5)
    weight = 1 / (error**2 + found.spread**2)
    usual = 1 / np.sqrt(weight.sum())  # its interval there: -1.0644 to -0.3638, by the normal
    assert found.value - 1.959964 * usual == pytest.approx(-1.0644, abs=5e-5)


def test_the_interval_is_hartung_and_knapps() -> None:
    """sqrt(sum w (y - mu)^2 / (k - 1) / sum w), t with k - 1; never narrower than without it."""
    effect, error = _log_risk_ratios()
    found = random_effects(effect, error, 0.95)
    weight = 1 / (error**2 + found.spread**2)
    residual = sum(w * (y - found.value) ** 2 for w, y in zip(weight, effect, strict=True))
    factor = max(1.0, residual / 12)
    reach = stats.t.ppf(0.975, 12) * (factor / weight.sum()) ** 0.5
    assert (found.low, found.high) == pytest.approx((found.value - reach, found.value + reach))
    alike = random_effects([0.1] * 5, [0.02] * 5, 0.95)
    assert alike.high - 0.1 == pytest.approx(stats.t.ppf(0.975, 4) * 0.02 / 5**0.5)


def test_fewer_than_five_datasets_are_not_pooled() -> None:
    rows = [
        {"first": "a", "second": "b", "kind": "setting", "setting": "mono", "difference": 0.01 * n,
         "error": 0.01, "dataset": f"d{n}", "seeds": 3, "from_seeds": 0.0, "seed_freedom": 4.0}
        for n in range(5)
    ]  # fmt: skip
    (found,) = pool(pl.DataFrame(rows), 0.95)
    assert (found.value, found.datasets) == (pytest.approx(0.02), 5)
    assert pool(pl.DataFrame(rows[:4]), 0.95) == []
    assert pool(pl.DataFrame(rows).with_columns(error=pl.lit(None, pl.Float64)), 0.95) == []
    once = pl.DataFrame(rows).with_columns(seeds=pl.Series([3, 3, 3, 3, 2]))
    assert pool(once, 0.95) == []  # two trainings decide nothing


def test_the_seeds_of_all_datasets_are_added_once() -> None:
    """By hand: five alike of 0.1 with error 0.02, of whose variance seeds add 0.0003 to each."""
    found = random_effects([0.1] * 5, [0.02] * 5, 0.95, [0.0003] * 5, 4.0)
    own = (0.0004 - 0.0003) / 5
    freedom = (own + 0.0003) ** 2 / (own**2 / 4 + 0.0003**2 / 4)
    reach = stats.t.ppf(0.975, freedom) * (own + 0.0003) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.1 - reach, 0.1 + reach))


def test_the_spread_between_datasets_is_not_hidden_by_what_seeds_add_to_all() -> None:
    """Six datasets whose true differences spread by 0.7; seeds move all by 1, clusters by 0.2."""
    chance, found = np.random.default_rng(5), []
    error, from_seeds = [1.2**0.5] * 6, [1.0] * 6
    for _ in range(300):
        values = chance.normal(0, 1) + chance.normal(0, (0.7**2 + 0.2) ** 0.5, 6)
        found.append(random_effects(values, error, 0.95, from_seeds, 4.0).spread)
    assert np.mean(found) == pytest.approx(0.65, abs=0.1)  # a root, so a little below 0.7
    assert np.mean(np.array(found) == 0) < 0.15


@pytest.mark.parametrize(("datasets", "without"), [(5, 0.92), (8, 0.8)])
def test_intervals_hold_a_seed_effect_that_all_datasets_share(
    datasets: int, without: float
) -> None:
    """Two equal arms of three trainings, whose seeds move all datasets as much as clusters do."""
    chance, times, seeds = np.random.default_rng(7), 600, 3
    moved = chance.normal(0, (seeds / 2) ** 0.5, (times, 2, seeds))
    means = moved.mean(axis=2)
    values = (means[:, :1] - means[:, 1:]) + chance.normal(0, 1, (times, datasets))
    from_seeds = 2 * moved.var(axis=2, ddof=1).mean(axis=1) / seeds
    clusters = chance.chisquare(39, (times, datasets)) / 39
    held = {"with": 0, "without": 0}
    for value, spread, cluster in zip(values, from_seeds, clusters, strict=True):
        error = np.sqrt(spread + cluster)
        for key, added in (("with", (np.full(datasets, spread), 4.0)), ("without", ())):
            found = random_effects(value, error, 0.95, *added)
            held[key] += found.low <= 0 <= found.high
    assert 0.93 <= held["with"] / times <= 0.98
    assert held["without"] / times < without
