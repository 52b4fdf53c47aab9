"""A whole params.yaml, composed of a base study and a preset that holds only what differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from polybatch.core.errors import InputError, InputErrorList
from polybatch.settings.load import checked
from polybatch.settings.params_file import ParamsFile, read_params, values_of
from polybatch.settings.params_text import Entry, entries_of, written

WHOLE = (
    *("sources", "datasets", "strategies", "dapt"),
    *("merges", "centred", "lexical", "fusions", "external"),
)
"""Sections of rows, or that may be null, which a preset replaces; it changes others by key."""

SCHEMA = "# yaml-language-server: $schema="
"""How the first line begins by which editors find the JSON Schema."""


def composed(base: Path, preset: Path) -> str:
    """Return the text of params.yaml for a preset; of the base study where both are one file.

    Comments of the base stay where a preset has none of its own; the order of keys is the base's.

    Raises:
        InputErrorList: every mistake of the study, with its line where the preset holds it.
        InputError: a file that cannot be read, or no keys and values.
    """
    files = [read_params(path) for path in (base, preset)]
    for file in files:
        if not isinstance(file.value, dict):
            do = "Write the keys that differ from the base study, such as study: {name: mine}"
            raise InputError(file.path, "no keys", "keys and values", do)
        if file.refused:
            raise InputErrorList(f"{file.path} cannot be used", list(file.refused.values()))
    texts = [path.read_text(encoding="utf-8-sig") for path in (base, preset)]
    text = f"{SCHEMA}params.schema.json\n" + _without_schema(
        texts[0] if base == preset else _together(entries_of(texts[0]), entries_of(texts[1]))
    )
    whole = _read(text, preset)
    if whole is None or whole.value != _values(files[0].value, files[1].value):
        do = "Write values out: no anchors (&), aliases (*) or merges (<<)"
        raise InputError(preset, "YAML that cannot be composed", "a preset of keys and values", do)
    whole.lines = files[1].lines
    checked(whole)
    return text


def _read(text: str, preset: Path) -> ParamsFile | None:
    try:
        return values_of(text, preset)
    except InputError:  # an alias whose anchor stands in another section
        return None


def _together(base: tuple[Entry, ...], preset: tuple[Entry, ...]) -> str:
    """Return the sections of both, beginning with the comment that the preset begins with."""
    title = preset[0].above
    base, preset = ((replace(one[0], above=""), *one[1:]) for one in (base, preset))
    ours, theirs = _by_name(base), _by_name(preset)
    return title + written(_section(ours.get(name), theirs.get(name)) for name in ours | theirs)


def _section(base: Entry | None, preset: Entry | None) -> Entry:
    if base is None or preset is None or base.inside is None or preset.inside is None:
        return _chosen(base, preset)
    ours, theirs = _by_name(base.inside), _by_name(preset.inside)
    names = theirs if base.name in WHOLE else ours | theirs
    inside = [_chosen(ours.get(name), theirs.get(name)) for name in names]
    return replace(base.with_inside(inside), above=_above(base, preset))


def _chosen(base: Entry | None, preset: Entry | None) -> Entry:
    """Return the preset's entry, with comments of the base's where it has none of its own."""
    if base is None or preset is None:
        (entry,) = (one for one in (base, preset) if one is not None)
        return entry
    return replace(preset.with_comment_of(base), above=_above(base, preset))


def _above(base: Entry, preset: Entry) -> str:
    return preset.above if preset.above.strip() else base.above


def _by_name(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries}


def _values(base: dict[str, Any], preset: dict[str, Any]) -> dict[str, Any]:
    """Return what composing means, in values."""
    found = base | preset
    for name in base.keys() & preset.keys():
        one, other = base[name], preset[name]
        if name not in WHOLE and isinstance(one, dict) and isinstance(other, dict):
            found[name] = one | other
    return found


def _without_schema(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(SCHEMA))
