"""A study's folder, ready to be searched: strategies are opened when they are first used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from polybatch.core.dataset import read_dataset
from polybatch.core.errors import InputError, did_you_mean
from polybatch.search.pool import Pool
from polybatch.search.rankers import (
    FusedScorer,
    LexicalScorer,
    Ranked,
    Ranker,
    Scorer,
    ScoreRanker,
    VectorRanker,
)
from polybatch.settings.config import Config
from polybatch.settings.load import load
from polybatch.settings.strategies import Fusion
from polybatch.settings.study import Trial

LONGEST = 2000
"""Characters of a query: far more than an encoder reads."""
MOST = 1000
"""Documents an answer."""


_Stamp = list[tuple[str, int, int, int]]


@dataclass(frozen=True)
class Request:
    """What is searched. `strategy`, `dataset`: None is the study's focus, and its first dataset.

    `languages`: of the documents; none named means all.
    """

    query: str
    strategy: str | None = None
    dataset: str | None = None
    languages: tuple[str, ...] = ()
    k: int = 10


@dataclass
class Searcher:
    """The study below `folder`, as the stages left it: what a run made again is opened again.

    While a run makes it, what was opened answers.
    """

    folder: Path
    _pools: dict[str, tuple[_Stamp, Pool]] = field(default_factory=dict)
    _rankers: dict[tuple[str, str], tuple[_Stamp, Pool, Ranker]] = field(default_factory=dict)

    @cached_property
    def config(self) -> Config:
        """The checked params.yaml."""
        return load(self.folder / "params.yaml")

    @property
    def datasets(self) -> list[str]:
        """The names of the datasets that can be searched."""
        return list(self.config.used_for("evaluate"))

    @property
    def strategies(self) -> list[str]:
        """The rows of params.yaml that any text can be searched with."""
        return [name for name in self.config.arms if self._takes_text(name)]

    @property
    def ready(self) -> list[str]:
        """Those of them whose index is there."""
        return [name for name in self.strategies if self._index(self._trial(name)).is_dir()]

    def search(self, request: Request) -> dict[str, Any]:
        """Return one answer; see `search_all`."""
        return self.search_all([request])[0]

    def search_all(self, requests: Sequence[Request]) -> list[dict[str, Any]]:
        """Return an answer to each request, those alike but for their query ranked together.

        An answer: `query`, `strategy`, `dataset`, `results` (documents with score and the same in
        other languages), `translations` of the query where the dataset has them.

        Raises:
            InputError: a query, strategy, dataset, language or k that cannot be searched.
        """
        checked = [self.checked(request) for request in requests]
        groups: dict[tuple[Any, ...], list[int]] = {}
        for place, one in enumerate(checked):
            key = (one.strategy, one.dataset, one.languages, one.k)
            groups.setdefault(key, []).append(place)
        answers: list[dict[str, Any]] = [{} for _ in requests]
        for (strategy, dataset, languages, k), places in groups.items():
            pool, ranker = self._opened(strategy, dataset)
            found = ranker.best([checked[place].query for place in places], languages, k)
            for place, ranked in zip(places, found, strict=True):
                answers[place] = _answer(checked[place], pool, ranked)
        return answers

    def checked(self, request: Request) -> Request:
        """Return a request with its defaults filled in; InputError if it cannot be searched."""
        query, k = request.query.strip(), request.k
        if not 0 < len(query) <= LONGEST:
            raise InputError(
                "query",
                f"{len(query):,} characters",
                f"1 to {LONGEST:,}",
                "Write a question" if not query else "Shorten it",
            )
        if not 0 < k <= MOST:
            raise InputError("k", str(k), f"1 to {MOST:,}", "Change the number")
        strategy = self.default_strategy if request.strategy is None else request.strategy
        _choose("strategy", strategy, self.strategies)
        dataset = self.dataset_name(request.dataset)
        pool = self.pool(dataset)
        pool.rows(request.languages)
        languages = tuple(sorted(set(request.languages)))
        return Request(query, strategy, dataset, languages, min(k, len(pool.doc_ids)))

    def dataset_name(self, name: str | None) -> str:
        """Return the name of a dataset that can be searched, the first if None is given."""
        chosen = self.datasets[0] if name is None else name
        _choose("dataset", chosen, self.datasets)
        return chosen

    @property
    def default_strategy(self) -> str:
        """The study's focus, where a text can be searched with it."""
        focus = self.config.study.focus
        return focus if focus in self.strategies else self.strategies[0]

    @property
    def first_ready(self) -> str:
        """The default strategy, if its index is there, else the first whose index is."""
        default, ready = self.default_strategy, self.ready
        return default if default in ready or not ready else ready[0]

    def pool(self, dataset: str) -> Pool:
        """Return the documents of a dataset."""
        folder = self.folder / "data" / "valid" / dataset
        stamp, held = _stamp(folder), self._pools.get(dataset)
        if held is None or stamp not in ([], held[0]):
            held = self._pools[dataset] = stamp, Pool(read_dataset(folder))
        return held[1]

    def ranker(self, strategy: str, dataset: str) -> Ranker:
        """Return what ranks a dataset's documents; its first seed is used."""
        return self._opened(strategy, dataset)[1]

    def _opened(self, strategy: str, dataset: str) -> tuple[Pool, Ranker]:
        """Return a ranker and the documents that it ranks."""
        key, trial = (strategy, dataset), self._trial(strategy)
        made_last = self._approximate(trial) or self._index(trial)
        stamp, held = _stamp(made_last, made_last / dataset), self._rankers.get(key)
        if held is None or stamp not in ([], held[0]):
            self._rankers.pop(key, None)  # so that two are never held
            pool = self.pool(dataset)
            scorer = self._scorer(pool, trial)
            ranker = scorer if isinstance(scorer, VectorRanker) else ScoreRanker(pool, scorer)
            held = self._rankers[key] = stamp, pool, ranker
        return held[1:]

    def _scorer(self, pool: Pool, trial: Trial) -> VectorRanker | LexicalScorer | FusedScorer:
        arm = self.config.arms[trial.strategy]
        if isinstance(arm.settings, Fusion):
            one, other = (self._part(pool, part) for part in self.config.parts_of(trial))
            return FusedScorer(pool, (one, other), arm.settings.constant)
        if arm.section == "lexical":
            return LexicalScorer(pool, self._index(trial))
        checkpoint = self.folder / "models" / trial.path
        place, fast = self._index(trial), self._approximate(trial)
        return VectorRanker.open(pool, checkpoint, place, self.config.encoder, fast)

    def _part(self, pool: Pool, trial: Trial) -> Scorer:
        """Return a part of a fusion: the opened checkpoint, if it is searched by itself too."""
        if (trial.strategy, pool.dataset.name) in self._rankers:
            known = self.ranker(trial.strategy, pool.dataset.name)
            if isinstance(known, VectorRanker):
                return known
        return self._scorer(pool, trial)

    def _approximate(self, trial: Trial) -> Path | None:
        used = self.config.approximate is not None and trial.strategy == self.config.study.focus
        return self.folder / "data" / "approximate" if used else None

    def _takes_text(self, name: str) -> bool:
        arm = self.config.arms[name]
        if arm.section == "fusions":
            return all(self._takes_text(part) for part in arm.parts)
        return arm.section in ("strategies", "merges", "lexical")

    def _trial(self, strategy: str) -> Trial:
        return self.config.trials_of(strategy)[0]

    def _index(self, trial: Trial) -> Path:
        return self.folder / "data" / "index" / trial.path


def _answer(request: Request, pool: Pool, ranked: Sequence[Ranked]) -> dict[str, Any]:
    return {
        "query": request.query,
        "strategy": request.strategy,
        "dataset": request.dataset,
        "translations": pool.translations(request.query),
        "results": [
            {
                **pool.document(one.row),
                "score": round(one.score, 6),
                "parallel": [pool.document(other) for other in pool.parallel(one.row)],
            }
            for one in ranked
        ],
    }


def _stamp(*folders: Path) -> _Stamp:
    """Return what tells files from those of the same name that were written later; [] of none."""
    found: list[tuple[str, int, int, int]] = []
    for folder in folders:
        with suppress(OSError), os.scandir(folder) as entries:  # not there: opening it says so
            for entry in entries:
                state = entry.stat()
                found.append((entry.path, state.st_ino, state.st_size, state.st_mtime_ns))
    return sorted(found)


def _choose(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        do = did_you_mean(name, known, "Choose one")
        raise InputError(what, f"'{name[:80]}'", f"one of {', '.join(known)}", do)
