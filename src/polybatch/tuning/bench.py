"""One trial: adapt or train with some settings, then score on the held-out articles.

The only thing kept of a trial is its record, a small file named by a digest of all that decides
the score. A trial with a record is not run again; a training that was killed goes on from its last
checkpoint. One whose loss is no longer finite has a record, too, which says so in place of scores.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import polars as pl

from polybatch.adaptation.corpus import domain_text
from polybatch.batches.plan import plan_batches, plan_texts
from polybatch.core.dataset import Dataset, read_dataset
from polybatch.core.errors import DivergedError, InputError
from polybatch.core.files import sha256_of_folder, whole_folder, write_json
from polybatch.core.processes import alone
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.encode import Side, encode_with_settings
from polybatch.encoders.light import Encoder
from polybatch.evaluation.scores import evaluate
from polybatch.settings.adaptation import AdaptationSettings
from polybatch.settings.batches import BatchSettings
from polybatch.settings.config import Config
from polybatch.settings.deciding import deciding
from polybatch.settings.strategies import Strategy
from polybatch.settings.training import TrainingSettings
from polybatch.training.contrastive import Plan, train
from polybatch.training.machine import device, make_deterministic
from polybatch.versions.record import VERSIONS, read_versions

log = logging.getLogger("polybatch")

_STAGES = ("batches", "dapt", "train", "index", "evaluate")  # whose results trials hold


@dataclass(frozen=True)
class Training:
    """A trial that trains a strategy. `budgets`: the steps of all trainings of the study, since
    plans of fewer steps are the beginnings of longer ones; `adaptation`: of the encoder that it
    starts from, None for the base.
    """

    name: str
    strategy: Strategy
    training: TrainingSettings
    steps: int
    budgets: tuple[int, ...]
    adaptation: AdaptationSettings | None


Trial = Training | AdaptationSettings
"""A trial trains a strategy, or adapts the encoder."""


@dataclass(frozen=True)
class Bench:
    """What all trials of a study share. `folder`: the study's, with data and the base encoder."""

    folder: Path
    config: Config

    @cached_property
    def base(self) -> Path:
        """The checkpoint of the encoder as it comes."""
        return self.folder / "models" / "start" / "base"

    @cached_property
    def work(self) -> Path:
        """Where checkpoints of running trials stand, and of the adapted encoder."""
        return self.folder / "models" / ".resume" / "tuning"

    @cached_property
    def trained(self) -> list[Dataset]:
        """The training datasets."""
        return [self._dataset(name) for name in self.config.used_for("train")]

    @cached_property
    def heldout(self) -> list[Dataset]:
        """The held-out articles."""
        return [self._dataset(name) for name in self.config.used_for("evaluate")]

    @cached_property
    def adapted_on(self) -> list[Dataset]:
        """The datasets whose documents the encoder is adapted to."""
        return [self._dataset(name) for name in self.config.dapt.texts] if self.config.dapt else []

    @property
    def seed(self) -> int:
        """The seed of every training."""
        return self.config.study.seeds[0]

    def _dataset(self, name: str) -> Dataset:
        return read_dataset(self.folder / "data" / "valid" / name)

    @cached_property
    def _shared(self) -> dict[str, Any]:
        """Whatever decides the scores of all trials: data, encoder, code, machine settings."""
        numbers = read_versions(self.folder / VERSIONS).numbers
        texts = self.config.dapt.texts if self.config.adaptation and self.config.dapt else ()
        used = (*self.config.used_for("train"), *self.config.used_for("evaluate"), *texts)
        names = dict.fromkeys(used)
        data = {name: sha256_of_folder(self.folder / "data" / "valid" / name) for name in names}
        return {
            "versions": {stage: numbers[stage] for stage in _STAGES},
            "data": data,
            "base": sha256_of_folder(self.base),
            "encoder": dataclasses.asdict(self.config.encoder),
            "measure": self.config.evaluation.headline,
            "seed": self.seed,
            "threads": self.config.study.threads,
        }

    def _digest(self, key: Mapping[str, Any]) -> str:
        text = json.dumps({**self._shared, **key}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def clear(self) -> None:
        """Remove the checkpoints of a search that is done; records stay."""
        shutil.rmtree(self.work, ignore_errors=True)

    def as_it_comes(self) -> float:
        """Return the score of the encoder that nothing is trained of.

        Raises:
            InputError: its vectors are not finite.
        """
        score = self._score("zero-shot", {}, lambda _: open_checkpoint(self.base))
        if score is None:
            found = "vectors that are not finite, before any training"
            raise InputError("encoder.name", found, "finite numbers", "Take another encoder")
        return score

    def scores(self, trials: Sequence[Trial]) -> list[float | None]:
        """Return the score of each trial, None of one that failed (its loss was not finite).

        Those without a record are made, `study.workers` at a time.

        Alone or beside others a trial gives the same score: each has `study.threads` threads.
        """
        left = {
            f"{number}/{len(trials)}": trial
            for number, trial in enumerate(trials, 1)
            if not self._record(*self._named(trial)).is_file()
        }
        for trial in left.values():
            if isinstance(trial, Training) and trial.adaptation:
                self._adapted_checkpoint(trial.adaptation)  # before two trials need it
        workers, level = min(self.config.study.workers, len(left)) or 1, log.getEffectiveLevel()
        joblib.Parallel(workers)(
            joblib.delayed(_make)(self.folder, self.config, trial, name * (workers > 1), level)
            for name, trial in left.items()
        )
        return [self._score(*self._named(trial), self._work(trial)) for trial in trials]

    def make(self, trial: Trial) -> None:
        """Make one trial, and its record."""
        self._score(*self._named(trial), self._work(trial))

    def _named(self, trial: Trial) -> tuple[str, dict[str, Any]]:
        """Return the name of a trial's strategy and all that decides its score."""
        if isinstance(trial, AdaptationSettings):
            return "dapt", {"adaptation": deciding(trial)}
        return trial.name, {
            "batches": dataclasses.asdict(self._batches(trial)),
            "budgets": list(trial.budgets),
            "kind": [trial.strategy.batches, trial.strategy.cross_ratio],
            "training": deciding(trial.training),
            "adaptation": deciding(trial.adaptation) if trial.adaptation else None,
        }

    def _batches(self, trial: Training) -> BatchSettings:
        return dataclasses.replace(self.config.batches_of(trial.name), steps=trial.steps)

    def _work(self, trial: Trial) -> Callable[[Path], Encoder]:
        if isinstance(trial, AdaptationSettings):
            return lambda place: self._adapt(trial, place)
        return lambda place: self._train(trial, place)

    def _train(self, trial: Training, place: Path) -> Encoder:
        start = self._adapted_checkpoint(trial.adaptation) if trial.adaptation else self.base
        batches = self._batches(trial)
        named = trial.name, trial.strategy, batches, self.seed, trial.budgets
        texts = plan_texts(plan_batches(self.trained, *named).table, self.trained)
        make_deterministic(self.seed, self.config.study.threads)
        encoder = open_checkpoint(start)
        followed = Plan(trial.name, texts, batches.batch_pairs)
        places = place / "resume", place / "curves"
        train(encoder, followed, trial.training, self.config.encoder, self.seed, *places)
        return encoder

    def _record(self, name: str, key: Mapping[str, Any]) -> Path:
        trials = self.folder / "results" / "tuning" / "trials"
        return trials / name / f"{self._digest(key)}.json"

    def _score(
        self, name: str, key: Mapping[str, Any], work: Callable[[Path], Encoder]
    ) -> float | None:
        """Return the score on record of what `key` decides, or do the work and record it."""
        path = self._record(name, key)
        if not path.is_file():
            place = self.work / f"{name}-{path.stem}"
            with alone(self.work / f"{place.name}.lock"):  # a killed search's trial may go on
                if not path.is_file():
                    write_json(path, self._outcome(work, place) | {"settings": dict(key)})
                    shutil.rmtree(place, ignore_errors=True)
        scores = json.loads(path.read_text(encoding="utf-8"))["scores"]
        if scores is None:
            return None
        return float(np.mean([np.mean(list(each.values())) for each in scores.values()]))

    def _outcome(self, work: Callable[[Path], Encoder], place: Path) -> dict[str, Any]:
        """Do a trial's work and return its scores, or None and why it failed."""
        try:
            return {"scores": self._scores(work(place))}
        except DivergedError as error:
            log.warning("a trial failed: %s", error)
            return {"scores": None, "failed": str(error)}

    def _scores(self, encoder: Encoder) -> dict[str, dict[str, float]]:
        """Return {dataset: {setting: score}} of the headline measure."""
        make_deterministic(self.seed, self.config.study.threads)
        encoder.to(device())
        settings, measure = self.config.encoder, self.config.evaluation.headline
        found = {}
        for dataset in self.heldout:
            tables: tuple[tuple[pl.DataFrame, Side], ...] = (
                (dataset.queries, "query"),
                (dataset.corpus, "document"),
            )
            query, document = (
                encode_with_settings(encoder, settings, table["text"].to_list(), side)
                for table, side in tables
            )
            summary = evaluate(dataset, query, document, [measure]).summary[dataset.name]
            found[dataset.name] = {name: values[measure] for name, values in summary.items()}
        return found

    def _adapt(self, settings: AdaptationSettings, work: Path) -> Encoder:
        # Imported here: a study that adapts nothing should not wait for these libraries.
        from polybatch.adaptation.adapt import adapt
        from polybatch.adaptation.job import Job

        make_deterministic(self.seed, self.config.study.threads)
        encoder = open_checkpoint(self.base)
        texts = domain_text(self.adapted_on, self.heldout, settings)
        places = work / "resume", work / "curves"
        adapt(Job(encoder, texts, settings, self.config.encoder, self.seed, *places))
        return encoder

    def _adapted_checkpoint(self, settings: AdaptationSettings) -> Path:
        """Return the adapted encoder's folder, made where it is not there yet."""
        folder = self.work / f"adapted-{self._digest({'adaptation': deciding(settings)})}"
        if not folder.is_dir():
            encoder = self._adapt(settings, self.work / f"{folder.name}-work")
            with whole_folder(folder) as place:
                save_checkpoint(encoder, place)
        return folder


def _make(folder: Path, config: Config, trial: Trial, name: str, level: int) -> None:
    """Make a trial; `name`: of one in a process of its own, which stands before every line."""
    if name:
        lines = f"{name}: %(message)s"
        logging.basicConfig(level=logging.WARNING, format=lines, stream=sys.stdout, force=True)
        log.setLevel(level)
    Bench(folder, config).make(trial)
