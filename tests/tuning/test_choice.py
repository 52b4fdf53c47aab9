"""What is tried and what is chosen, against enumeration by hand and laws."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polybatch.core.errors import InputError
from polybatch.reports.html.tuning_page import plots
from polybatch.reports.tuning_tables import tuning_markdown
from polybatch.settings.tuned import CurvePoint, TunedStudy, TunedTrial, read_tuned
from polybatch.tuning.candidates import candidates
from polybatch.tuning.choice import chosen, expected_best, fewest_steps
from polybatch.tuning.tune import write_tuned

SPACE = {"learning_rate": (1e-4, 2e-4, 5e-4), "temperature": (0.03, 0.05)}


@given(st.lists(st.integers(0, 100).map(lambda value: value / 100), min_size=1, max_size=5))
def test_the_expected_best_is_the_mean_over_all_draws(scores: list[float]) -> None:
    found = expected_best(scores)
    for trials, value in enumerate(found, 1):
        every = [max(draw) for draw in product(scores, repeat=trials)]
        assert value == pytest.approx(sum(every) / len(every), abs=1e-9)
    assert found == sorted(found)
    assert found[0] == pytest.approx(sum(scores) / len(scores))


@given(st.integers(1, 6), st.integers(0, 50), st.integers(1, 4))
def test_settings_are_tried_alike_and_none_twice(trials: int, seed: int, values: int) -> None:
    plain = candidates(SPACE, trials, (seed,))
    own = candidates(SPACE, trials, (seed,), {"cross_ratio": [n / 4 for n in range(values)]})
    assert len({tuple(each.items()) for each in plain}) == len(plain) == trials
    for one, other in zip(plain, own, strict=True):
        ratio = other.pop("cross_ratio")
        assert one == other
        other["cross_ratio"] = ratio
    counts = [sum(each["cross_ratio"] == n / 4 for each in own) for n in range(values)]
    assert max(counts) - min(counts) <= 1
    more = candidates(SPACE, 6, (seed,))
    assert more[:trials] == plain  # so that trials already made count when more are wanted


def test_the_whole_grid_is_tried_where_there_are_as_many_trials() -> None:
    found = {tuple(each.values()) for each in candidates(SPACE, 6, (0,))}
    assert found == set(product(*SPACE.values()))


def test_the_best_trial_is_chosen_and_its_edges_named() -> None:
    rows = [((1e-4, 0.05), 0.4), ((2e-4, 0.03), 0.5), ((5e-4, 0.05), 0.5)]
    trials = [TunedTrial(dict(zip(SPACE, values, strict=True)), score) for values, score in rows]
    arm = chosen(trials)
    assert (arm.values, arm.score) == ({"learning_rate": 2e-4, "temperature": 0.03}, 0.5)
    assert arm.edges == ("temperature",)
    # without the last trial 5e-4 stands in the list alone: nobody knows what it would have scored
    assert chosen(trials[:2]).edges == ("learning_rate", "temperature")


def test_a_trial_that_failed_is_never_chosen() -> None:
    scores = [None, 0.4, 0.5, None]
    rates = [1e-4, 2e-4, 5e-4, 1.0]
    trials = [TunedTrial({"learning_rate": rate}, score)
              for rate, score in zip(rates, scores, strict=True)]  # fmt: skip
    arm = chosen(trials)
    assert (arm.values, arm.score, arm.scores) == ({"learning_rate": 5e-4}, 0.5, [0.4, 0.5])
    assert arm.edges == ()  # 1.0 was tried: nothing beyond 5e-4 is left to try
    with pytest.raises(InputError, match="tuning: found no score, as each of 2 trials"):
        chosen([trials[0], trials[3]])


def test_the_page_says_which_trials_failed(tmp_path: Path) -> None:
    trials = [TunedTrial({"learning_rate": 1e-4}, 0.4), TunedTrial({"learning_rate": 1.0})]
    arms = {"mono": chosen(trials, [CurvePoint(4, 0.4)]),
            "cross": chosen(trials[:1], [CurvePoint(4, 0.3)])}  # fmt: skip
    tuned = TunedStudy("AP", {"settings": 0, "training": 0}, 2, 4, 4, 0.5, 0.3, {}, arms)
    text = tuning_markdown("tiny", tuned)
    assert "Failed, as the loss was no longer finite: mono (1)." in text
    assert "| mono | 2 | failed | 1 |" in re.sub(" +", " ", text)
    assert [point["score"] for point in plots(tuned)["Best score by number of trials"]["data"][
        "values"]] == [40.0, 40.0]  # fmt: skip
    write_tuned(tmp_path / "tuned.yaml", "tiny", tuned)
    assert read_tuned(tmp_path / "tuned.yaml") == {"tiny": tuned}


def test_steps_with_which_a_training_failed_are_not_chosen() -> None:
    whole = [CurvePoint(50, 0.40), CurvePoint(100, 0.41), CurvePoint(200, 0.50)]
    assert fewest_steps([whole, whole[:2]], 0.0) == 100
    with pytest.raises(InputError, match=r"tuning\.curve: found no number of steps"):
        fewest_steps([whole, []], 0.0)


def test_steps_are_the_fewest_for_all_strategies_together() -> None:
    rising = [CurvePoint(50, 0.40), CurvePoint(100, 0.41), CurvePoint(200, 0.44)]
    flat = [CurvePoint(50, 0.50), CurvePoint(100, 0.52), CurvePoint(200, 0.50)]
    # means: 0.450, 0.465, 0.470
    assert fewest_steps([rising, flat], 0.0) == 200
    assert fewest_steps([rising, flat], 0.0051) == 100
    assert fewest_steps([rising, flat], 0.0201) == 50
