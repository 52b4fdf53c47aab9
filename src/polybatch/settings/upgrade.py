"""Files of an earlier version, rewritten for this one: comments and all other text stay."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from polybatch.core.errors import InputError, InputErrorList
from polybatch.core.files import write_text
from polybatch.settings.load import checked
from polybatch.settings.moved import ADDED, FIRST, MOVED, Added
from polybatch.settings.params_file import ParamsFile, read_params, values_of
from polybatch.settings.params_text import Entry, at, entries_of, put, without, written

Parts = tuple[str, ...]
"""A key, part by part: names of rows may hold dots."""


def upgrade(
    path: Path, moved: Mapping[str, str] = MOVED, added: Mapping[str, Added] = ADDED
) -> list[str]:
    r"""Rewrite a study or a preset and return what was changed; nothing where nothing had to be.

    A file that lacks whole sections is a preset: keys are moved in it, and none is added.

    Raises:
        InputError, InputErrorList: what a person has to correct; the file is left as it was.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "preset.yaml"
        >>> _ = path.write_text("evaluation:\n  resamples: 1000  # draws\n")
        >>> upgrade(path)
        ['moved evaluation.resamples to statistics.resamples']
        >>> path.read_text()
        'statistics:\n  resamples: 1000  # draws\n'
    """
    file = read_params(path)
    if not isinstance(file.value, dict) or file.refused:
        checked(file)  # which says what is wrong
    whole = file.value.keys() >= FIRST
    data = path.read_bytes().decode("utf-8")
    study, changes = _Study(data, copy.deepcopy(file.value)), []
    for old, new in moved.items():
        if study.can_move(old, new):
            study.move(_parts(old), _parts(new))
            changes.append(f"moved {old} to {new}")
    for form, required in added.items() if whole else ():
        for key in list(_lacking(study.values, form)):
            value = _own_folder(path, study.values, key) or required.value
            study.add(key, value, required.comment)
            changes.append(f"added {'.'.join(key)}: {value}")
    _check(file, study, whole)
    if changes:
        begin = "\ufeff" if data.startswith("\ufeff") else ""
        text = study.text.replace("\n", "\r\n") if "\r\n" in data else study.text
        write_text(path, begin + text)
    return changes


class _Study:
    """A file as text and as values; every change is made in both, so that one checks the other."""

    def __init__(self, text: str, values: dict[str, Any]) -> None:
        self.text, self.values = text, values

    def can_move(self, old: str, new: str) -> bool:
        """Return whether the old key is written in the file, and the new one is not."""
        entries = entries_of(self.text)
        return at(entries, _parts(old)) is not None and at(entries, _parts(new)) is None

    def move(self, old: Parts, new: Parts) -> None:
        """Move a key with its comments; a section that loses its last key goes, too."""
        entries = entries_of(self.text)
        section(self.values, new)[new[-1]] = section(self.values, old).pop(old[-1])
        gone = old if len(old) == 1 or section(self.values, old) else old[:-1]
        entry, last = at(entries, old), at(entries, gone)
        assert entry is not None
        assert last is not None
        if gone != old:
            del section(self.values, gone)[gone[-1]]
            entry = replace(entry, above=last.above.lstrip("\n") + entry.above)
        entries = put(entries, new, entry.moved_to(new), old[0])
        text = written(without(entries, gone))  # the first section may have gone
        self.text = text if self.text.startswith("\n") else text.lstrip("\n")

    def add(self, key: Parts, value: str, comment: str) -> None:
        """Add a key with its comment, in the column of the comments around it."""
        entries = entries_of(self.text)
        above = at(entries, key[:-1]) if key[1:] else None
        column = max([one.column for one in (above and above.inside) or () if one.comment] or [0])
        new = Entry(key[-1], "", f"{key[-1]}: {value}\n").moved_to(key)
        new = new.with_comment_of(replace(new, comment=f"# {comment}", column=column))
        self.text = written(put(entries, key, new))
        section(self.values, key)[key[-1]] = YAML(typ="safe").load(value)


def section(values: dict[str, Any], key: Parts) -> dict[str, Any]:
    """Return the mapping that a key stands in, made where it is not there.

    Example:
        >>> values = {}
        >>> section(values, ("statistics", "resamples"))["resamples"] = 1000
        >>> values
        {'statistics': {'resamples': 1000}}
    """
    for part in key[:-1]:
        values = values.setdefault(part, {})
    return values


def _lacking(values: Any, form: str, above: Parts = ()) -> Iterator[Parts]:
    """Yield the keys of a form such as `sources.*.folder` that are not there."""
    name, _, rest = form.partition(".")
    if not isinstance(values, dict):
        return  # no section: its mistake is shown
    if not rest and name not in values:
        yield (*above, name)
    for row in (values if name == "*" else {name}) if rest else ():
        yield from _lacking(values.get(row), rest, (*above, row))


def _own_folder(path: Path, values: dict[str, Any], key: Parts) -> str | None:
    """Return the encoder's folder, which DVC is to watch, where its name is one."""
    name = values["encoder"].get("name") if key == ("encoder", "folder") else None
    return name if isinstance(name, str) and name and (path.parent / name).is_dir() else None


def _check(file: ParamsFile, study: _Study, whole: bool) -> None:
    """Raise what keeps the new text from being a study, with the lines of the old one."""
    try:
        new = values_of(study.text, file.path)
    except InputError:  # an alias whose anchor was moved
        new = ParamsFile(file.path)
    if new.value != study.values:
        do = "Correct it by hand, or write values out: no anchors (&), aliases (*) or merges (<<)"
        raise InputError(file.path, "YAML that cannot be rewritten", "keys and values", do)
    new.lines = file.lines
    try:
        checked(new)
    except InputErrorList as error:
        left = [one for one in error.errors if whole or not one.found.startswith("nothing")]
        if left:
            title = f"{file.path} was left as it is, and cannot be used"
            raise InputErrorList(title, left) from error


def _parts(key: str) -> Parts:
    return tuple(key.split("."))
