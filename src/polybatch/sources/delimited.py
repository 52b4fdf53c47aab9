"""CSV and TSV as people have them: which separator, and whether quotation marks are text.

In CSV a field that begins with a quotation mark is quoted. In TSV it may be, or the mark is text;
the whole file decides, and a file in which neither holds for all rows is refused with the row.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polybatch.errors import InputError
from polybatch.sources.user_files import LONGEST, Record, RowFile, lines, refused

_NAMES = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "vertical bar"}
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # how Excel is told the separator
_WHOLE = re.compile(r'"(?:[^"]|"")*"')  # a field in quotes
_SAMPLE = 1_000  # rows whose values say what a row looks like


@dataclass(frozen=True)
class _Form:
    """How a file is written. `begin`: the line of the header, from 1.

    `least` columns have to be there: the last of the `width` may have no name, and nothing in them.
    """

    separator: str
    begin: int
    width: int
    least: int
    quoted: bool = True

    def cells(self, row: Sequence[str]) -> Sequence[str] | None:
        """Return a row's `width` fields; None if it has too few, or text behind them."""
        if len(row) == self.width:
            return row
        if self.least <= len(row) < self.width:
            return [*row, *[""] * (self.width - len(row))]
        behind = row[self.width :]
        return row[: self.width] if behind and _blank(behind) else None


def open_cells(path: Path, separator: str) -> RowFile:
    r"""Open a file of columns; `separator` is what its name promises.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = path.write_text("sep=;\nlang;document\nen;A, b.\n")
        >>> opened = open_cells(path, ",")
        >>> list(opened.rows), opened.notes
        ([(3, {'lang': 'en', 'document': 'A, b.'})], ('read as separated by semicolons',))
    """
    csv.field_size_limit(LONGEST)  # of the process; more is refused by the length of the line
    begin, found, header = _separator(path, separator)
    if not header:
        return RowFile((), iter(()), ("it is empty",))
    notes = [] if found == separator else [f"read as separated by {_NAMES.get(found, found)}s"]
    form = _form(found, begin, next(csv.reader([header], delimiter=found)))
    if found == "\t":
        form, more = _quoting(path, form)
        notes += more
    rows = _quoted(path, form) if form.quoted else _plain(path, form)
    _, first = next(rows)
    names = _header(path, first, form)
    form = _form(found, begin, first)  # a name in quotes may span lines
    return RowFile(names, _records(path, rows, names, form), tuple(notes))


def _form(separator: str, begin: int, header: Sequence[str], quoted: bool = True) -> _Form:
    least = max((at for at, name in enumerate(header, 1) if name.strip()), default=0)
    return _Form(separator, begin, len(header), least, quoted)


def _blank(cells: Sequence[str]) -> bool:
    return not any(cell.strip() for cell in cells)


def _separator(path: Path, separator: str) -> tuple[int, str, str]:
    """Return the header's line, the separator, and the header, '' where there is none."""
    given = ""
    for number, line in lines(path, any_end=True):
        if "\0" in line:
            raise refused(path, number, "a NUL character", "text in UTF-8",
                          "Save it as text in UTF-8 ('CSV UTF-8' in Excel)")  # fmt: skip
        if not given and (told := _SEP_LINE.fullmatch(line)):
            given = told[1]
        elif line.strip():
            bare = re.sub(r'"[^"]*"', "", line.rstrip("\r\n"))
            there = [mark for mark in _NAMES if mark in bare]
            alone = there[0] if len(there) == 1 and separator not in there else separator
            return number, given or alone, line
    return 0, given or separator, ""


def _quoting(path: Path, form: _Form) -> tuple[_Form, list[str]]:
    """Return the form with the quoting that a whole tab-separated file shows, and notes."""
    first: dict[str, int] = {}  # the first row of each kind
    for number, line in _body(path, form):
        cells = line.rstrip("\r\n").split("\t")
        if len(cells) != form.width:
            first.setdefault("odd" if form.cells(cells) is None else "surplus", number)
        if '"' in line:
            for kind in map(_marks, cells):
                first.setdefault(kind, number)
    if "open" not in first:
        names = f"marks around a whole field are not part of its text (row {first.get('whole')})"
        return form, [names] if first.get("whole", form.begin) != form.begin else []
    if first.keys() & {"odd", "surplus"}:
        mistake = _mistake_if_quoted(path, form)
        if mistake is None:
            return form, []
        if "odd" in first:
            also = f"{mistake.found} (with marks read as text, row {first['odd']} has too few or"
            raise InputError(mistake.where, f"{also} too many fields)", mistake.expected,
                             mistake.do)  # fmt: skip
    if "doubled" in first:
        raise refused(path, first["open"], "a quotation mark that opens a field and does not close "
                      f"it, while row {first['doubled']} has marks around a field",
                      "one way in all rows",
                      "Close the quote, or write the marks without doubling them")  # fmt: skip
    note = f"quotation marks are read as text (row {first['open']} begins a field with one)"
    return replace(form, quoted=False), [note]


def _mistake_if_quoted(path: Path, form: _Form) -> InputError | None:
    """Return why a file cannot be read as one whose fields are in quotes; None if it can."""
    try:
        for number, row in _quoted(path, form):
            if not _blank(row) and form.cells(row) is None:
                return _odd(path, number, row, form)
    except InputError as error:
        return error
    return None


def _marks(cell: str) -> str:
    """Return what the quotation marks of a field are: open, doubled, whole or other."""
    if not cell.startswith('"'):
        return "other"
    if not _WHOLE.fullmatch(cell):
        return "open"
    return "doubled" if '""' in cell else "whole"


def _body(path: Path, form: _Form) -> Iterator[tuple[int, str]]:
    """Yield the lines from the header on, without empty ones."""
    for number, line in lines(path, any_end=True):
        if number >= form.begin and line.strip():
            yield number, line


def _plain(path: Path, form: _Form) -> Iterator[tuple[int, list[str]]]:
    for number, line in _body(path, form):
        yield number, line.rstrip("\r\n").split(form.separator)


def _quoted(path: Path, form: _Form) -> Iterator[tuple[int, list[str]]]:
    held: list[str] = []  # the lines of a row
    seen: set[str] = set()
    count = 0

    def held_lines() -> Iterator[str]:
        for number, line in lines(path, any_end=True):
            if number >= form.begin:
                held.append(line)
                yield line

    reader = csv.reader(held_lines(), delimiter=form.separator, strict=True)
    while True:
        held.clear()
        begun = form.begin + reader.line_num
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise refused(path, begun, *_cure(error, begun, len(held), form)) from error
        if len(held) > 1 and _looks_like_rows(held, form, seen):
            raise refused(path, begun, f"a quotation mark that closes {len(held) - 1} lines below, "
                          "with what looks like whole rows between", "a quoted text",
                          "Close the quote in its row; write a mark that is text twice, in a "
                          'field in quotes ("""Where"" is it?")')  # fmt: skip
        count += 1
        if 1 < count < _SAMPLE:
            seen.update(f"{at} {cell}" for at, cell in enumerate(row) if 0 < len(cell) < 40)
        yield begun, row


def _cure(error: csv.Error, begun: int, count: int, form: _Form) -> tuple[str, str, str]:
    """Return what was found, what is expected and what to do about a row that csv cannot read."""
    said, name = str(error), _NAMES.get(form.separator, form.separator)
    twice = 'write a mark that is text twice, in a field in quotes: """Where"" is it?"'
    if "unexpected end" in said:
        return (
            "a quotation mark that opens a field and never closes",
            'text in quotes that close ("…")',
            f"Close the quote; {twice}",
        )
    if "larger than field limit" in said:
        return (
            f"a quoted text longer than {LONGEST:,} characters",
            "shorter ones",
            f"Close the quote in row {begun}, or cut the text",
        )
    if "expected after" in said and count > 1:
        return (
            f"a quotation mark that opens a field and closes before text in line "
            f"{begun + count - 1}",
            f"a {name} or the end of the row after it",
            f"Close the quote in row {begun}; {twice}",
        )
    if "expected after" in said:
        return (
            "text behind the quotation mark that closes a field",
            f"a {name} or the end of the row",
            "W" + twice[1:],
        )
    return f"a row that does not end well ({said})", "rows of text", "Correct the row"


def _looks_like_rows(held: Sequence[str], form: _Form, seen: set[str]) -> bool:
    """Tell whether each line of a row that spans several would be a row by itself.

    Of tab-separated lines their number of fields says so. Commas stand in sentences as well, but
    with white space behind them; few of them say little, so a value of earlier rows has to be
    there.
    """
    plain = [line.rstrip("\r\n").split(form.separator) for line in held]
    if form.separator == "\t":
        return form.width > 1 and all(form.cells(cells) is not None for cells in plain)
    if len(plain[0]) != form.width or form.width < 2:
        return False
    for line in held[1:]:
        cells = next(csv.reader([line.rstrip("\r\n")], delimiter=form.separator))
        if len(cells) != form.width:
            return False
        known = any(f"{at} {cell}" in seen for at, cell in enumerate(cells))
        if any(cell[:1].isspace() for cell in cells[1:]) or not (known or form.width > 3):
            return False
    return True


def _records(
    path: Path, rows: Iterator[tuple[int, list[str]]], names: Sequence[str], form: _Form
) -> Iterator[Record]:
    for number, row in rows:
        if _blank(row):
            continue
        cells = form.cells(row)
        if cells is None:
            raise _odd(path, number, row, form, names)
        if form.least < form.width and not _blank(cells[form.least :]):
            text = next(cell for cell in cells[form.least :] if cell.strip())
            name = _NAMES.get(form.separator, form.separator)
            raise refused(path, number, f"'{text[:40]}' in a column without a name",
                          "a name for each column", "Name the column in the header, or put quotes "
                          f"around text that holds a {name}")  # fmt: skip
        yield number, {column: cell for column, cell in zip(names, cells, strict=True) if column}


def _odd(
    path: Path, number: int, row: Sequence[str], form: _Form, names: Sequence[str] = ()
) -> InputError:
    """Return the error of a row that has not its file's columns."""
    name = _NAMES.get(form.separator, form.separator)
    if len(row) < form.width:
        cure = f"Write a {name} for each empty field, and text of several lines in quotes"
    elif any(re.match(r'\s+"', cell) for cell in row):
        cure = "Remove the white space before the quotation mark that opens a field"
    else:
        cure = f"Put quotes around text that holds a {name}"
    listed = f" ({', '.join(names)})" if names else ""
    return refused(path, number, f"{len(row)} columns", f"{form.width}{listed}", cure)


def _header(path: Path, row: Sequence[str], form: _Form) -> tuple[str, ...]:
    names = tuple(cell.strip().strip("\ufeff").strip() for cell in row)
    if twice := sorted(name for name, count in Counter(names).items() if name and count > 1):
        raise refused(path, form.begin, f"the column '{twice[0]}' twice", "each name once",
                      "Rename one")  # fmt: skip
    return names
