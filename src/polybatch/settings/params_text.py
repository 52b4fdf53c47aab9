"""params.yaml as blocks of text, so that keys are moved or replaced and all else stays as written.

A mapping is a list of entries: comment lines above the key, then the key with its value. A comment
belongs to the value in whose line it stands, else to the key that follows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node

_INDENT = 2


@dataclass(frozen=True)
class Entry:
    """A key of a mapping. `above`: blank and comment lines; `text`: whole lines from the key on.

    `comment`: behind a value that ends in its line, from `column` on. `head`, `inside`: of a
    mapping, the line of its key and its own entries; None for any other value.
    """

    name: str
    above: str
    text: str
    comment: str = ""
    column: int = 0
    head: str = ""
    inside: tuple[Entry, ...] | None = None

    def with_comment_of(self, other: Entry) -> Entry:
        """Return this entry with the comment of another one, where it has none itself."""
        if self.comment or not other.comment or self.text.count("\n") > 1:
            return self
        line = self.text.rstrip()
        text = f"{line:{other.column}}" if len(line) < other.column else f"{line}  "
        return replace(self, text=f"{text}{other.comment}\n", comment=other.comment)

    def with_inside(self, entries: Iterable[Entry]) -> Entry:
        r"""Return this mapping with other entries inside.

        Example:
            >>> (entry,) = entries_of("a:\n  b: 1\n")
            >>> entry.with_inside(()).text
            'a: {}\n'
        """
        inside = tuple(entries)
        head = self.head if inside else self.head.replace(":", ": {}", 1)
        return replace(self, text=f"{head}\n{written(inside)}", inside=inside)

    def moved_to(self, key: tuple[str, ...]) -> Entry:
        r"""Return this entry under another key, indented as it has to be there.

        Example:
            >>> (entry,) = entries_of("resamples: 1000\n")
            >>> entry.moved_to(("statistics", "draws")).text
            '  draws: 1000\n'
        """
        shift = (len(key) - 1) * _INDENT - (len(self.text) - len(self.text.lstrip(" ")))
        above, text = (
            "".join(_shifted(one.splitlines(keepends=True), shift))
            for one in (self.above, self.text)
        )
        text = re.sub(rf"^( *)([\"']?){re.escape(self.name)}\2(?= *:)", rf"\1{key[-1]}", text)
        return replace(self, name=key[-1], above=above, text=text)


def written(entries: Iterable[Entry]) -> str:
    r"""Return entries as text.

    Example:
        >>> written(entries_of("# why\na: 1  # one\n"))
        '# why\na: 1  # one\n'
    """
    return "".join(entry.above + entry.text for entry in entries)


def at(entries: Iterable[Entry], key: tuple[str, ...]) -> Entry | None:
    r"""Return the entry of a key, None where it is not written.

    Example:
        >>> at(entries_of("a:\n  b: 1\n"), ("a", "b")).text
        '  b: 1\n'
    """
    found = next((entry for entry in entries if entry.name == key[0]), None)
    return found if found is None or len(key) == 1 else at(found.inside or (), key[1:])


def without(entries: Iterable[Entry], key: tuple[str, ...]) -> tuple[Entry, ...]:
    r"""Return the entries without a key.

    Example:
        >>> written(without(entries_of("a:\n  b: 1\n  c: 2\n"), ("a", "b")))
        'a:\n  c: 2\n'
    """
    kept = [entry for entry in entries if (entry.name,) != key]
    return tuple(
        entry.with_inside(without(entry.inside or (), key[1:])) if entry.name == key[0] else entry
        for entry in kept
    )


def put(
    entries: tuple[Entry, ...], key: tuple[str, ...], new: Entry, after: str = ""
) -> tuple[Entry, ...]:
    r"""Return the entries with `new`, already indented, as the last one of its section.

    A section that is not there is written behind the one that is named `after`.

    Example:
        >>> new = Entry("c", "", "  c: 2\n")
        >>> written(put(entries_of("a:\n  b: 1\n"), ("a", "c"), new))
        'a:\n  b: 1\n  c: 2\n'
    """
    if len(key) == 1:
        return (*entries, new)
    if at(entries, key[:1]) is None:
        section = Entry(key[0], "\n", f"{key[0]}: {{}}\n", head=f"{key[0]}:", inside=())
        place = 1 + [entry.name for entry in entries].index(after)
        entries = (*entries[:place], section, *entries[place:])
    return tuple(
        entry.with_inside(put(entry.inside or (), key[1:], new)) if entry.name == key[0] else entry
        for entry in entries
    )


def entries_of(text: str) -> tuple[Entry, ...]:
    r"""Return the entries of a file that `read_params` reads as keys and values.

    Example:
        >>> (entry,) = entries_of("# why\na:\n  b: 1  # one\n")
        >>> entry.above, entry.inside[0].comment
        ('# why\n', '# one')
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    lines = (text if text.endswith("\n") else f"{text}\n").splitlines(keepends=True)
    root = YAML(typ="safe", pure=True).compose("".join(lines))
    assert isinstance(root, MappingNode), "read_params reads it first"
    return _entries(root, lines, (0, len(lines)), 0)


def _entries(
    node: MappingNode, lines: list[str], within: tuple[int, int], depth: int
) -> tuple[Entry, ...]:
    """Return the entries of a mapping whose keys stand in these lines."""
    if node.flow_style:
        return tuple(_in_brackets(key, value, lines, depth) for key, value in node.value)
    begin, end = within
    starts = [key.start_mark.line for key, _ in node.value]
    stops = []
    for start, after in zip(starts, [*starts[1:], end], strict=True):
        while after < end and after > start + 1 and _is_remark(lines[after - 1]):
            after -= 1
        stops.append(after)
    spans = zip([begin, *stops], starts, stops, strict=False)
    return tuple(
        _entry(pair, lines, span, depth) for pair, span in zip(node.value, spans, strict=True)
    )


def _entry(
    pair: tuple[Node, Node], lines: list[str], span: tuple[int, int, int], depth: int
) -> Entry:
    key, value = pair
    begin, start, stop = span
    shift = depth * _INDENT - key.start_mark.column
    above = "".join(_shifted(lines[begin:start], shift))
    text = "".join(_shifted(lines[start:stop], shift))
    line, mark = value.start_mark.line, value.end_mark
    if line < start:  # an alias: its value stands elsewhere
        return Entry(str(key.value), above, text)
    rest = lines[mark.line][mark.column :].lstrip() if mark.line < stop else ""
    rest = rest.rstrip() if rest.startswith("#") else ""
    column = len(lines[mark.line].rstrip()) - len(rest) + shift if rest else 0
    head, inside = "", None
    if isinstance(value, MappingNode):
        head = text.partition("\n")[0]
        head = f"{head.partition(':')[0]}:{'  ' * bool(rest)}{rest}" if value.flow_style else head
        inside = _entries(value, lines, (start + 1, stop), depth + 1)
    return Entry(str(key.value), above, text, rest, column, head, inside)


def _in_brackets(key: Node, value: Node, lines: list[str], depth: int) -> Entry:
    """Return an entry of `{key: value}` in a line of its own."""
    head = f"{' ' * (_INDENT * depth)}{_source(key, lines)}:"
    inside = None
    if isinstance(value, MappingNode):
        inside = tuple(_in_brackets(one, other, lines, depth + 1) for one, other in value.value)
    return Entry(str(key.value), "", f"{head} {_source(value, lines)}\n", head=head, inside=inside)


def _source(node: Node, lines: list[str]) -> str:
    """Return what was written for a key or a value, in one line."""
    begin, end = node.start_mark, node.end_mark
    if begin.line == end.line:
        return str(lines[begin.line][begin.column : end.column].strip())
    parts = [lines[begin.line][begin.column :], *lines[begin.line + 1 : end.line]]
    parts.append(lines[end.line][: end.column])
    return " ".join(part.partition(" #")[0].strip() for part in parts)


def _is_remark(line: str) -> bool:
    return line.lstrip()[:1] in ("", "#")


def _shifted(lines: list[str], shift: int) -> list[str]:
    if shift < 0:
        return [line[min(-shift, len(line) - len(line.lstrip(" "))) :] for line in lines]
    return [" " * shift * bool(line.strip()) + line for line in lines]
