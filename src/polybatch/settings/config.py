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
from polybatch.settings.index import IndexSettings
from polybatch.settings.statistics import StatisticsSettings
from polybatch.settings.strategies import (
    ARM_SECTIONS,
    Arm,
    Centred,
    External,
    Fusion,
    Lexical,
    Merge,
    Strategy,
)
from polybatch.settings.study import StudySettings, Trial
from polybatch.settings.training import TrainingSettings
from polybatch.settings.tuning import TuningSettings

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
    merges: dict[str, Merge]
    centred: dict[str, Centred]
    lexical: dict[str, Lexical]
    fusions: dict[str, Fusion]
    external: dict[str, External]
    flow: FlowSettings
    schedule: ScheduleSettings
    notify: NotifySettings
    dapt: AdaptationSettings | None = None
    tuning: TuningSettings | None = None
    index: IndexSettings | None = None

    def used_for(self, use: Literal["train", "evaluate", "text"]) -> dict[str, DatasetSettings]:
        """Return the datasets of one use, in the order of the file."""
        return {name: dataset for name, dataset in self.datasets.items() if dataset.use == use}

    @property
    def arms(self) -> dict[str, Arm]:
        """All rows of the tables, by name: strategies, merges, ... in the order of the file."""
        return {
            name: Arm(section, settings)
            for section in ARM_SECTIONS
            for name, settings in getattr(self, section).items()
        }

    @property
    def trials(self) -> list[Trial]:
        """Every arm with each of its seeds, in the order of `arms`."""
        return [trial for name in self.arms for trial in self.trials_of(name)]

    def trials_of(self, arm: str) -> list[Trial]:
        """Return one arm with each of its seeds; of one that has none, with the study's first."""
        seeds = self.study.seeds if self.arms[arm].seeded else self.study.seeds[:1]
        return [Trial(arm, seed) for seed in seeds]

    def parts_of(self, trial: Trial) -> tuple[Trial, ...]:
        """Return what a trial is made of: its arm's parts, with its seed if they have seeds."""
        found = [self.trials_of(part) for part in self.arms[trial.strategy].parts]
        return tuple(
            next((one for one in trials if one.seed == trial.seed), trials[0]) for trials in found
        )

    def training_of(self, strategy: str) -> TrainingSettings:
        """Return the training settings of a strategy: the section's, and its own changes."""
        return self.training.changed(self.strategies[strategy].training)

    @property
    def adaptation(self) -> AdaptationSettings | None:
        """The section `dapt`, None where no strategy starts from it: nothing is adapted then."""
        starts = {strategy.start for strategy in self.strategies.values()}
        return self.dapt if "dapt" in starts else None

    @property
    def approximate(self) -> IndexSettings | None:
        """The section `index`, None where documents are searched exactly."""
        return self.index if self.index and self.index.kind != "flat" else None

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
