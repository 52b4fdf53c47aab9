"""Reading the user's own text files: bounded lines, and mistakes told with file, row and cure."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

import polars as pl

from polybatch.errors import InputError

LONGEST = 4_000_000  # bytes of a line: a longer one is no question and no document
_BOMB = 200  # times its own size that a .gz may unpack to, above _SMALL bytes
_SMALL = 100_000_000
_CHUNK = 100_000  # rows held as Python objects

Record = tuple[int, dict[str, Any]]
"""Row (the line it begins on, from 1) and fields."""


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


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line of UTF-8 (plain or .gz), its end left on.

    A byte order mark, as Excel writes it, is dropped. InputError for other encodings, for lines
    longer than LONGEST bytes, and for a .gz that is cut, broken or a bomb.
    """
    total, most = 0, max(_SMALL, _BOMB * path.stat().st_size)
    with ExitStack() as stack:
        stream = cast("IO[bytes]", stack.enter_context(_open(path)))
        for number, line in enumerate(_pieces(stream, path), 1):
            total += len(line)
            if len(line) > LONGEST:
                cure = "Check that the file is text with line ends"
                raise _refused(
                    path, number, f"a line longer than {LONGEST:,} bytes", "a row a line", cure
                )
            if path.suffix == ".gz" and total > most:
                raise _refused(path, number, f"more than {most:,} bytes unpacked",
                               "a file that packs as text does", "Unpack it and look")  # fmt: skip
            yield number, _decoded(line, path, number)


def records(path: Path) -> Iterator[Record]:
    """Yield the rows of a .jsonl, .csv or .tsv file (or of one of them with .gz behind)."""
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix == ".jsonl":
        yield from _objects(path)
    elif suffix in (".csv", ".tsv"):
        yield from _cells(path, "\t" if suffix == ".tsv" else ",")
    else:
        raise InputError(
            path,
            f"a file that ends in '{suffix}'",
            ".jsonl, .csv or .tsv",
            "Convert it, or move it out of the folder",
        )


def _open(path: Path) -> Any:
    try:
        return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")
    except FileNotFoundError as error:
        raise InputError(
            path, "no such file", "a file of yours", "Check sources.<name>.folder"
        ) from error


def _pieces(stream: IO[bytes], path: Path) -> Iterator[bytes]:
    number = 0
    try:
        while line := stream.readline(LONGEST + 1):
            number += 1
            yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _refused(path, number + 1, f"a broken .gz ({error})", "a whole one",
                       "Copy or fetch it again") from error  # fmt: skip


def _decoded(line: bytes, path: Path, number: int) -> str:
    if number == 1:
        for mark, name in ((codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16")):
            if line.startswith(mark):
                raise _refused(path, 1, name, "UTF-8", "Save it as UTF-8 ('CSV UTF-8' in Excel)")
        line = line.removeprefix(codecs.BOM_UTF8)
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        around = line[max(0, error.start - 12) : error.start + 12].decode("cp1252", "replace")
        found = f"byte 0x{line[error.start]:02X}, which is no UTF-8, near '{around.strip()}'"
        cure = "Save the file as UTF-8; parts of it seem to be in an older encoding (Windows-1252)"
        raise _refused(path, number, found, "UTF-8 in every line", cure) from error


def _objects(path: Path) -> Iterator[Record]:
    for number, line in lines(path):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _refused(path, number, f"no JSON ({error})", "one JSON object a line",
                               "Mend the line; a file cut short ends so") from error  # fmt: skip
            if not isinstance(value, dict):
                raise _refused(path, number, f"a JSON {type(value).__name__}",
                               "one JSON object a line", 'Write {"item_id": …, …}')  # fmt: skip
            yield number, value


def _cells(path: Path, separator: str) -> Iterator[Record]:
    begun = 1

    def counted() -> Iterator[str]:
        for _, line in lines(path):
            yield line

    reader = csv.reader(counted(), delimiter=separator, strict=True)
    header: list[str] | None = None
    while True:
        begun = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cure = "Close the quote; write a quote inside a quoted text twice"
            raise _refused(path, begun, f"a row that does not end well ({error})",
                           'text in quotes that close ("…")', cure) from error  # fmt: skip
        if header is None:
            header = _header(path, row, separator)
        elif any(cell.strip() for cell in row):
            if len(row) != len(header):
                name = "tab" if separator == "\t" else "comma"
                raise _refused(path, begun, f"{len(row)} columns",
                               f"{len(header)} ({', '.join(header)})",
                               f"Put quotes around text that holds a {name}")  # fmt: skip
            yield begun, dict(zip(header, row, strict=True))


def _header(path: Path, row: list[str], separator: str) -> list[str]:
    names = [cell.strip() for cell in row]
    for mark, told in (("\t", "tabs"), (";", "semicolons"), (",", "commas")):
        if len(names) == 1 and mark in names[0]:
            cure = "Rename it to .tsv" if mark == "\t" else "Save it with commas, as .csv"
            raise _refused(path, 1, f"columns separated by {told}",
                           "tabs" if separator == "\t" else "commas", cure)  # fmt: skip
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _refused(path, 1, f"the column '{twice[0]}' twice", "each name once", "Rename one")
    return names


def _refused(path: Path, number: int, found: str, expected: str, do: str) -> InputError:
    return InputError(f"{path}:{number}", found, expected, do)
