"""params.yaml read once, typed, frozen and wholly checked, all mistakes reported together.

The only reader of params.yaml: `params_file` gives values and lines, pydantic checks types, ranges
and keys (`settings`), `rules` what keys say of each other.
"""

from __future__ import annotations

import copy
import dataclasses
import typing
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from polybatch.core.errors import InputError, InputErrorList
from polybatch.settings import rules
from polybatch.settings.config import Config
from polybatch.settings.messages import explained
from polybatch.settings.params_file import Key, ParamsFile, dotted, read_params
from polybatch.settings.tuned import TUNED, with_tuned


def load(path: Path) -> Config:
    """Read and check a params file, and take what tuned.yaml beside it has for it.

    Raises:
        InputErrorList: every mistake, with its line.
        InputError: tuned.yaml lacks what the study takes from it, or may not be used here.
    """
    return with_tuned(checked(read_params(path)), path.with_name(TUNED))


def checked(file: ParamsFile) -> Config:
    """Return the study of a params file; InputErrorList names every mistake with its line.

    Example:
        >>> lines = {("study", "nme"): 3}
        >>> checked(ParamsFile(Path("params.yaml"), {"study": {"nme": "mine"}}, lines))
        Traceback (most recent call last):
        polybatch.core.errors.InputErrorList: params.yaml cannot be used (... to correct):
        ...
          - params.yaml:3 study.nme: found an unknown key, ... Did you mean 'name'?
    """
    found = list(file.refused.items())
    try:
        config = _adapter().validate_json(to_json(file.value), strict=True)
    except ValidationError as error:
        wrong = explained(error, _schema(), file)
        found += [(key, mistake) for key, mistake in wrong if key not in file.refused]
        config = _partial(Config, file.value, (), {_named(key) for key, _ in found})
    refused = {dotted(key) for key, _ in found}
    for name, *rest in rules.mistakes(config, incomplete=bool(found)):
        if name not in refused:
            key = file.key(name)
            found.append((key, InputError(file.place(key), *rest)))
    if found:
        found.sort(key=lambda one: file.line(one[0]))
        errors = {str(error): error for _, error in found}  # two wrong words of a list: one error
        raise InputErrorList(f"{file.path} cannot be used", list(errors.values()))
    return config


def schema() -> dict[str, Any]:
    """Return the JSON Schema of params.yaml, with which editors complete and check it.

    Example:
        >>> schema()["$defs"]["BatchSettings"]["properties"]["batch_pairs"]
        {'maximum': 65536, 'minimum': 2, 'title': 'Batch Pairs', 'type': 'integer'}
    """
    return copy.deepcopy(_schema())


@cache
def _schema() -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | _adapter().json_schema()


@cache
def _adapter() -> TypeAdapter[Config]:
    return TypeAdapter(Config)


def _named(key: Key) -> Key:
    return tuple(part for part in key if isinstance(part, str))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _partial(kind: Any, value: Any, key: Key, wrong: set[Key]) -> Any:
    """Return settings without checks, None at keys that are wrong, for the rules to go on with."""
    if key in wrong or value is None:
        return None
    if typing.get_origin(kind) in (
        UnionType,
        typing.Union,
    ):  # of a section, and of what is no mapping
        sections = [one for one in typing.get_args(kind) if dataclasses.is_dataclass(one)]
        kind = sections[0] if sections and isinstance(value, dict) else object
    if typing.get_origin(kind) is dict:
        row = typing.get_args(kind)[1]
        return {name: _partial(row, below, (*key, name), wrong) for name, below in value.items()}
    if not dataclasses.is_dataclass(kind):
        return tuple(value) if isinstance(value, list) else value
    settings: Any = object.__new__(typing.cast("type", kind))
    hints = _hints(typing.cast("type", kind))
    for name in hints:
        below = _partial(hints[name], value.get(name), (*key, name), wrong)
        object.__setattr__(settings, name, below)
    return settings
