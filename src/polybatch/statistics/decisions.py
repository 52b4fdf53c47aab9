"""The decision on a difference: one function that headlines, tables, `compare` and alerts use.

Equivalence is a claim of its own (Lakens 2017, doi 10.1177/1948550617697177): an interval that
holds 0 says that nothing was decided, not that nothing differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from polybatch.core.markdown import number, span
from polybatch.statistics.clusters import FEW, LEAST

Outcome = Literal[
    "better",
    "worse",
    "no worse",
    "equal within",
    "undecided",
    "one training",
    "two trainings",
    "no interval",
]
DECIDED: tuple[Outcome, ...] = ("better", "worse")

TRAININGS = 3
"""Of a trained strategy, below which nothing is decided."""

ONE_TRAINING = "one training: intervals do not include chance of training"
TWO_TRAININGS = "two trainings: intervals include chance of training, but decide nothing"
NO_INTERVAL = f"fewer than {LEAST} clusters of questions: no interval"
FEW_CLUSTERS = f"fewer than {FEW} clusters of questions: the interval is a rough one"


@dataclass(frozen=True)
class Rule:
    """`smallest`: the smallest difference that matters, in the unit of the scores ([0, 1])."""

    smallest: float
    confidence: float


def too_few(seeds: int | None) -> Outcome | None:
    """Return why so many trainings allow no decision, None where they do or nothing was trained.

    Example:
        >>> [too_few(seeds) for seeds in (None, 1, 2, 3)]
        [None, 'one training', 'two trainings', None]
    """
    if seeds is None or seeds >= TRAININGS:
        return None
    return "one training" if seeds == 1 else "two trainings"


@dataclass(frozen=True)
class Difference:
    """A difference with its interval, None where there is none, and p corrected for its family.

    `seeds`: the fewest trainings of the trained arms in it; None where nothing was trained.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None
    seeds: int | None
    clusters: int

    @property
    def trainings(self) -> Outcome | None:
        """Why the number of trainings allows no decision, None where it does."""
        return too_few(self.seeds)


def decide(found: Difference, rule: Rule) -> Outcome:
    """Return the decision on a difference.

    `better` and `worse` need the interval and the corrected p: where they disagree, neither is
    said.

    Example:
        >>> decide(Difference(0.02, 0.01, 0.03, 0.001, 3, 48), Rule(0.005, 0.95))
        'better'
        >>> decide(Difference(0.02, 0.01, 0.03, 0.06, 3, 48), Rule(0.005, 0.95))
        'no worse'
        >>> decide(Difference(0.02, 0.01, 0.03, 0.001, 1, 48), Rule(0.005, 0.95))
        'one training'
    """
    low, high = found.low, found.high
    if low is None or high is None or found.clusters < LEAST:
        return "no interval"
    if found.trainings:
        return found.trainings
    sure = found.p is not None and found.p <= 1 - rule.confidence
    if sure and low > 0:
        return "better"
    if sure and high < 0:
        return "worse"
    if low >= -rule.smallest:
        return "equal within" if high <= rule.smallest else "no worse"
    return "undecided"


def sentence(
    outcome: Outcome, found: Difference, rule: Rule, names: tuple[str, str], what: str
) -> str:
    """Return the sentence for an outcome, without a full stop.

    `names`: of the two arms, first minus second; `what`: of what they differ, such as
    `cross-lingual AP`.

    Example:
        >>> found = Difference(0.001, -0.002, 0.004, 0.6, 3, 48)
        >>> sentence("equal within", found, Rule(0.005, 0.95), ("hybrid", "mono"), "AP")
        'hybrid and mono are equal within 0.5 points of AP: +0.1 [-0.2, 0.4]'
    """
    first, second = names
    signed = f"{number(found.value, sign=True)}{_interval(found)}"
    margin = f"{100 * rule.smallest:g} points"
    if outcome in DECIDED:
        verb = "beats" if outcome == "better" else "loses to"
        low, high = sorted(abs(end or 0) for end in (found.low, found.high))
        small = f", which is within {margin} of none" if high <= rule.smallest else ""
        size = f"{number(abs(found.value))} points of {what} {span(low, high)}"
        return f"{first} {verb} {second} by {size}{small}"
    if outcome == "equal within":
        return f"{first} and {second} are equal within {margin} of {what}: {signed}"
    if outcome == "no worse":
        return f"{first} is no worse than {second} by {margin} of {what}: {signed}"
    head = f"{first} - {second}, {what}: {signed} points"
    if outcome == "undecided":
        return f"{head}, undecided"
    reasons = {
        "one training": ONE_TRAINING,
        "two trainings": TWO_TRAININGS,
        "no interval": NO_INTERVAL,
    }
    return f"{head} ({reasons[outcome]})"


def _interval(found: Difference) -> str:
    return "" if found.low is None else f" {span(found.low, found.high)}"
