"""params.yaml as plain values, each with the line it is written in; no schema is known here.

Whatever the file holds, reading ends soon, in values or in one InputError: its size, depth and
number of values (aliases written out) are limited.
"""

from __future__ import annotations

import math
import re
import stat
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from polybatch.core.errors import InputError

Key = tuple[str | int, ...]
"""Where a value stands: names of keys, and positions in lists from 0."""

_BYTES, _LINE, _BRACKETS = 100_000, 5_000, 200  # of a file; of a line
_DEPTH, _VALUES = 20, 20_000  # of nesting; with aliases written out
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_TAG = "tag:yaml.org,2002:"
_KINDS = {f"{_TAG}{kind}" for kind in ("str", "int", "float", "bool", "null")}


@dataclass
class ParamsFile:
    """`value`: dict, list, str, int, finite float, bool and None only. `lines`: from 1.

    `refused`: where something stands that is no such value, and what.
    """

    path: Path
    value: Any = None
    lines: dict[Key, int] = field(default_factory=dict)
    refused: dict[Key, InputError] = field(default_factory=dict)

    def line(self, key: Key) -> int:
        """Return the line of a key, or of the nearest one above it; 0 without any.

        Example:
            >>> file = ParamsFile(Path("params.yaml"), lines={("study",): 3, ("study", "seeds"): 5})
            >>> file.line(("study", "seeds", 0)), file.line(("study", "name")), file.line(("flow",))
            (5, 3, 0)
        """
        return next(
            (self.lines[key[:end]] for end in range(len(key), 0, -1) if key[:end] in self.lines), 0
        )

    def place(self, key: Key) -> str:
        """Return `file:line key`, with the nearest line known.

        Example:
            >>> ParamsFile(Path("params.yaml"), lines={("study",): 3}).place(("study", "name"))
            'params.yaml:3 study.name'
        """
        line = f":{self.line(key)}" * bool(self.line(key))
        return f"{self.path}{line} {dotted(key) or '(whole file)'}"

    def key(self, name: str) -> Key:
        """Return the key that is written `name`; names of strategies may hold dots themselves.

        Example:
            >>> file = ParamsFile(Path("params.yaml"), lines={("strategies", "x.5"): 9})
            >>> file.key("strategies.x.5.start")
            ('strategies', 'x.5', 'start')
        """
        written = {dotted(key): key for key in self.lines if isinstance(key[-1], str)}
        parts = name.split(".")
        for end in range(len(parts), 0, -1):
            if above := written.get(".".join(parts[:end])):
                return (*above, *parts[end:])
        return tuple(parts)


def dotted(key: Key) -> str:
    """Return a key as DVC and messages write it; positions in lists are left out.

    Example:
        >>> dotted(("study", "seeds", 0))
        'study.seeds'
    """
    return ".".join(str(part) for part in key if not isinstance(part, int))


def shown(value: object) -> str:
    """Return a value as a message shows it, cut where it is long.

    Example:
        >>> shown("sw"), len(shown("a" * 100))
        ("'sw'", 60)
    """
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read_params(path: Path) -> ParamsFile:
    """Read a YAML 1.2 file, merges (`<<`) and aliases written out; InputError for all others.

    Example:
        >>> read_params(Path("nowhere.yaml"))
        Traceback (most recent call last):
        polybatch.core.errors.InputError: nowhere.yaml: found no such file, expected ...
    """
    return values_of(_text(path), path)


def values_of(text: str, path: Path) -> ParamsFile:
    r"""Read the text of such a file; messages name `path`.

    Raises:
        InputError: a line that YAML does not know, a control character, or nesting beyond reason.

    Example:
        >>> values_of("study:\n  seeds: [0, 1]\n", Path("params.yaml")).value
        {'study': {'seeds': [0, 1]}}
    """
    if bad := _CONTROL.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        found = f"the control character U+{ord(bad.group()):04X}"
        raise InputError(f"{path}:{line}", found, "text", "Remove it")
    for number, written in enumerate(text.splitlines(), 1):  # ruamel takes their square in time
        if len(written) > _LINE or written.count("[") + written.count("{") > _BRACKETS:
            found, most = "a long line", f"at most {_LINE:,} characters and {_BRACKETS} brackets"
            raise InputError(f"{path}:{number}", found, most, "Break the line")
    try:
        yaml = YAML(typ="safe", pure=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor that is used again is no mistake
            root = yaml.compose(text)
        reader = _Reader(path, yaml.constructor)
        if root is not None:
            reader.file.value = reader.read(root, ())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}" if mark else path
        found = error.problem or "something that YAML does not know"
        found = found.removeprefix("but ").removeprefix("found ")
        raise InputError(place, found, "valid YAML", "Correct the line") from error
    except YAMLError as error:
        found = str(error).partition("\n")[0]
        raise InputError(path, found, "valid YAML", "Correct the file") from error
    except RecursionError as error:
        raise _too_deep(path) from error
    return reader.file


def _text(path: Path) -> str:
    """Return the file's text without a byte order mark, or say why there is none."""
    try:
        what = path.stat()
        if not stat.S_ISREG(what.st_mode):
            found = "a folder" if stat.S_ISDIR(what.st_mode) else "something that is no file"
            raise InputError(path, found, "the study's parameters, a file", "Name the file itself")
        if what.st_size > _BYTES:
            found, most = f"{what.st_size:,} bytes", f"at most {_BYTES:,}"
            raise InputError(path, found, most, "Keep data out of the parameters")
        data = path.read_bytes()
    except FileNotFoundError as error:
        do = "Run from the study's folder"
        raise InputError(path, "no such file", "the study's parameters", do) from error
    except OSError as error:
        found, do = f"the system's answer '{error.strerror}'", "Let this user read the file"
        raise InputError(path, found, "a file that can be read", do) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"the byte {data[error.start]:#04x}, which is not UTF-8"
        raise InputError(f"{path}:{line}", found, "UTF-8", "Save the file as UTF-8") from error


def _too_deep(place: object) -> InputError:
    return InputError(place, f"nesting deeper than {_DEPTH}", "sections with keys", "Flatten it")


class _Reader:
    """Turns composed nodes into values, written out, and notes their lines."""

    def __init__(self, path: Path, constructor: Any) -> None:
        self.file = ParamsFile(path)
        self._constructor = constructor
        self._values = 0

    def read(self, node: Node, key: Key) -> Any:
        """Return a node's value and note the lines of what is in it."""
        self._count(node, len(key))
        if isinstance(node, SequenceNode):
            return [self._noted(part, (*key, n), part) for n, part in enumerate(node.value)]
        if isinstance(node, MappingNode):
            entries = self._pairs(node, key).items()
            return {name: self._noted(at, (*key, name), value) for name, (at, value) in entries}
        assert isinstance(node, ScalarNode)
        return self._scalar(node, key)

    def _noted(self, at: Node, key: Key, value: Node) -> Any:
        self.file.lines[key] = at.start_mark.line + 1
        return self.read(value, key)

    def _count(self, node: Node, depth: int = 0) -> None:
        self._values += 1
        place = f"{self.file.path}:{node.start_mark.line + 1}"
        if self._values > _VALUES:
            found, do = f"more than {_VALUES:,} values, aliases written out", "Remove aliases"
            raise InputError(place, found, "a study's parameters", do)
        if depth > _DEPTH:
            raise _too_deep(place)

    def _refuse(self, key: Key, at: Node, found: str, expected: str, do: str) -> None:
        place = f"{self.file.path}:{at.start_mark.line + 1} {dotted(key)}"
        self.file.refused[key] = InputError(place, found, expected, do)

    def _pairs(self, node: MappingNode, key: Key) -> dict[str, tuple[Node, Node]]:
        """Return a mapping's entries, its own before those that it merges."""
        own: dict[str, tuple[Node, Node]] = {}
        merged: dict[str, tuple[Node, Node]] = {}
        for at, value in node.value:
            if at.tag == f"{_TAG}merge":
                for other in value.value if isinstance(value, SequenceNode) else [value]:
                    merged = self._merge(other, key) | merged
                continue
            if at.tag != f"{_TAG}str":
                written = at.value if isinstance(at, ScalarNode) else "a list or mapping"
                do = "Put quotes around it, if it is a name"
                self._refuse((*key, str(written)), at, f"the key {written}", "text", do)
            elif at.value in own:
                first = own[at.value][0].start_mark.line + 1
                place = f"{self.file.path}:{at.start_mark.line + 1} {dotted((*key, at.value))}"
                found = f"this key a second time (first in line {first})"
                raise InputError(place, found, "each key once", "Remove one of them")
            else:
                own[at.value] = at, value
        return own | {name: entry for name, entry in merged.items() if name not in own}

    def _merge(self, node: Node, key: Key) -> dict[str, tuple[Node, Node]]:
        self._count(node)
        if isinstance(node, MappingNode):
            return self._pairs(node, key)
        self._refuse(
            (*key, "<<"), node, "no mapping", "*name of an anchor on keys and values", "Correct it"
        )
        return {}

    def _scalar(self, node: ScalarNode, key: Key) -> Any:
        """Return a value that JSON knows, too; None after refusing others, as NaN or a date."""
        try:
            value = self._constructor.construct_object(node) if node.tag in _KINDS else None
        except (ValueError, YAMLError):  # 5,000 digits; no YAML number after `!!int`
            value = math.nan
        if node.tag not in _KINDS:
            kind = str(node.tag).removeprefix(_TAG)
            self._refuse(
                key,
                node,
                f"{shown(node.value)}, a {kind}",
                "text, a number, true, false or null",
                "Put quotes around it, if it is text",
            )
        elif isinstance(value, float) and not math.isfinite(value):
            self._refuse(key, node, shown(node.value), "a finite number", "Change the value")
        elif isinstance(value, str) and (bad := _CONTROL.search(value)):
            self._refuse(
                key, node, f"the control character U+{ord(bad.group()):04X}", "text", "Remove it"
            )
        else:
            return value
        return None
