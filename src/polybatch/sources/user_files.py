"""Reading the user's own text files: bounded lines; mistakes are named with file, row and cure."""

from __future__ import annotations

import codecs
import difflib
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import polars as pl

from polybatch.errors import InputError

LONGEST = 4_000_000  # characters of a line: a longer one is no question and no document
_BOMB = 200  # times its own size that a .gz may unpack to, above _SMALL characters
_SMALL = 100_000_000
_EMPTY = 1_000_000  # empty lines in a row
_CHUNK = 100_000  # rows held as Python objects
_CUT = (EOFError, zlib.error, gzip.BadGzipFile)  # of a .gz that is not whole

Record = tuple[int, dict[str, Any]]
"""Row (the line it begins on, from 1) and fields."""


@dataclass(frozen=True)
class Broken:
    """A row that has no fields: why, and what it says."""

    row: int
    reason: str
    text: str


@dataclass(frozen=True)
class RowFile:
    """A file's rows. `columns`: the names of its header; None for JSONL, which has none.

    `notes`: how the file was read where that is not plain.
    """

    columns: tuple[str, ...] | None
    rows: Iterator[Record | Broken]
    notes: tuple[str, ...] = ()


class Columns:
    """Rows of a table, held as columns: a tenth of the memory that a dict a row takes."""

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
        """Return all rows added so far."""
        self._flush()
        return pl.concat(self._parts)

    def _flush(self) -> None:
        self._parts.append(pl.DataFrame(self._rows, schema=self._schema, orient="row"))
        self._rows = []


def lines(path: Path, any_end: bool = False) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of a text file (plain or .gz), its end left on.

    UTF-8, or UTF-16 with a byte order mark; the mark is dropped. LF ends a line; with `any_end`, CR
    does as well. InputError for other encodings, for lines longer than LONGEST, for very many empty
    lines, and for a .gz that is cut, broken or a bomb.
    """
    number = total = empty = 0
    most = max(_SMALL, _BOMB * path.stat().st_size) if path.is_file() else 0
    with ExitStack() as stack:
        newline = "" if any_end else "\n"
        stream = stack.enter_context(_text(path, newline))
        for line in _pieces(stream, path, newline):
            number, total = number + 1, total + len(line)
            empty = empty + 1 if line in ("\n", "\r\n", "\r") else 0
            if len(line) > LONGEST:
                long = f"a line longer than {LONGEST:,} characters"
                raise refused(path, number, long, "a row a line",
                              "Check that the file is text with line ends")  # fmt: skip
            if empty > _EMPTY:
                raise refused(path, number, f"{_EMPTY:,} empty lines in a row", "rows",
                              "Check that the file is the one you mean")  # fmt: skip
            if total > most and path.suffix == ".gz":
                raise refused(path, number, f"more than {most:,} characters unpacked",
                              "a file that packs as text does", "Unpack it and look")  # fmt: skip
            yield number, line.lstrip("\ufeff") if number == 1 else line


def open_rows(path: Path) -> RowFile:
    """Open a .jsonl, .csv or .tsv file (or one of them with .gz behind) to read its rows."""
    from polybatch.sources.delimited import open_cells  # it reads lines with this module

    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix == ".jsonl":
        return RowFile(None, _objects(path))
    if suffix in (".csv", ".tsv"):
        return open_cells(path, "\t" if suffix == ".tsv" else ",")
    raise InputError(
        path,
        f"a file that ends in '{suffix}'",
        ".jsonl, .csv or .tsv",
        "Convert it, or move it out of the folder",
    )


def records(path: Path) -> Iterator[Record]:
    """Yield the rows of a file that has to be whole: InputError at the first that is broken."""
    for row in open_rows(path).rows:
        if isinstance(row, Broken):
            raise refused(path, row.row, row.reason, "a row that can be read", "Correct the row")
        yield row


def no_fields(
    path: Path, row: int, there: Sequence[str], needed: Sequence[str], gone: str
) -> InputError:
    """Return the error of a file whose rows lack one of the fields that are `needed`."""
    close = difflib.get_close_matches(gone, there, n=1)
    mean = f"Did you mean '{close[0]}'? " if close else ""
    tabs = "; tabs separate columns" if ".tsv" in path.suffixes else ""
    found = f"no text in '{gone}' (there: {', '.join(there)[:500] or 'nothing'})"
    expected = f"{', '.join(needed[:-1])} and {needed[-1]} in every row"
    return refused(path, row, found, expected, f"{mean}Write these names{tabs}")


def refused(path: Path, row: int, found: str, expected: str, do: str) -> InputError:
    """Return the error that a row of a file is."""
    return InputError(f"{path}:{row}", found, expected, do)


def _bytes(path: Path) -> IO[bytes]:
    try:
        head = path.open("rb")
    except OSError as error:
        raise InputError(
            path,
            (error.strerror or repr(error)).lower(),
            "a file of yours",
            "Check sources.<name>.folder",
        ) from error
    packed = path.suffix == ".gz"
    with head:
        start = head.read(4)
    if start[:2] == b"\x1f\x8b" and not packed:
        raise InputError(path, "a packed file (gzip)", "text", f"Name it {path.name}.gz")
    if start == b"PK\x03\x04":
        raise InputError(path, "a workbook or zip archive", "text",
                         "Save it as text ('CSV UTF-8' in Excel)")  # fmt: skip
    return cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb")


def _text(path: Path, newline: str, errors: str = "strict") -> io.TextIOWrapper:
    """Open a file as text. Its byte order mark, if any, decides the encoding."""
    stream = _bytes(path)
    try:
        start = stream.read(2)
        stream.seek(0)
    except _CUT as error:
        raise _not_whole(path, 1, error) from error
    wide = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if wide else "utf-8"
    return io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline=newline)


def _pieces(stream: io.TextIOWrapper, path: Path, newline: str) -> Iterator[str]:
    number = 0
    try:
        while line := stream.readline(LONGEST + 1):
            number += 1
            yield line
    except _CUT as error:
        raise _not_whole(path, number + 1, error) from error
    except UnicodeDecodeError as error:
        if stream.encoding == "utf-16":
            raise refused(path, number + 1, "broken UTF-16", "text in UTF-8",
                          "Save it as UTF-8 ('CSV UTF-8' in Excel)") from error  # fmt: skip
        try:
            raise _undecodable(path, newline) from error
        except _CUT as cut:  # looking for the line reads on, to where the .gz ends
            raise _not_whole(path, number + 1, cut) from cut


def _not_whole(path: Path, number: int, error: Exception) -> InputError:
    return refused(path, number, f"a broken .gz ({error})", "a whole one", "Copy or fetch it again")


def _undecodable(path: Path, newline: str) -> InputError:
    """Return an error that names the first line that is not UTF-8."""
    with _text(path, newline, "surrogateescape") as again:
        for number, line in enumerate(iter(lambda: again.readline(LONGEST), ""), 1):
            raw = line.encode("utf-8", "surrogateescape")
            try:
                raw.decode()
            except UnicodeDecodeError as error:
                around = raw[max(0, error.start - 12) : error.start + 12]
                near = around.decode("cp1252", "replace").strip()
                found = f"byte 0x{raw[error.start]:02X}, which is not UTF-8, near '{near}'"
                return refused(path, number, found, "UTF-8 in every line",
                               "Save the file as UTF-8; parts of it seem to be in an older "
                               "encoding (Windows-1252)")  # fmt: skip
    return refused(path, 1, "bytes that are not UTF-8", "UTF-8", "Save the file as UTF-8")


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
    first = True
    for number, line in lines(path, any_end=True):
        text = line.strip().lstrip("\ufeff")
        if not text:
            continue
        found = _fields(text)
        if isinstance(found, str):
            if first or not line.endswith(("\n", "\r")):
                raise _no_jsonl(path, number, text, found, first)
            yield Broken(number, found.encode("utf-8", "backslashreplace").decode(), text)
        else:
            yield number, found
        first = False


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


def _no_jsonl(path: Path, number: int, text: str, found: str, first: bool) -> InputError:
    """Return the error of a file whose first line is no object, or whose last is cut."""
    cure = "Correct the line; a file cut short ends so"
    if first and text.startswith("["):
        cure = "A JSON array becomes lines by: jq -c '.[]' old.json > new.jsonl"
    elif first and text.startswith("{"):
        cure = "Write each object on one line: jq -c . old.json > new.jsonl"
    return refused(path, number, found, "one JSON object a line", cure)
