"""params.yaml read once, typed, frozen and wholly checked, all mistakes reported together.

The only reader of params.yaml. Line numbers in messages are those of the file.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from polybatch import adaptation_rules
from polybatch.errors import InputError, InputErrorList
from polybatch.languages import is_language
from polybatch.overlaps import overlap
from polybatch.settings import (
    BATCH_KINDS,
    MEASURES,
    AdaptationSettings,
    BatchSettings,
    DatasetSettings,
    EncoderSettings,
    EvaluationSettings,
    FlowSettings,
    NotifySettings,
    ScheduleSettings,
    SourceSettings,
    Strategy,
    StudySettings,
    TrainingSettings,
    Trial,
    ValidationSettings,
    encoder_mistakes,
)

_UNTRACKED = ("size", "nfiles")  # DVC's run cache ignores params of these names (issue 10296)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True)
class Config:
    """A whole study: params.yaml, checked. `dapt`: None where no strategy starts from it."""

    study: StudySettings
    sources: dict[str, SourceSettings]
    datasets: dict[str, DatasetSettings]
    validation: ValidationSettings
    encoder: EncoderSettings
    batches: BatchSettings
    training: TrainingSettings
    dapt: AdaptationSettings | None
    evaluation: EvaluationSettings
    strategies: dict[str, Strategy]
    flow: FlowSettings
    schedule: ScheduleSettings
    notify: NotifySettings

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

    def batches_of(self, strategy: str) -> BatchSettings:
        """Return the batch settings of a strategy, with its own number of steps.

        That number differs from `batches.steps` where `match_budget` makes up for an adaptation.
        """
        start = self.strategies[strategy].start
        return dataclasses.replace(self.batches, steps=self.budgets[0 if start == "dapt" else -1])

    @property
    def budgets(self) -> tuple[int, ...]:
        """The numbers of steps that strategies of this study may have, the smallest first."""
        extra = self.dapt.steps if self.batches.match_budget and self.dapt else 0
        return tuple(sorted({self.batches.steps, self.batches.steps + extra}))


def load(path: Path) -> Config:
    """Read and check a params file; InputErrorList names every mistake with its line."""
    raw = _parse(path)
    reader = _Reader(path)
    config = reader.read(Config, raw, "")
    reader.errors.extend(_contradictions(config, reader))
    if reader.errors:
        raise InputErrorList(f"{path} cannot be used", reader.errors)
    assert isinstance(config, Config)
    return config


def _parse(path: Path) -> Any:
    try:
        return YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            path, "no such file", "the study's parameters", "Run from the repository's root"
        ) from error
    except (MarkedYAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise InputError(
            f"{path}{line}", str(problem), "valid YAML in UTF-8", "Mend the line"
        ) from error


class _Reader:
    """Turns plain YAML values into dataclasses and collects what is wrong on the way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.errors: list[InputError] = []
        self._lines: dict[str, int] = {}

    def place(self, key: str) -> str:
        """Return `file:line key`, with the nearest line known."""
        nearest = key
        while nearest and nearest not in self._lines:
            nearest = nearest.rpartition(".")[0]
        line = f":{self._lines[nearest]}" if nearest in self._lines else ""
        return f"{self.path}{line} {key}".rstrip()

    def refuse(self, key: str, found: str, expected: str, do: str) -> Any:
        """Remember a mistake; the value is None from here on."""
        self.errors.append(InputError(self.place(key), found, expected, do))

    def read(self, kind: Any, value: Any, key: str, limits: Any = None) -> Any:
        """Return `value` as `kind`, or None after remembering why not."""
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if dataclasses.is_dataclass(kind):
            return self._read_dataclass(kind, value, key)
        if origin is dict:
            return self._read_named(arguments[1], value, key)
        if origin is tuple and arguments[0] is int:
            return self._read_numbers(value, key, limits)
        if origin is tuple:
            return self._read_list(value, key)
        if origin is types.UnionType:
            return None if value is None else self.read(arguments[0], value, key, limits)
        if origin is Literal:
            return self._read_choice(arguments, value, key)
        return self._read_scalar(kind, value, key, limits)

    def _read_dataclass(self, kind: Any, value: Any, key: str) -> Any:
        if not isinstance(value, Mapping):
            return self.refuse(
                key or "(whole file)", _show(value), "keys and values", "Indent the keys below it"
            )
        self._note_lines(value, key)
        hints = typing.get_type_hints(kind)
        fields = {field.name: field for field in dataclasses.fields(kind)}
        for unknown in [name for name in value if name not in fields]:
            close = difflib.get_close_matches(str(unknown), fields, n=1)
            self.refuse(
                _join(key, unknown),
                "an unknown key",
                f"one of {', '.join(fields)}",
                f"Did you mean '{close[0]}'?" if close else "Remove it",
            )
        found = {}
        for name, field in fields.items():
            if name in value:
                limits = field.metadata.get("range")
                found[name] = self.read(hints[name], value[name], _join(key, name), limits)
            elif field.default is dataclasses.MISSING:
                self.refuse(
                    _join(key, name),
                    "nothing",
                    "a value (no number is implied)",
                    f"Add '{name}:' below '{key or 'the top level'}'",
                )
        return kind(**dict.fromkeys(fields) | found)

    def _read_named(self, kind: Any, value: Any, key: str) -> Any:
        if not isinstance(value, Mapping) or not value:
            return self.refuse(key, _show(value), "at least one named entry", "Add one")
        self._note_lines(value, key)
        for name in value:
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _UNTRACKED:
                self.refuse(
                    _join(key, name),
                    f"the name {name!r}",
                    "lower-case letters, digits, '-', '_' and '.'; not "
                    + " or ".join(_UNTRACKED)
                    + ", whose changes DVC does not see",
                    "Rename it",
                )
        return {
            str(name): self.read(kind, entry, _join(key, name)) for name, entry in value.items()
        }

    def _read_list(self, value: Any, key: str) -> Any:
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            return self.refuse(
                key,
                _show(value),
                "a list of words",
                "Write [a, b]; put quotes around words that YAML reads otherwise (no, on, 1)",
            )
        if len(set(value)) != len(value):
            self.refuse(key, _show(value), "no word twice", "Remove the repetition")
        return tuple(str(word) for word in value)

    def _read_numbers(self, value: Any, key: str, limits: Any) -> Any:
        if not isinstance(value, list) or not value:
            return self.refuse(key, _show(value), "a list of whole numbers", "Write [0, 1, 2]")
        if len(set(map(repr, value))) != len(value):
            self.refuse(key, _show(value), "no number twice", "Remove the repetition")
        return tuple(self.read(int, number, key, limits) for number in value)

    def _read_choice(self, choices: tuple[Any, ...], value: Any, key: str) -> Any:
        if value not in choices:
            self.refuse(key, _show(value), f"one of {', '.join(map(str, choices))}", "Choose one")
        return value

    def _read_scalar(self, kind: Any, value: Any, key: str, limits: Any) -> Any:
        fits = isinstance(value, (int, float) if kind is float else kind)
        if not fits or isinstance(value, bool) != (kind is bool):
            return self.refuse(key, _show(value), _KINDS[kind], "Change the value")
        if limits and not limits[0] <= value <= limits[1]:
            self.refuse(
                key, _show(value), f"between {limits[0]} and {limits[1]}", "Change the value"
            )
        return kind(value)

    def _note_lines(self, value: Any, key: str) -> None:
        position = getattr(value, "lc", None)
        if position is not None and position.data:
            for name in value:
                self._lines[_join(key, name)] = position.key(name)[0] + 1


_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def _join(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


def _show(value: object) -> str:
    text = repr(dict(value)) if isinstance(value, Mapping) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _contradictions(config: Any, reader: _Reader) -> list[InputError]:
    rules = (
        _study_names,
        _dataset_sources,
        _strategy_kinds,
        _uses,
        _shared_data,
        _measure_names,
        _curves,
        _matched,
        _adaptation,
        _encoder,
        _own_folders,
        _flows,
    )
    found: list[InputError] = []
    for rule in rules:
        try:
            found.extend(InputError(reader.place(key), *rest) for key, *rest in rule(config))
        except (AttributeError, TypeError):  # a value this rule needs is itself a mistake
            if not reader.errors:
                raise
    return found


_Mistakes = Iterator[tuple[str, str, str, str]]


def _study_names(config: Config) -> _Mistakes:
    names = ", ".join(config.strategies)
    for key, name in (("baseline", config.study.baseline), ("focus", config.study.focus)):
        if name not in config.strategies:
            yield f"study.{key}", f"'{name}'", f"a strategy of this file ({names})", "Choose one"


def _dataset_sources(config: Config) -> _Mistakes:
    for name, dataset in config.datasets.items():
        source = config.sources.get(dataset.source)
        if source is None:
            yield (
                f"datasets.{name}.source",
                f"'{dataset.source}'",
                f"a source of this file ({', '.join(config.sources)})",
                "Add it under sources",
            )
            continue
        for what in ("languages", "splits"):
            asked, there = getattr(dataset, what), getattr(source, what)
            if missing := [word for word in asked if word not in there]:
                yield (
                    f"datasets.{name}.{what}",
                    ", ".join(missing),
                    f"some of what sources.{dataset.source}.{what} fetches ({', '.join(there)})",
                    "Add it there or remove it here",
                )
    for name, source in config.sources.items():
        for code in source.languages:
            if not is_language(code):
                yield (
                    f"sources.{name}.languages",
                    f"'{code}'",
                    "BCP-47 codes such as sw, zh-Hant or pt-BR",
                    "Correct the code",
                )


def _strategy_kinds(config: Config) -> _Mistakes:
    for name, strategy in config.strategies.items():
        key = f"strategies.{name}"
        if name == "start":
            yield (
                key,
                "the name 'start'",
                "another: models/start holds what all start from",
                "Rename it",
            )
        if strategy is None or not isinstance(strategy.batches, str):
            continue  # already refused for its form
        if strategy.batches not in BATCH_KINDS:
            close = difflib.get_close_matches(strategy.batches, BATCH_KINDS, n=1)
            yield (
                f"{key}.batches",
                f"'{strategy.batches}'",
                f"one of {', '.join(BATCH_KINDS)}",
                f"Did you mean '{close[0]}'?" if close else "Choose one",
            )
        elif strategy.batches == "hybrid" and strategy.cross_ratio is None:
            yield (
                f"{key}.cross_ratio",
                "nothing",
                "the share of cross-lingual batches, 0 to 1",
                "Add it",
            )
        elif strategy.batches != "hybrid" and strategy.cross_ratio is not None:
            yield (
                f"{key}.cross_ratio",
                str(strategy.cross_ratio),
                f"no such key: '{strategy.batches}' mixes nothing",
                "Remove it",
            )


def _uses(config: Config) -> _Mistakes:
    if not config.used_for("evaluate"):
        yield "datasets", "none with 'use: evaluate'", "at least one", "Add one"
    if not config.used_for("train"):
        yield "datasets", "none with 'use: train'", "at least one", "Add one"


def _shared_data(config: Config) -> _Mistakes:
    for name, asked in config.used_for("evaluate").items():
        for other, seen in config.used_for("train").items():
            if overlap(asked, seen):
                yield (
                    f"datasets.{name}",
                    f"questions that '{other}' trains on"
                    f" (sources {asked.source} and {seen.source})",
                    "an evaluation dataset that training never sees",
                    "Take another source, other splits, or part: train and part: heldout of one"
                    " source with the same heldout_share",
                )


def _measure_names(config: Config) -> _Mistakes:
    patterns = [re.compile(re.sub("k$", "[1-9][0-9]*", name)) for name in MEASURES]
    for name in config.evaluation.measures:
        if not any(pattern.fullmatch(name) for pattern in patterns):
            yield (
                "evaluation.measures",
                f"'{name}'",
                f"one of {', '.join(MEASURES)}, k being a number",
                "Correct the name",
            )


def _curves(config: Config) -> _Mistakes:
    if config.training.checkpoint_every % config.training.log_every:
        yield (
            "training.checkpoint_every",
            str(config.training.checkpoint_every),
            f"a multiple of log_every ({config.training.log_every}), or a resumed training would"
            " log another mean",
            "Change one of them",
        )


def _matched(config: Config) -> _Mistakes:
    if config.batches.match_budget and config.dapt is None:
        yield (
            "batches.match_budget",
            "true",
            "false, as this study adapts nothing (dapt: null): there is no budget to match",
            "Write match_budget: false, or add the section dapt",
        )


def _adaptation(config: Config) -> _Mistakes:
    yield from adaptation_rules.mistakes(config.dapt, config.datasets, config.strategies)


def _encoder(config: Config) -> _Mistakes:
    yield from encoder_mistakes(config.encoder)


def _own_folders(config: Config) -> _Mistakes:
    """Refuse a folder outside `inputs/`: it would change without DVC seeing it."""
    for name, source in config.sources.items():
        parts = Path(source.folder).parts if source.folder else ("inputs",)
        if parts[0] != "inputs" or ".." in parts:
            yield (
                f"sources.{name}.folder",
                f"'{source.folder}'",
                "a folder below inputs/, whose changes DVC sees",
                "Put the files there, for example inputs/faq",
            )


def _flows(config: Config) -> _Mistakes:
    measures = config.evaluation.measures
    if config.notify.measure not in measures:
        yield (
            "notify.measure",
            f"'{config.notify.measure}'",
            f"one of evaluation.measures ({', '.join(measures)})",
            "Choose one",
        )
    if config.schedule.timezone not in zoneinfo.available_timezones():
        yield (
            "schedule.timezone",
            f"'{config.schedule.timezone}'",
            "a name of the IANA time zone database, such as UTC or Africa/Lagos",
            "Correct the name",
        )
    if len(config.schedule.cron.split()) != 5:
        yield (
            "schedule.cron",
            f"'{config.schedule.cron}'",
            "five fields: minute, hour, day of month, month, day of week",
            "Write '0 3 * * *' for three o'clock every night",
        )
