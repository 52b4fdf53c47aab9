"""What trials say: the best settings, how far more trials would bring one, how many steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from polybatch.core.errors import InputError
from polybatch.settings.tuned import CurvePoint, TunedArm, TunedTrial


def expected_best(scores: Sequence[float]) -> list[float]:
    """Return the expected best score of 1, 2, ... trials, up to as many as there are.

    Of n trials drawn with replacement from these N: the i-th least score is the best with
    probability (i/N)^n - ((i-1)/N)^n (Dodge et al. 2019, arXiv 1909.03004).

    Example:
        >>> expected_best([0.2, 0.4])  # of two trials, three times of four one is the better
        [0.3, 0.35]
    """
    ordered, count = np.sort(np.asarray(scores, np.float64)), len(scores)
    below = np.arange(count + 1) / count
    return [round(float(np.diff(below**trials) @ ordered), 12) for trials in range(1, count + 1)]


def edges(values: Mapping[str, float], tried: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    """Return the settings whose value is the least or greatest of several that were tried.

    A value that was listed and that no trial had was not tried.

    Example:
        >>> edges({"temperature": 0.05, "rate": 1}, [{"temperature": 0.03, "rate": 1}])
        ('temperature',)
    """
    known = {key: {value, *(each[key] for each in tried)} for key, value in values.items()}
    return tuple(
        key
        for key, found in known.items()
        if len(found) > 1 and values[key] in (min(found), max(found))
    )


def chosen(trials: Sequence[TunedTrial], curve: Sequence[CurvePoint] = ()) -> TunedArm:
    """Return a strategy's trials with the best of them chosen, the first of equal ones.

    One that failed is never chosen; InputError where all of them did.

    Example:
        >>> trials = [TunedTrial({"temperature": each}, 0.4) for each in (0.03, 0.05)]
        >>> arm = chosen(trials)
        >>> arm.values, arm.edges
        ({'temperature': 0.03}, ('temperature',))
    """
    scored = [(trial.score, trial.values) for trial in trials if trial.score is not None]
    if not scored:
        raise InputError(
            "tuning",
            f"no score, as each of {len(trials)} trials ended with a loss that is not finite",
            "at least one of a strategy, and of the adaptation",
            "List lower learning rates",
        )
    score, values = max(scored, key=lambda pair: pair[0])
    found = edges(values, [trial.values for trial in trials])
    return TunedArm(values, score, found, tuple(trials), tuple(curve))


def fewest_steps(curves: Sequence[Sequence[CurvePoint]], margin: float) -> int:
    """Return the fewest steps whose mean score over strategies is within `margin` of the best.

    Of those with which no strategy's training failed; InputError where there are none.

    Example:
        >>> points = [CurvePoint(50, 0.40), CurvePoint(100, 0.46), CurvePoint(200, 0.464)]
        >>> fewest_steps([points], margin=0.005)
        100
    """
    scores: dict[int, list[float]] = {}
    for curve in curves:
        for point in curve:
            scores.setdefault(point.steps, []).append(point.score)
    means = {
        steps: float(np.mean(each)) for steps, each in scores.items() if len(each) == len(curves)
    }
    if not means:
        raise InputError(
            "tuning.curve",
            "no number of steps with which the loss of every strategy stayed finite",
            "one at least",
            "List lower learning rates, or fewer steps",
        )
    best = max(means.values())
    return min(steps for steps, mean in means.items() if mean >= best - margin)
