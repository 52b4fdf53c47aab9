"""params.yaml read once, typed, frozen and wholly checked, all mistakes reported together.

The only reader of params.yaml: `params_file` gives values and lines, pydantic checks types, ranges
and keys (`settings`), `config_rules` what keys say of each other.
"""

from __future__ import annotations

import dataclasses
import typing
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import to_json

from polybatch import config_rules
from polybatch.errors import InputError, InputErrorList, did_you_mean
from polybatch.params_file import Key, ParamsFile, dotted, read_params, shown
from polybatch.settings import (
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
)

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
        if not self.batches.match_budget or self.strategies[strategy].start == "dapt":
            return self.batches
        extra = self.adaptation.steps if self.adaptation else 0
        return dataclasses.replace(self.batches, steps=self.batches.steps + extra)


def load(path: Path) -> Config:
    """Read and check a params file; InputErrorList names every mistake with its line."""
    file = read_params(path)
    found = list(file.refused.items())
    try:
        config = _adapter().validate_json(to_json(file.value), strict=True)
    except ValidationError as error:
        wrong = [(one["loc"], one["type"]) for one in error.errors(include_url=False)]
        found += [_mistake(file, *one) for one in wrong if one[0] not in file.refused]
        config = _partial(Config, file.value, (), {_named(key) for key, _ in found})
    refused = {dotted(key) for key, _ in found}
    for name, *rest in config_rules.mistakes(config, incomplete=bool(found)):
        if name not in refused:
            key = file.key(name)
            found.append((key, InputError(file.place(key), *rest)))
    if found:
        found.sort(key=lambda one: file.line(one[0]))
        errors = {str(error): error for _, error in found}  # two wrong words of a list: one error
        raise InputErrorList(f"{path} cannot be used", list(errors.values()))
    return config


def schema() -> dict[str, Any]:
    """Return the JSON Schema of params.yaml, with which editors complete and check it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | _adapter().json_schema()


@cache
def _adapter() -> TypeAdapter[Config]:
    return TypeAdapter(Config)


def _named(key: Key) -> Key:
    return tuple(part for part in key if isinstance(part, str))


def _mistake(file: ParamsFile, key: Key, kind: str) -> tuple[Key, InputError]:
    """Return pydantic's error of a key as ours: what stands there, what may, and the cure."""
    if kind == "string_type" and isinstance(key[-1], int):
        key = key[:-1]  # a word of a list: show the list
    value: Any = file.value
    for part in key if kind != "missing" else ():
        value = value[part]
    if kind == "missing":
        found, expected = "nothing", "a value (no number is implied)"
        do = f"Add '{key[-1]}:' below '{dotted(key[:-1]) or 'the top level'}'"
    elif kind == "unexpected_keyword_argument":
        known = list(_allowed(key[:-1])["properties"])
        found, expected = "an unknown key", f"one of {', '.join(known)}"
        do = did_you_mean(str(key[-1]), known, "Remove it")
    elif kind == "repeated":
        word = {"string": "word", "integer": "number"}[_allowed(key)["items"]["type"]]
        found, expected, do = shown(value), f"no {word} twice", "Remove the repetition"
    else:
        found = shown(value)
        expected, do = _expected(_allowed(key), value)
    return key, InputError(file.place(key), found, expected, do)


def _expected(allowed: dict[str, Any], value: object) -> tuple[str, str]:
    """Return what a part of the JSON Schema allows and what to do, in words."""
    kind = allowed.get("type", "")
    if "enum" in allowed:
        choices = list(map(str, allowed["enum"]))
        return f"one of {', '.join(choices)}", did_you_mean(str(value), choices, "Choose one")
    if kind == "array":
        return _LISTS[allowed["items"]["type"]]
    if kind == "object":
        return _OBJECTS["properties" in allowed]
    limits = f"between {allowed.get('minimum')} and {allowed.get('maximum')}"
    expected = limits if isinstance(value, (int, float)) and kind in _NUMBERS else _KINDS[kind]
    if isinstance(value, bool) or (kind == "integer" and isinstance(value, float)):
        expected = _KINDS[kind]
    return expected + ", or null" * allowed["nullable"], "Change the value"


def _allowed(key: Key) -> dict[str, Any]:
    """Return the part of the JSON Schema that describes a key, references followed."""
    whole = schema()
    part = _followed(whole, whole)
    for name in key:
        inside = part["items"] if isinstance(name, int) else part.get("properties", {}).get(name)
        part = _followed(whole, inside or part["additionalProperties"])
    return part


def _followed(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    nullable = "anyOf" in part
    part = part["anyOf"][0] if nullable else part
    if "$ref" in part:
        part = whole["$defs"][part["$ref"].rpartition("/")[2]]
    return part | {"nullable": nullable}


_NUMBERS = ("integer", "number")
_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
}
_LISTS = {
    "string": (
        "a list of words",
        "Write [a, b]; put quotes around words that YAML reads otherwise (no, on, 1)",
    ),
    "integer": ("a list of whole numbers", "Write [0, 1, 2]"),
}
_OBJECTS = {
    True: ("keys and values", "Indent the keys below it"),
    False: ("at least one named entry", "Add one"),
}


def _partial(kind: Any, value: Any, key: Key, wrong: set[Key]) -> Any:
    """Return settings without checks, None at keys that are wrong, for the rules to go on with."""
    if key in wrong or value is None:
        return None
    kind = typing.get_args(kind)[0] if typing.get_origin(kind) is UnionType else kind
    if typing.get_origin(kind) is dict:
        row = typing.get_args(kind)[1]
        return {name: _partial(row, below, (*key, name), wrong) for name, below in value.items()}
    if not dataclasses.is_dataclass(kind):
        return tuple(value) if isinstance(value, list) else value
    settings: Any = object.__new__(typing.cast("type", kind))
    hints = typing.get_type_hints(kind)
    for name in hints:
        below = _partial(hints[name], value.get(name), (*key, name), wrong)
        object.__setattr__(settings, name, below)
    return settings
