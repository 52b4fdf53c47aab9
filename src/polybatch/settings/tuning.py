"""The section `tuning` of params.yaml: which settings are tried, and how often.

Every strategy of the study is tuned: each gets the same number of trials, scored on held-out
articles of its own training data. A study without this section tunes nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

from pydantic.dataclasses import dataclass

from polybatch.settings.training import Temperature
from polybatch.settings.types import EXACT, UNIQUE, Count, Rate, Share, in_range

Rates = Annotated[tuple[Rate, ...], *UNIQUE]
Shares = Annotated[tuple[Share, ...], *UNIQUE]
Counts = Annotated[tuple[Count, ...], *UNIQUE]
Temperatures = Annotated[tuple[Temperature, ...], *UNIQUE]

Space = dict[str, tuple[float, ...]]
"""What is tried of each setting."""


@dataclass(frozen=True, config=EXACT)
class TrainingSpace:
    """Values to try of the section `training`; a setting without any stays as it is there."""

    learning_rate: Rates | None = None
    rows_learning_rate: Rates | None = None
    temperature: Temperatures | None = None
    warmup_share: Shares | None = None


@dataclass(frozen=True, config=EXACT)
class AdaptationSpace:
    """Values to try of the section `dapt`; a setting without any stays as it is there."""

    steps: Counts | None = None
    learning_rate: Rates | None = None
    rows_learning_rate: Rates | None = None
    temperature: Temperatures | None = None


@dataclass(frozen=True, config=EXACT)
class TuningSettings:
    """A search: how many trials each strategy gets, of which values.

    `seed`: of the order in which settings are tried; trainings have the study's first seed.
    `curve`: numbers of steps with which the chosen settings are trained anew, for all strategies.
    `adaptation`: tried once, before the strategies that start from it. `cross_ratio`: of
    strategies that mix batches.
    """

    trials: Annotated[int, in_range(1, 1000)]
    seed: Annotated[int, in_range(0, 2**32 - 1)]
    curve: Counts
    training: TrainingSpace
    adaptation: AdaptationSpace | None = None
    cross_ratio: Shares | None = None


def space_of(settings: TrainingSpace | AdaptationSpace) -> Space:
    """Return the settings that have values to try.

    Example:
        >>> space_of(TrainingSpace(learning_rate=(1e-4, 2e-4)))
        {'learning_rate': (0.0001, 0.0002)}
    """
    return {key: value for key, value in dataclasses.asdict(settings).items() if value is not None}
