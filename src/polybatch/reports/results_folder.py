"""A study's folder as the stages leave it: params.yaml, data, results. Read only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from polybatch.dataset import Dataset, read_dataset, read_notes, read_table
from polybatch.errors import InputError
from polybatch.evaluation.scores import SCORES
from polybatch.reports.comparison import refuse_different_queries, refuse_different_revisions
from polybatch.retrieval.index import EncodedQueries, Index, load_index, load_queries
from polybatch.settings.config import Config
from polybatch.settings.load import load
from polybatch.settings.study import Trial
from polybatch.statistics.seeds import mean_scores


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

    def scores(self, strategy: str) -> pl.DataFrame:
        """Return a strategy's scores (evaluation.SCORES), averaged over the study's seeds."""
        trials = self.config.trials_of(self.strategy(strategy))
        found = {str(trial): read_table(self._scores(trial), SCORES) for trial in trials}
        refuse_different_queries(found, str(trials[0]))
        return mean_scores(list(found.values()))

    def revisions(self, strategy: str) -> dict[str, str]:
        """Return {dataset: the revision that the strategy was scored on}.

        Raises:
            InputErrorList: its seeds were scored on different revisions.
        """
        trials = self.config.trials_of(self.strategy(strategy))
        found = {str(trial): read_notes(self._scores(trial)) for trial in trials}
        refuse_different_revisions(found, str(trials[0]))
        return found[str(trials[0])]

    def dataset(self, name: str) -> Dataset:
        """Return an evaluation dataset with its texts."""
        return read_dataset(self.folder / "data" / "valid" / name)

    def vectors(
        self, strategy: str, dataset: str, seed: int | None = None
    ) -> tuple[EncodedQueries, Index]:
        """Return the vectors of a dataset's queries and documents under a strategy.

        Of several seeds, the first one's unless `seed` names another.
        """
        trial = Trial(strategy, self.config.study.seeds[0] if seed is None else seed)
        folder = self.folder / "data" / "index" / trial.path / dataset
        return load_queries(folder), load_index(folder)

    def _scores(self, trial: Trial) -> Path:
        return self.folder / "results" / "scores" / f"{trial.path}.parquet"


def _chosen(what: str, name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise InputError(what, f"'{name}'", f"one of {', '.join(known)}", "Choose one")
    return name
