"""tuned.yaml: what each tuning chose, how, and of which trials; what a study takes from it.

Written by `polybatch tune`, committed, and read wherever params.yaml is read. A study names the
tuning that it takes values from (`study.tuned`). What it says of a strategy itself goes first.
"""

from __future__ import annotations

import dataclasses
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import to_json

from polybatch.core.errors import InputError, did_you_mean
from polybatch.settings.data import DatasetSettings
from polybatch.settings.overlaps import overlap
from polybatch.settings.params_file import read_params
from polybatch.settings.strategies import Strategy
from polybatch.settings.training import TrainingChanges
from polybatch.settings.types import EXACT

if TYPE_CHECKING:
    from polybatch.settings.config import Config

TUNED = "tuned.yaml"
_AGAIN = "Tune again (`polybatch run` of a study that tunes), or take the committed file"


@dataclass(frozen=True, config=EXACT)
class TunedTrial:
    """Settings that were tried, and their score on the held-out articles (0 to 1).

    None of settings whose training failed: its loss was no longer finite.
    """

    values: dict[str, float]
    score: float | None = None


@dataclass(frozen=True, config=EXACT)
class CurvePoint:
    """The score of the chosen settings, trained with so many steps."""

    steps: int
    score: float


@dataclass(frozen=True, config=EXACT)
class TunedArm:
    """What was chosen for a strategy (or the adaptation): the best of its trials.

    `edges`: settings whose chosen value is the least or greatest that was tried. `curve`: without
    the points whose training failed.
    """

    values: dict[str, float]
    score: float
    edges: tuple[str, ...]
    trials: tuple[TunedTrial, ...]
    curve: tuple[CurvePoint, ...]

    @property
    def scores(self) -> list[float]:
        """The scores of the trials that did not fail, in their order."""
        return [trial.score for trial in self.trials if trial.score is not None]


@dataclass(frozen=True, config=EXACT)
class TunedStudy:
    """A tuning. `seeds`: of the order of settings, and of every training.

    `trial_steps`: those of each trial; `steps`: the fewest that are within `margin` of the best,
    on average over all strategies. `zero_shot`: the score of the encoder as it comes. What it was
    made with, which older tunings did not keep: `encoder`, its name, `revision` and prompts;
    `batch_pairs`; `objective`, of the adaptation.
    """

    measure: str
    encoder: str | None = field(default=None, kw_only=True)
    revision: str | None = field(default=None, kw_only=True)
    query_prompt: str | None = field(default=None, kw_only=True)
    document_prompt: str | None = field(default=None, kw_only=True)
    batch_pairs: int | None = field(default=None, kw_only=True)
    objective: str | None = field(default=None, kw_only=True)
    seeds: dict[str, int]
    trials: int
    trial_steps: int
    steps: int
    margin: float
    zero_shot: float
    datasets: dict[str, DatasetSettings]
    strategies: dict[str, TunedArm]
    adaptation: TunedArm | None = None


@cache
def _adapter() -> TypeAdapter[dict[str, TunedStudy]]:
    return TypeAdapter(dict[str, TunedStudy])


def read_tuned(path: Path) -> dict[str, TunedStudy]:
    """Return the tunings of a tuned.yaml by the name of their study.

    Raises:
        InputError: a file that cannot be read, or is of another form.

    Example:
        >>> read_tuned(Path("nowhere.yaml"))
        {}
    """
    if not path.exists():
        return {}
    try:
        return _adapter().validate_json(to_json(read_params(path).value or {}))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        expected = "what `polybatch tune` wrote"
        raise InputError(f"{path} {where}", first["msg"], expected, _AGAIN) from error


def with_tuned(config: Config, path: Path) -> Config:
    """Return a study with the values that the tuning it names chose; without one, as it is.

    Raises:
        InputError: nothing there of that name; or settings chosen for another encoder, prompt,
            size of batches or objective, or on what this study evaluates.
    """
    name = config.study.tuned
    if name is None:
        return config
    known = read_tuned(path)
    if name not in known:
        do = (
            f"Run the study that tunes it (`polybatch run`; in the repository `make repro"
            f" PRESET={name}`) and commit {TUNED}, or remove study.tuned"
        )
        found = f"no tuning '{name}'"
        expected = f"one that study.tuned may name ({', '.join(known) or 'none yet'})"
        raise InputError(path, found, expected, did_you_mean(name, known, do))
    tuned = known[name]
    _refuse_made_with_other(config, name, tuned)
    _refuse_evaluated(config, name, tuned)
    strategies = {key: _strategy(key, row, tuned) for key, row in config.strategies.items()}
    dapt = config.dapt
    if dapt is not None and tuned.adaptation is not None:
        values = dict(tuned.adaptation.values)
        whole = {"steps": int(values.pop("steps"))} if "steps" in values else {}
        dapt = dataclasses.replace(dapt, **values, **whole)  # type: ignore[arg-type]
    return dataclasses.replace(config, strategies=strategies, dapt=dapt)


def tuned_remarks(config: Config, path: Path) -> list[str]:
    """Return which keys of params.yaml the tuning replaces, and for which strategies it cannot."""
    name = config.study.tuned
    if name is None:
        return []
    tuned = read_tuned(path)[name]
    trained = [key for key, row in config.strategies.items() if row.batches != "none"]
    arms = [tuned.strategies[key] for key in trained if key in tuned.strategies]
    keys = {f"training.{key}": None for arm in arms for key in arm.values if key != "cross_ratio"}
    if config.adaptation is not None and tuned.adaptation is not None:
        keys |= {f"dapt.{key}": None for key in tuned.adaptation.values}
    others = [key for key in trained if key not in tuned.strategies]
    found = f"{', '.join(keys)} are those of {path.name} ('{name}'), not of params.yaml"
    return [found + f"; not of {', '.join(others)}, which it has nothing of" * bool(others)]


def _refuse_made_with_other(config: Config, name: str, tuned: TunedStudy) -> None:
    """Refuse settings that were chosen with something else, where it is known and matters here."""
    encoder = config.encoder
    made_with: list[tuple[str, object, object]] = [
        ("encoder.name", encoder.name, tuned.encoder),
        ("encoder.revision", encoder.revision, tuned.revision),
        ("encoder.query_prompt", encoder.query_prompt, tuned.query_prompt),
        ("encoder.document_prompt", encoder.document_prompt, tuned.document_prompt),
    ]
    if any(row.batches != "none" and key in tuned.strategies
           for key, row in config.strategies.items()):  # fmt: skip
        made_with.append(("batches.batch_pairs", config.batches.batch_pairs, tuned.batch_pairs))
    if config.adaptation is not None and tuned.adaptation is not None:
        made_with.append(("dapt.objective", config.adaptation.objective, tuned.objective))
    for key, here, there in made_with:
        if there not in (None, here):
            what = key.split(".")[1] if key != "encoder.name" else "encoder"
            raise InputError(
                key,
                f"'{here}' with the settings that '{name}' chose for '{there}'",
                f"the {what} of the tuning that study.tuned names",
                f"Take that {what}, make a tuning of this one, or remove study.tuned",
            )


def _refuse_evaluated(config: Config, name: str, tuned: TunedStudy) -> None:
    """Refuse settings that were chosen on what this study measures."""
    for key, searched in config.used_for("evaluate").items():
        for other, held in tuned.datasets.items():
            if overlap(searched, held):
                raise InputError(
                    f"datasets.{key}",
                    f"questions that the tuning '{name}' has seen ('{other}', of {held.source})",
                    "an evaluation dataset that no tuning touched",
                    "Take another dataset, or another tuning in study.tuned",
                )


def _strategy(name: str, row: Strategy, tuned: TunedStudy) -> Strategy:
    values = dict(tuned.strategies[name].values) if name in tuned.strategies else {}
    ratio = values.pop("cross_ratio", None)
    if row.batches == "hybrid" and row.cross_ratio is None:
        if ratio is None:
            raise InputError(
                f"strategies.{name}.cross_ratio",
                f"nothing, here and in {TUNED}",
                "the share of cross-lingual batches, 0 to 1",
                "Add it",
            )
        row = dataclasses.replace(row, cross_ratio=ratio)
    if row.batches == "none" or not values:
        return row
    given = dataclasses.asdict(row.training) if row.training else {}
    own = {key: value for key, value in given.items() if value is not None}
    return dataclasses.replace(row, training=TrainingChanges(**(values | own)))
