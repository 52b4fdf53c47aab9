"""pydantic's errors in our words: where in params.yaml, what was found, what may stand there.

What may stand at a key is read from the JSON Schema, so that every message has the whole range.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from polybatch.core.errors import InputError, did_you_mean
from polybatch.settings.moved import MOVED, upgrade_hint
from polybatch.settings.params_file import Key, ParamsFile, dotted, shown

Part = dict[str, Any]
"""A part of a JSON Schema, references followed; `members` of a union, `nullable`."""

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
    "number": ("a list of numbers", "Write [1e-4, 2e-4]"),
}
_OBJECTS = {
    True: ("keys and values", "Indent the keys below it"),
    False: ("at least one named entry", "Add one"),
}

_NO_ENTRIES = ("named entries, or {} for none", "Write {}")


def explained(
    error: ValidationError, schema: Part, file: ParamsFile
) -> Iterator[tuple[Key, InputError]]:
    """Yield the key and the message of each mistake."""
    for one in error.errors(include_url=False):
        kind, place = one["type"], one["loc"]
        if kind == "string_type" and isinstance(place[-1], int):
            place = place[:-1]  # a word of a list: show the list
        absent = place[-1:] if kind in ("missing", "unexpected_keyword_argument") else ()
        found = _walk(schema, file.value, place[: len(place) - len(absent)])
        if found is not None:
            key, part, value = found
            key = (*key, *absent)
            yield key, InputError(file.place(key), *_words(kind, key, part, value))


def _walk(schema: Part, value: Any, place: Key) -> tuple[Key, Part, Any] | None:
    """Return key, schema and value at pydantic's place, which names members of unions, too.

    None for the member of a union of another form than the value: its mistakes mean nothing.
    """
    key, part = [], _followed(schema, schema)
    for name in place:
        if members := part.get("members"):
            named = [member for member in members if member.get("title") == name]
            part = (named or [member for member in members if member["type"] != "object"])[0]
            if (part["type"] == "object") != isinstance(value, dict):
                return None
            continue
        key.append(name)
        inside = part["items"] if isinstance(name, int) else part.get("properties", {}).get(name)
        part = _followed(schema, inside or part["additionalProperties"])
        value = value[name]
    return tuple(key), part, value


def _followed(schema: Part, part: Part) -> Part:
    choices = part.get("anyOf", [part])
    members = [
        schema["$defs"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one
        for one in choices
        if one.get("type") != "null"
    ]
    found = members[0] if len(members) == 1 else {"members": members}
    return found | {"nullable": len(choices) > len(members)}


def _words(kind: str, key: Key, part: Part, value: Any) -> tuple[str, str, str]:
    """Return what was found, what is expected and what to do."""
    if kind == "missing":
        section = dotted(key[:-1]) or "the top level"
        do = f"Add '{key[-1]}:' below '{section}'{upgrade_hint(dotted(key))}"
        return "nothing", "a value (no number is implied)", do
    if kind == "unexpected_keyword_argument":
        if now := MOVED.get(dotted(key)):
            return "a key of an earlier version", now, "Run `polybatch upgrade`, which moves it"
        known = list(part["properties"])
        if now := MOVED.get(dotted(key)):
            return "a key of an earlier version", f"it as {now}", f"Move it to {now}"
        do = did_you_mean(str(key[-1]), known, "Remove it")
        return "an unknown key", f"one of {', '.join(known)}", do
    if kind == "repeated":
        word = "word" if part["items"]["type"] == "string" else "number"
        return shown(value), f"no {word} twice", "Remove the repetition"
    return shown(value), *_expected(part, value)


def _expected(part: Part, value: object) -> tuple[str, str]:
    """Return what the schema allows and what to do."""
    kind = part["type"]
    if "enum" in part:
        choices = list(map(str, part["enum"]))
        return f"one of {', '.join(choices)}", did_you_mean(str(value), choices, "Choose one")
    if kind == "array":
        return _LISTS[part["items"]["type"]]
    if kind == "object":
        possibly_none = "properties" not in part and "minProperties" not in part
        return _NO_ENTRIES if possibly_none else _OBJECTS["properties" in part]
    numbers = (int, float) if kind == "number" else (int,) if kind == "integer" else ()
    fits = isinstance(value, numbers) and not isinstance(value, bool)
    expected = f"between {part.get('minimum')} and {part.get('maximum')}" if fits else _KINDS[kind]
    return expected + ", or null" * part.get("nullable", False), "Change the value"
