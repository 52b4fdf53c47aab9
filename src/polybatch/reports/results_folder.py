"""A study's folder as the stages leave it: params.yaml, data, results. Read only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from polybatch.core.dataset import Dataset, read_dataset, read_notes, read_table
from polybatch.core.errors import InputError
from polybatch.core.json_files import read_json
from polybatch.evaluation.fidelity import FIDELITY
from polybatch.evaluation.language_bias import Bias
from polybatch.evaluation.scores import SCORES
from polybatch.reports.comparison import refuse_different_queries, refuse_different_revisions
from polybatch.settings.config import Config
from polybatch.settings.load import load
from polybatch.settings.strategies import Strategy
from polybatch.statistics.arms import ArmKind
from polybatch.statistics.clusters import Clusters, Pool, clusters_of, pool_of
from polybatch.statistics.contrasts import CONTRASTS
from polybatch.statistics.decisions import Rule
from polybatch.statistics.seeds import mean_numbers, mean_scores
from polybatch.validation.summary import DatasetSummary, read_summaries


@dataclass(frozen=True)
class Study:
    """What the stages wrote below `folder`. A file that is missing is an InputError."""

    folder: Path

    @cached_property
    def config(self) -> Config:
        """The checked params.yaml."""
        return load(self.folder / "params.yaml")

    def strategy(self, name: str) -> str:
        """Return the name of a strategy of this study, or refuse another."""
        return _chosen("strategy", name, list(self.config.arms))

    def dataset_name(self, name: str) -> str:
        """Return the name of an evaluation dataset of this study, or refuse another."""
        return _chosen("--dataset", name, list(self.config.used_for("evaluate")))

    @property
    def rule(self) -> Rule:
        """When a difference counts as decided."""
        settings = self.config.statistics
        return Rule(settings.smallest_difference / 100, settings.confidence)

    @cached_property
    def kinds(self) -> dict[str, ArmKind]:
        """The rows of the tables, in their order."""
        return {name: self._kind(name) for name in self.config.arms}

    def _kind(self, name: str) -> ArmKind:
        """Return what chance and which plan are in a row, by the strategies it is made of."""
        made_of = self.made_of(name).values()
        plans = {f"{one.batches} {one.cross_ratio}" for one in made_of if one.batches != "none"}
        trained = any(one.batches != "none" or one.start != "base" for one in made_of)
        trials = [str(trial.path) for trial in self.config.trials_of(name)]
        plan = plans.pop() if len(plans) == 1 else None
        derived = not isinstance(self.config.arms[name].settings, Strategy)
        return ArmKind(tuple(trials if trained else trials[:1]), trained, plan, derived)

    def made_of(self, name: str) -> dict[str, Strategy]:
        """Return the strategies that a row is made of, itself if it is one."""
        arm = self.config.arms[name]
        if isinstance(arm.settings, Strategy):
            return {name: arm.settings}
        return {key: one for part in arm.parts for key, one in self.made_of(part).items()}

    @property
    def trained_languages(self) -> set[str]:
        """The languages of all training data."""
        return {lang for data in self.config.used_for("train").values() for lang in data.languages}

    @cached_property
    def clusters(self) -> dict[str, Clusters]:
        """What questions of each evaluation dataset have in common."""
        return {name: clusters_of(found) for name, found in self._searched.items()}

    @cached_property
    def pools(self) -> dict[str, Pool]:
        """What each evaluation dataset's questions are searched in."""
        return {name: pool_of(found) for name, found in self._searched.items()}

    @cached_property
    def _searched(self) -> dict[str, Dataset]:
        return {name: self.dataset(name) for name in self.config.used_for("evaluate")}

    def json(self, *parts: str) -> Any:
        """Return a JSON file below results."""
        return read_json((self.folder / "results").joinpath(*parts))

    def by_seed(self, folder: str, name: str) -> list[Any]:
        """Return a row's JSON files below results/<folder>, one per training."""
        return [self.json(folder, f"{trial}.json") for trial in self.kinds[name].trials]

    @cached_property
    def validation(self) -> dict[str, DatasetSummary]:
        """Of each dataset what validation found."""
        return read_summaries(self.folder / "results" / "validation.json")

    @cached_property
    def bias(self) -> dict[str, dict[str, Bias]]:
        """Of each row and dataset what results/bias holds, averaged over trainings."""
        means = {name: mean_numbers(self.by_seed("bias", name)) for name in self.kinds}
        return {
            name: {dataset: Bias(**found) for dataset, found in datasets.items()}
            for name, datasets in means.items()
        }

    def trial_bias(self, trial: str) -> dict[str, Bias]:
        """Return what results/bias holds of each dataset of a trial, such as `hybrid/0`."""
        return {name: Bias(**found) for name, found in self.json("bias", f"{trial}.json").items()}

    @property
    def contrasts(self) -> pl.DataFrame:
        """What compare wrote of the declared contrasts (CONTRASTS), empty before it ran."""
        path = self.folder / "results" / "contrasts.csv"
        if not path.is_file():
            return CONTRASTS.to_frame()
        found = pl.read_csv(path, schema_overrides=CONTRASTS)  # an earlier one may lack columns
        return found.match_to_schema(CONTRASTS, missing_columns="insert")

    @property
    def fidelity(self) -> pl.DataFrame:
        """What the approximate index loses (FIDELITY), empty where search is exact."""
        path = self.folder / "results" / "index.csv"
        return pl.read_csv(path, schema=FIDELITY) if path.is_file() else FIDELITY.to_frame()

    def trial_scores(self, trial: str) -> pl.DataFrame:
        """Return the scores (evaluation.SCORES) of a trial, such as `hybrid/0`."""
        return read_table(self._scores(trial), SCORES)

    def scores(self, strategy: str) -> pl.DataFrame:
        """Return a strategy's scores (evaluation.SCORES), averaged over the study's seeds."""
        found = {
            trial: self.trial_scores(trial) for trial in self.kinds[self.strategy(strategy)].trials
        }
        refuse_different_queries(found, next(iter(found)))
        return mean_scores(list(found.values()))

    def scored_rows(self, *first: str) -> list[str]:
        """Return these rows, then the others whose trainings all have scores."""
        others = [
            name
            for name, kind in self.kinds.items()
            if name not in first and all(self._scores(trial).is_file() for trial in kind.trials)
        ]
        return [*first, *others]

    def same_revisions(self, names: Sequence[str]) -> dict[str, str]:
        """Return {dataset: the revision that these rows were scored on}.

        Raises:
            InputErrorList: some were scored on different revisions.
        """
        trials = [trial for name in names for trial in self.kinds[self.strategy(name)].trials]
        found = {trial: read_notes(self._scores(trial)) for trial in trials}
        refuse_different_revisions(found, trials[0])
        return found[trials[0]]

    def dataset(self, name: str) -> Dataset:
        """Return an evaluation dataset with its texts."""
        return read_dataset(self.folder / "data" / "valid" / name)

    def index(self, strategy: str) -> Path:
        """Return the folder that a row is scored from, of the first of its seeds."""
        return self.folder / "data" / "index" / self.config.trials_of(strategy)[0].path

    def _scores(self, trial: str) -> Path:
        return self.folder / "results" / "scores" / f"{trial}.parquet"


def _chosen(what: str, name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise InputError(what, f"'{name}'", f"one of {', '.join(known)}", "Choose one")
    return name
