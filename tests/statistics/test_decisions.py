"""One decision on a difference, by hand, and as laws: what is said of interval, p and seeds."""

from __future__ import annotations

from typing import get_args

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polybatch.reports.contrasts import decided, headlines
from polybatch.statistics.decisions import Difference, Outcome, Rule, decide, sentence

RULE = Rule(0.005, 0.95)
UNIT = st.floats(-0.1, 0.1)


@pytest.mark.parametrize(
    ("interval", "p", "seeds", "clusters", "outcome"),
    [
        ((0.01, 0.03), 0.001, 3, 48, "better"),
        ((-0.03, -0.01), 0.001, 3, 48, "worse"),
        ((0.01, 0.03), 0.06, 3, 48, "no worse"),  # interval and corrected p disagree
        ((-0.03, -0.01), 0.06, 3, 48, "undecided"),
        ((-0.004, 0.02), 0.5, 3, 48, "no worse"),
        ((-0.004, 0.005), 0.5, 3, 48, "equal within"),
        ((-0.02, 0.02), 0.5, 3, 48, "undecided"),
        ((0.01, 0.03), 0.001, 1, 48, "one training"),
        ((0.01, 0.03), 0.001, 2, 48, "two trainings"),
        ((0.01, 0.03), 0.001, None, 48, "better"),  # nothing was trained: no chance of it
        ((0.01, 0.03), 0.001, 3, 4, "no interval"),
        ((None, None), None, 3, 48, "no interval"),
    ],
)
def test_each_outcome_by_hand(
    interval: tuple[float | None, float | None],
    p: float | None,
    seeds: int | None,
    clusters: int,
    outcome: str,
) -> None:
    assert decide(Difference(0.0, *interval, p, seeds, clusters), RULE) == outcome


@given(UNIT, st.floats(0, 0.05), st.floats(0, 1), st.sampled_from([None, 1, 2, 3, 9]),
       st.integers(0, 60))  # fmt: skip
def test_nothing_beats_without_three_trainings_an_interval_and_a_corrected_p(
    value: float, reach: float, p: float, seeds: int | None, clusters: int
) -> None:
    found = Difference(value, value - reach, value + reach, p, seeds, clusters)
    outcome = decide(found, RULE)
    assert outcome in get_args(Outcome)
    if outcome in ("better", "worse"):
        assert seeds is None or seeds > 2
        assert clusters >= 5
        assert p <= 0.05
        assert value - reach > 0 or value + reach < 0
    if outcome == "equal within":
        assert -0.005 <= value - reach <= value + reach <= 0.005
    said = sentence(outcome, found, RULE, ("hybrid", "mono"), "AP")
    assert ("beats" in said) == (outcome == "better")
    assert ("loses" in said) == (outcome == "worse")


@given(UNIT, st.floats(0, 0.05), st.floats(0, 1), st.sampled_from([None, 1, 2, 3]))
def test_the_reverse_contrast_has_the_reverse_outcome(
    value: float, reach: float, p: float, seeds: int | None
) -> None:
    both = [Difference(v, v - reach, v + reach, p, seeds, 48) for v in (value, -value)]
    one, other = (decide(found, RULE) for found in both)
    turned = {"better": "worse", "worse": "better"}
    if one in ("no worse", "undecided"):  # no better than is not said
        assert other in ("no worse", "undecided")
    else:
        assert other == turned.get(one, one)
    if one in turned:  # what one loses by, with its interval, is what the other wins by
        names = (("hybrid", "mono"), ("mono", "hybrid"))
        said = [
            sentence(o, f, RULE, n, "AP") for o, f, n in zip((one, other), both, names, strict=True)
        ]
        assert said[0].split(" by ")[1] == said[1].split(" by ")[1]


def test_sentences_by_hand() -> None:
    three = (3, 48)
    names = ("hybrid", "mono")
    for low, high, p, said in (
        (0.008, 0.016, 0.001, "hybrid beats mono by 1.2 points of AP [0.8, 1.6]"),
        (
            0.001, 0.004, 0.001,
            "hybrid beats mono by 0.2 points of AP [0.1, 0.4], which is within 0.5 points of none",
        ),
        (-0.016, -0.008, 0.001, "hybrid loses to mono by 1.2 points of AP [0.8, 1.6]"),
        (
            -0.002, 0.004, 0.5,
            "hybrid and mono are equal within 0.5 points of AP: +0.1 [-0.2, 0.4]",
        ),
        (-0.002, 0.012, 0.5, "hybrid is no worse than mono by 0.5 points of AP: +0.5 [-0.2, 1.2]"),
        (-0.02, 0.02, 0.5, "hybrid - mono, AP: +0.0 [-2.0, 2.0] points, undecided"),
    ):  # fmt: skip
        found = Difference((low + high) / 2, low, high, p, *three)
        assert sentence(decide(found, RULE), found, RULE, names, "AP") == said


def _row(setting: str, outcome: str, seeds: int | None, **more: object) -> dict[str, object]:
    return {
        "dataset": "d", "kind": "setting", "setting": setting, "measure": "AP", "first": "hybrid",
        "second": "mono", "difference": 0.012, "low": 0.008, "high": 0.016, "p_corrected": 0.001,
        "seeds": seeds, "clusters": 48, "outcome": outcome,
    } | more  # fmt: skip


def test_with_one_training_the_first_line_says_so_and_nothing_beats() -> None:
    rows = pl.DataFrame([_row("mono", "one training", 1), _row("cross", "one training", 1)])
    assert headlines(rows, RULE, 1) == [
        "One training: intervals do not include chance of training.",
        "On d, hybrid - mono in points of AP: +1.2 monolingual [0.8, 1.6], +1.2 cross-lingual"
        " [0.8, 1.6] (one training: nothing is decided).",
    ]
    assert decided(rows, "mono") == set()


def test_chance_of_training_is_said_where_no_contrast_of_trained_rows_is_declared() -> None:
    untrained = pl.DataFrame([_row("mono", "better", None)])
    said = "One training: intervals do not include chance of training."
    assert headlines(untrained.clear(), RULE, 1) == [said]
    assert headlines(untrained, RULE, 1)[0] == said
    assert headlines(untrained, RULE, 2)[0].startswith("Two trainings: ")
    for seeds in (3, None):
        assert headlines(untrained.clear(), RULE, seeds) == []
        assert headlines(untrained, RULE, seeds)[0].startswith("On d, hybrid beats mono")


def test_bold_is_what_the_headline_says() -> None:
    rows = pl.DataFrame([_row("mono", "undecided", 3), _row("cross", "better", 3)])
    assert decided(rows, "mono") == {("hybrid", "d", "cross")}
    assert decided(rows, "hybrid") == {("mono", "d", "cross")}
    (line,) = headlines(rows, RULE, 3)
    assert line == (
        "On d, hybrid - mono, monolingual AP: +1.2 [0.8, 1.6] points, undecided;"
        " hybrid beats mono by 1.2 points of cross-lingual AP [0.8, 1.6]."
    )
