"""A whole study: all sections of params.yaml together."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from polybatch.settings.adaptation import AdaptationSettings
from polybatch.settings.batches import BatchSettings
from polybatch.settings.data import DatasetSettings, SourceSettings, ValidationSettings
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.evaluation import EvaluationSettings
from polybatch.settings.flow import FlowSettings, NotifySettings, ScheduleSettings
from polybatch.settings.statistics import StatisticsSettings
from polybatch.settings.strategies import Strategy
from polybatch.settings.study import StudySettings, Trial
from polybatch.settings.training import TrainingSettings

_ROWS = Field(min_length=1)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Config:
    """A whole study: params.yaml, checked. No section `dapt` is the same as `dapt: null`."""

    study: StudySettings
    sources: Annotated[dict[str, SourceSettings], _ROWS]
    datasets: Annotated[dict[str, DatasetSettings], _ROWS]
    validation: ValidationSettings
    encoder: EncoderSettings
    batches: BatchSettings
    training: TrainingSettings
    evaluation: EvaluationSettings
    statistics: StatisticsSettings
    strategies: Annotated[dict[str, Strategy], _ROWS]
    flow: FlowSettings
    schedule: ScheduleSettings
    notify: NotifySettings
    dapt: AdaptationSettings | None = None

    def used_for(self, use: Literal["train", "evaluate", "text"]) -> dict[str, DatasetSettings]:
        """Return the datasets of one use, in the order of the file."""
        return {name: dataset for name, dataset in self.datasets.items() if dataset.use == use}

    @property
    def trials(self) -> list[Trial]:
        """Every strategy with every seed, in the order of the file."""
        return [trial for name in self.strategies for trial in self.trials_of(name)]

    def trials_of(self, strategy: str) -> list[Trial]:
        """Return one strategy with every seed."""
        return [Trial(strategy, seed) for seed in self.study.seeds]

    @property
    def adaptation(self) -> AdaptationSettings | None:
        """The section `dapt`, None where no strategy starts from it: nothing is adapted then."""
        starts = {strategy.start for strategy in self.strategies.values()}
        return self.dapt if "dapt" in starts else None

    def batches_of(self, strategy: str) -> BatchSettings:
        """Return the batch settings of a strategy, with its own number of steps.

        That number differs from `batches.steps` where `match_budget` makes up for an adaptation.
        """
        start = self.strategies[strategy].start
        return dataclasses.replace(self.batches, steps=self.budgets[0 if start == "dapt" else -1])

    @property
    def budgets(self) -> tuple[int, ...]:
        """The numbers of steps that strategies of this study may have, the smallest first."""
        adapted = self.adaptation if self.batches.match_budget else None
        extra = adapted.steps if adapted else 0
        return tuple(sorted({self.batches.steps, self.batches.steps + extra}))
