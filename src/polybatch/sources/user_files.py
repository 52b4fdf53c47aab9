"""Reading the user's own files of rows; mistakes are named with file, row and cure."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from polybatch.core.errors import InputError
from polybatch.sources.delimited import open_cells
from polybatch.sources.user_lines import LONGEST, CutLine, own_lines, refused
from polybatch.sources.user_rows import Broken, Record, RowFile

_CHUNK = 100_000  # rows held as Python objects
FIRST_ROWS = 10
"""Rows at the start of a file of which one has to be as expected: else it is another file."""

_TABLES = (".jsonl", ".csv", ".tsv")
_NO_ROWS = re.compile(
    r".*\.(md|rst|dvc|bib|cff|sha256|md5|py|sh|ipynb|log|bak|swp|(csv|tsv|jsonl)~)|~\$.*"
    r"|(readme|licen[sc]e|copying|notice|citation|authors|contributors|change(log|s)|version"
    r"|makefile|(sha256|md5|check)sums|thumbs|desktop)(\.(txt|pdf|html|db|ini))?",
    re.IGNORECASE,
)
"""Names of files that stand beside data and are none."""


class Columns:
    """Rows of a table, held as columns: a tenth of the memory that one dict per row takes."""

    def __init__(self, schema: pl.Schema) -> None:
        self._schema = schema
        self._parts: list[pl.DataFrame] = []
        self._rows: list[tuple[object, ...]] = []

    def add(self, *values: object) -> None:
        """Add a row, its values in the schema's order."""
        self._rows.append(values)
        if len(self._rows) >= _CHUNK:
            self._flush()

    def frame(self) -> pl.DataFrame:
        """Return all rows added so far.

        Example:
            >>> columns = Columns(pl.Schema({"lang": pl.String, "rows": pl.Int64}))
            >>> columns.add("sw", 3)
            >>> columns.frame().rows()
            [('sw', 3)]
        """
        self._flush()
        return pl.concat(self._parts)

    def _flush(self) -> None:
        self._parts.append(pl.DataFrame(self._rows, schema=self._schema, orient="row"))
        self._rows = []


def is_table(path: Path) -> bool:
    """Return whether a file has rows; False for what often stands beside data and has none.

    InputError for other files, which may be data: none is left out without a word.

    Example:
        >>> [is_table(Path(name)) for name in ("faq.csv", "faq.JSONL.GZ", "README", "faq.csv.dvc")]
        [True, True, False, False]
    """
    suffix = _suffix(path)
    if suffix in _TABLES:
        return True
    if _NO_ROWS.fullmatch(path.name):
        return False
    cure = "Write its objects a line: jq -c '.[]' old.json > new.jsonl"
    raise InputError(
        path,
        f"a file that ends in '{suffix}'",
        f"{', '.join(_TABLES[:-1])} or {_TABLES[-1]}, each also as .gz",
        f"{cure if suffix == '.json' else 'Convert it'}, or move it out of the folder",
    )


def open_rows(path: Path) -> RowFile:
    r"""Open a .jsonl, .csv or .tsv file (or one of them with .gz behind) to read its rows.

    InputError for a file that is none of them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "faq.jsonl"
        >>> _ = path.write_text('{"item_id": 1.0}\nnone\n')
        >>> list(open_rows(path).rows)
        [(1, {'item_id': '1.0'}), Broken(row=2, reason='no JSON (Expecting value)', text='none')]
    """
    if not is_table(path):
        raise InputError(path, "no file of rows", ".jsonl, .csv or .tsv", "Name another")
    suffix = _suffix(path)
    if suffix == ".jsonl":
        return RowFile(None, _objects(path))
    return open_cells(path, "\t" if suffix == ".tsv" else ",")


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def records(path: Path) -> Iterator[Record]:
    """Yield the rows of a file that has to be whole: InputError at the first that is broken."""
    for row in open_rows(path).rows:
        if isinstance(row, Broken):
            raise refused(path, row.row, row.reason, "a row that can be read", "Correct the row")
        yield row


def no_fields(
    path: Path, row: int, there: Sequence[str], needed: Sequence[str], gone: str
) -> InputError:
    """Return the error of a file whose rows lack one of the fields that are `needed`.

    Example:
        >>> no_fields(Path("a.tsv"), 1, ["qestion"], ["lang", "question"], "question").do
        "Did you mean 'qestion'? Write these names; tabs separate columns"
    """
    close = difflib.get_close_matches(gone, there, n=1)
    mean = f"Did you mean '{close[0]}'? " if close else ""
    tabs = "; tabs separate columns" if ".tsv" in path.suffixes else ""
    found = f"no text in '{gone}' (there: {', '.join(there)[:500] or 'nothing'})"
    expected = f"{', '.join(needed[:-1])} and {needed[-1]} in every row"
    return refused(path, row, found, expected, f"{mean}Write these names{tabs}")


class _Repeated(dict[str, Any]):
    """An object whose text has a key twice."""

    key = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    again = _Repeated(found)
    seen: set[str] = set()
    again.key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return again


# Numbers stay as they are written (an id 1.0 or 007 is not 1); NaN is how Python writes no value.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=str,
    parse_int=str,
    parse_constant={"NaN": None, "Infinity": "Infinity", "-Infinity": "-Infinity"}.get,
)


def _objects(path: Path) -> Iterator[Record | Broken]:
    """Yield the objects of a file; InputError if its first FIRST_ROWS lines are none."""
    held: list[Broken] | None = []  # the first lines, as long as none is an object
    for number, line in own_lines(path):
        text = line.strip().lstrip("\ufeff")
        if not text:
            continue
        row = _row(number, line, text)
        if held is None or not isinstance(row, Broken):
            yield from held or ()
            yield row
            held = None
        else:
            held.append(row)
            if len(held) == FIRST_ROWS or text == "{" or _is_open(held[0]):
                break
    if held:
        raise _no_jsonl(path, held[0])


def _is_open(line: Broken) -> bool:
    """Return whether a line begins a JSON array that goes on below."""
    return line.text.startswith("[") and line.reason.startswith("no JSON")


def _row(number: int, line: str, text: str) -> Record | Broken:
    if isinstance(line, CutLine):
        return Broken(number, f"a line longer than {LONGEST:,} characters", text)
    found = _fields(text)
    if not isinstance(found, str):
        return number, found
    if found.startswith("no JSON") and not line.endswith(("\n", "\r")):
        found += "; the file may be cut short here"
    return Broken(number, found.encode("utf-8", "backslashreplace").decode(), text)


def _fields(text: str) -> dict[str, Any] | str:
    """Return the object that a line is, or why it is none."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        return f"no JSON ({error.msg})"
    except RecursionError:
        return "no JSON (too many brackets in brackets)"
    if not isinstance(value, dict):
        return f"a JSON {type(value).__name__}, not an object"
    return f"the key '{value.key}' twice" if isinstance(value, _Repeated) else value


def _no_jsonl(path: Path, line: Broken) -> InputError:
    """Return the error of a file that is no JSONL."""
    cure = "Correct the line; a file cut short ends so"
    if line.text.startswith("["):
        cure = "A JSON array becomes lines by: jq -c '.[]' old.json > new.jsonl"
    elif "Extra data" in line.reason:
        cure = "Write one object per line, with nothing behind it"
    elif line.text.startswith("{"):
        cure = "Write each object on one line: jq -c . old.json > new.jsonl"
    return refused(path, line.row, line.reason, "one JSON object a line", cure)
