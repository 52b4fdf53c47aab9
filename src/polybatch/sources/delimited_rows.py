"""Rows of a delimited file whose form is known: their fields, or why they have none."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.core.languages import canonical
from polybatch.sources.user_lines import LONGEST, CutLine, own_lines, refused
from polybatch.sources.user_rows import Broken

NAMES = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "vertical bar"}
_SAMPLE = 1_000  # lines whose values show the form of a row

Cells = tuple[int, list[str]]
"""A row, by the line it begins on, and its fields."""

LONG = f"a line longer than {LONGEST:,} characters"


@dataclass(frozen=True)
class Form:
    """How a file is written. `begin`: the line of the header, from 1.

    `least` columns have to be there: the last of the `width` may have no name, and nothing in them.
    `spaced`: white space stands before the mark that opens a field in quotes.
    """

    separator: str
    begin: int
    width: int
    least: int
    quoted: bool = True
    spaced: bool = False

    def cells(self, row: Sequence[str]) -> Sequence[str] | None:
        """Return a row's `width` fields; None if it has too few, or text behind them.

        Example:
            >>> form = Form(",", begin=1, width=3, least=2)
            >>> form.cells(["sw", "text"]), form.cells(["sw", "text", "", "behind"])
            (['sw', 'text', ''], None)
        """
        if len(row) == self.width:
            return row
        if self.least <= len(row) < self.width:
            return [*row, *[""] * (self.width - len(row))]
        behind = row[self.width :]
        return row[: self.width] if behind and is_blank(behind) else None


def is_blank(cells: Sequence[str]) -> bool:
    """Return whether no field says anything.

    Example:
        >>> is_blank(["", " "]), is_blank(["", "sw"])
        (True, False)
    """
    return not any(cell.strip() for cell in cells)


def body(path: Path, form: Form) -> Iterator[tuple[int, str]]:
    """Yield the lines from the header on, without empty ones."""
    for number, line in own_lines(path):
        if number >= form.begin and line.strip():
            yield number, line


def plain_rows(path: Path, form: Form) -> Iterator[Cells | Broken]:
    r"""Yield the rows of a file whose quotation marks are text: a line each.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.tsv"
        >>> _ = path.write_text('lang\tquestion\nsw\t"Wapi\n')
        >>> list(plain_rows(path, Form("\t", begin=1, width=2, least=2, quoted=False)))
        [(1, ['lang', 'question']), (2, ['sw', '"Wapi'])]
    """
    for number, line in body(path, form):
        if isinstance(line, CutLine):
            yield Broken(number, LONG, line)
        else:
            yield number, line.rstrip("\r\n").split(form.separator)


def is_spaced(path: Path, form: Form) -> bool:
    r"""Return whether a file has white space behind each separator, and marks around fields there.

    Not where text stands behind such a mark that closes: then marks are text.

    Example:
        >>> import tempfile
        >>> path, form = Path(tempfile.mkdtemp()) / "a.csv", Form(",", begin=1, width=2, least=2)
        >>> for row in ('en, "Here, or there?"', 'en, "Here" or there?', "en, Here?"):
        ...     _ = path.write_text(f"lang,question\n{row}\n")
        ...     print(is_spaced(path, form))
        True
        False
        False
    """
    lines = (line for _, line in body(path, form) if not isinstance(line, CutLine))
    spaced = False
    try:
        for row in islice(csv.reader(lines, delimiter=form.separator), _SAMPLE):
            opened = [cell for cell in row[1:] if re.match(r'\s+"', cell)]
            whole = len(row) == form.width  # else a comma in quotes cuts a field in two
            if whole and any(re.match(r'\s+"([^"]|"")*"\s*[^"\s]', cell) for cell in opened):
                return False
            spaced |= bool(opened) and all(cell[:1].isspace() or not cell for cell in row[1:])
    except csv.Error:  # a field that never ends: which one, `quoted_rows` says
        return False
    return spaced


def quoted_rows(path: Path, form: Form) -> Iterator[Cells | Broken]:
    r"""Yield the rows of a file with fields in quotes.

    InputError at a mark that closes in another line than it should: its rows cannot be counted.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = path.write_text('lang,question\nsw,"Wapi,\n""hapa""?"\nen,Here?\n')
        >>> list(quoted_rows(path, Form(",", begin=1, width=2, least=2)))[1:]
        [(2, ['sw', 'Wapi,\n"hapa"?']), (4, ['en', 'Here?'])]
    """
    held: list[str] = []  # the lines of a row
    names, seen = list[str](), dict[str, set[str]]()  # how a column's first values begin

    def held_lines() -> Iterator[str]:
        for number, line in own_lines(path):
            if number >= form.begin:
                held.append(line)
                # in place of a line that is too long, one that leaves as many quotes open
                yield '"' * line.odd + "\n" if isinstance(line, CutLine) else line

    reader = csv.reader(
        held_lines(), delimiter=form.separator, strict=True, skipinitialspace=form.spaced
    )
    while True:
        held.clear()
        begun = form.begin + reader.line_num
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _broken(path, begun, held, form, error)
            continue
        if any(isinstance(line, CutLine) for line in held):
            yield Broken(begun, LONG, held[0])
            continue
        if len(held) > 1 and _looks_like_rows(held, form, names, seen):
            raise _swallowed(path, begun, len(held) - 1)
        if not names:
            names = [cell.strip().strip("\ufeff").strip() for cell in row]
        elif reader.line_num < _SAMPLE:
            for name, cell in zip(names, row, strict=False):
                seen.setdefault(name, set()).add(cell[:40].strip())
        yield begun, row


def _broken(path: Path, begun: int, held: Sequence[str], form: Form, error: csv.Error) -> Broken:
    """Return a row that csv cannot read; InputError where nobody knows which rows it holds."""
    found, expected, cure = _advice(error, begun, len(held), form)
    if len(held) > 1 or not found.startswith("text behind"):
        raise refused(path, begun, found, expected, cure) from error
    return Broken(begun, f"{found}: {cure[:1].lower()}{cure[1:]}", held[0])


def _swallowed(path: Path, begun: int, below: int) -> InputError:
    """Return the error of a quoted text that holds what looks like rows."""
    return refused(path, begun, f"a quotation mark that closes {below} lines below, "
                   "with what looks like whole rows between", "a quoted text",
                   "Close the quote in its row; write a mark that is text twice, in a "
                   'field in quotes ("""Where"" is it?")')  # fmt: skip


def _advice(error: csv.Error, begun: int, count: int, form: Form) -> tuple[str, str, str]:
    """Return what was found, what is expected and what to do about a row that csv cannot read."""
    message, name = str(error), NAMES.get(form.separator, form.separator)
    twice = 'write a mark that is text twice, in a field in quotes: """Where"" is it?"'
    if "unexpected end" in message:
        return (
            "a quotation mark that opens a field and never closes",
            'text in quotes that close ("…")',
            f"Close the quote; {twice}",
        )
    if "larger than field limit" in message:
        return (
            f"a quoted text longer than {LONGEST:,} characters",
            "shorter ones",
            f"Close the quote in row {begun}, or cut the text",
        )
    if "expected after" in message and count > 1:
        return (
            f"a quotation mark that opens a field and closes before text in line "
            f"{begun + count - 1}",
            f"a {name} or the end of the row after it",
            f"Close the quote in row {begun}; {twice}",
        )
    if "expected after" in message:
        return (
            "text behind the quotation mark that closes a field",
            f"a {name} or the end of the row",
            "W" + twice[1:],
        )
    return f"a row that does not end well ({message})", "rows of text", "Correct the row"


def _looks_like_rows(
    held: Sequence[str], form: Form, names: Sequence[str], seen: Mapping[str, set[str]]
) -> bool:
    """Return whether each line of a row that spans several would be a row by itself.

    Of tab-separated lines their number of fields says so. Commas stand in texts as well: there a
    line has to have the language or the item of another row, too.
    """
    plain = [line.rstrip("\r\n").split(form.separator) for line in held]
    if form.separator == "\t":
        return form.width > 1 and all(form.cells(cells) is not None for cells in plain)
    if len(plain[0]) != form.width or form.width < 2:
        return False
    first = zip(names, plain[0], strict=False)
    known = {name: {cell.strip()} | seen.get(name, set()) for name, cell in first}
    for line in held[1:]:
        text = [line.rstrip("\r\n")]
        cells = next(csv.reader(text, delimiter=form.separator, skipinitialspace=form.spaced))
        if len(cells) != form.width or any(cell[:1].isspace() for cell in cells[1:]):
            return False
        if not _is_of_table(dict(zip(names, cells, strict=False)), known):
            return False
    return True


def _is_of_table(row: Mapping[str, str], known: Mapping[str, set[str]]) -> bool:
    """Return whether a line's language, item or other fields are those of rows of its table.

    Example:
        >>> known = {"item_id": {"q1", "q2"}, "lang": {"en"}, "answer": {"Yes."}}
        >>> rows = (("q3", "en", "No."), ("q1", "sw", "No."), ("open", "choose", "save"))
        >>> [_is_of_table(dict(zip(known, row)), known) for row in rows]
        [True, True, False]
        >>> [_is_of_table({"item_id": item}, {"item_id": {"q1"}}) for item in ("q2", "open")]
        [True, False]
    """
    item, lang = row.get("item_id", ""), row.get("lang", "")
    if "lang" in row:
        same = item in known.get("item_id", ())
        return bool(lang) and (lang in known["lang"] or (same and canonical(lang) is not None))
    if "item_id" in row:
        forms = {re.sub(r"[0-9]+", "0", one) for one in known["item_id"]}
        numbered = re.sub(r"[0-9]+", "0", item)
        return item in known["item_id"] or ("0" in numbered and numbered in forms)
    return any(cell and cell in known[name] for name, cell in row.items())


def misfit(row: Cells, form: Form) -> Broken | None:
    """Return a row that does not fit its file's columns, and why; None for others.

    Example:
        >>> row = misfit((7, ["sw", "Wapi", " hapa"]), Form(",", begin=1, width=2, least=2))
        >>> row.row, row.reason
        (7, '3 columns, expected 2: put quotes around text that holds a comma')
    """
    number, given = row
    if len(given) == form.width == form.least:
        return None
    cells, name = form.cells(given), NAMES.get(form.separator, form.separator)
    if is_blank(given):
        return None
    if cells is not None and not is_blank(cells[form.least :]):
        text = next(cell for cell in cells[form.least :] if cell.strip())
        reason = f"'{text[:40]}' in a column without a name: name it, or put quotes around text " \
                 f"that holds a {name}"  # fmt: skip
    elif cells is not None:
        return None
    elif len(given) < form.width:
        reason = f"a {name} for each empty field is missing, or quotes around text of several lines"
    elif any(re.match(r'\s+"', cell) for cell in given):
        reason = "white space before the quotation mark that opens a field"
    else:
        reason = f"put quotes around text that holds a {name}"
    if cells is None:
        reason = f"{len(given)} columns, expected {form.width}: {reason}"
    return Broken(number, reason, form.separator.join(given))
