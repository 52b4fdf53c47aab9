"""CSV and TSV as people have them: which separator, and whether quotation marks are text.

In CSV a field that begins with a quotation mark is quoted. In TSV it may be, or the mark is text;
the whole file decides, and a file in which neither holds for all rows is refused with the row. So
is a mark that closes in another row than it should: how many rows it holds, nobody can know. Other
rows that do not fit the header are `Broken`, and the rest of the file is read.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.sources.delimited_rows import (
    LONG,
    NAMES,
    Cells,
    Form,
    body,
    is_blank,
    is_spaced,
    misfit,
    plain_rows,
    quoted_rows,
)
from polybatch.sources.user_lines import LONGEST, CutLine, own_lines, refused, too_long
from polybatch.sources.user_rows import Broken, Record, RowFile

_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # where Excel reads the separator
_NOTHING = "".join(NAMES) + '"\ufeff \r\n'  # what a line without any text is made of
_WHOLE = re.compile(r'"(?:[^"]|"")*"')  # a field in quotes


def open_cells(path: Path, separator: str) -> RowFile:
    r"""Open a file of columns; `separator` is what its name promises.

    Raises:
        InputError: the header cannot be read as names of columns.

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
    notes = [] if found == separator else [f"read as separated by {NAMES.get(found, found)}s"]
    form = _form(found, begin, next(csv.reader([header], delimiter=found)))
    if found == "\t":
        form, more = _quoting(path, form)
        notes += more
    elif is_spaced(path, form):
        form = replace(form, spaced=True)
        notes.append("white space before marks around a field is left out")
    rows = quoted_rows(path, form) if form.quoted else plain_rows(path, form)
    first = next(rows)
    if isinstance(first, Broken):
        raise refused(path, begin, first.reason, "the names of the columns", "Correct the header")
    names = _header(path, first[1], form)
    form = _form(found, begin, first[1])  # a name in quotes may span lines
    return RowFile(names, _records(rows, names, form), tuple(notes))


def _form(separator: str, begin: int, header: Sequence[str], quoted: bool = True) -> Form:
    least = max((at for at, name in enumerate(header, 1) if name.strip()), default=0)
    return Form(separator, begin, len(header), least, quoted)


def _separator(path: Path, separator: str) -> tuple[int, str, str]:
    """Return the header's line, the separator, and the header, '' where there is none."""
    given = ""
    for number, line in own_lines(path):
        if "\0" in line:
            raise refused(path, number, "a NUL character", "text in UTF-8",
                          "Save it as text in UTF-8 ('CSV UTF-8' in Excel)")  # fmt: skip
        if not given and (separator_line := _SEP_LINE.fullmatch(line)):
            given = separator_line[1]
        elif isinstance(line, CutLine):
            raise too_long(path, number)
        elif line.strip(_NOTHING):
            bare = re.sub(r'"[^"]*"', "", line.rstrip("\r\n"))
            most = max((separator, *NAMES), key=bare.count)  # marks stand in names as well
            kept = separator == "\t" and separator in bare
            return number, given or (separator if kept else most), line
    return 0, given or separator, ""


def _quoting(path: Path, form: Form) -> tuple[Form, list[str]]:
    """Return the form with the quoting that a whole tab-separated file shows, and notes."""
    first: dict[str, int] = {}  # the first row of each kind
    for number, line in body(path, form):
        if isinstance(line, CutLine):
            continue
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


def _mistake_if_quoted(path: Path, form: Form) -> InputError | None:
    """Return why a file cannot be read as one whose fields are in quotes; None if it can."""
    try:
        for row in quoted_rows(path, form):
            bad = row if isinstance(row, Broken) else misfit(row, form)
            if bad and not bad.reason.startswith(LONG):
                return refused(path, bad.row, bad.reason, f"{form.width} columns", "Correct it")
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


def _records(
    rows: Iterator[Cells | Broken], names: Sequence[str], form: Form
) -> Iterator[Record | Broken]:
    for row in rows:
        if isinstance(row, Broken):
            yield row
        elif bad := misfit(row, form):
            yield bad
        elif not is_blank(row[1]):
            cells = form.cells(row[1]) or ()
            yield row[0], {name: cell for name, cell in zip(names, cells, strict=True) if name}


def _header(path: Path, row: Sequence[str], form: Form) -> tuple[str, ...]:
    names = tuple(cell.strip().strip("\ufeff").strip() for cell in row)
    if twice := sorted(name for name, count in Counter(names).items() if name and count > 1):
        raise refused(path, form.begin, f"the column '{twice[0]}' twice", "each name once",
                      "Rename one")  # fmt: skip
    return names
