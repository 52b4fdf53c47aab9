"""Lines of the user's own text files, plain or .gz: bounded, and refused where they are no text."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

from polybatch.core.errors import InputError

LONGEST = 4_000_000  # characters of a line: a longer one is no question and no document
SHOWN = 200  # characters of such a line that are kept
_BOMB = 200  # times its own size that a .gz may unpack to, above _SMALL characters
_SMALL = 100_000_000
_EMPTY = 1_000_000  # empty lines in a row
_CUT = (EOFError, zlib.error, gzip.BadGzipFile)  # of a .gz that is not whole
_HEAD = 24  # bytes that say what a file is
_GZ = b"\x1f\x8b"
_UNPACK = "Unpack it"
_KINDS: dict[bytes, tuple[str, str]] = {
    _GZ: ("a packed file (gzip)", _UNPACK),
    b"BZh9": ("a packed file (bzip2)", _UNPACK),
    b"\xfd7zXZ": ("a packed file (xz)", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("a packed file (zstd)", _UNPACK),
    b"7z\xbc\xaf": ("an archive (7-Zip)", _UNPACK),
    b"PK\x03\x04": ("a workbook or zip archive", "Save it as text ('CSV UTF-8' in Excel)"),
    b"PK\x05\x06": ("an empty zip archive", "Pack it again, or fetch it again"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Save it as text ('CSV UTF-8' in Excel)"),
    b"%PDF": ("a PDF", "Save its table as text"),
    b"PAR1\x15": ("a Parquet file", "Write it as text: polars.read_parquet(…).write_ndjson(…)"),
    b"SQLite format": ("a database (SQLite)", "Write its table as text: sqlite3 -csv -header"),
    b"version https://git-lfs": ("a pointer of Git LFS", "Fetch the file itself: git lfs pull"),
    b"<!DOCTYPE": ("a web page", "Fetch the file itself; the address may ask for a login"),
    b"<html": ("a web page", "Fetch the file itself; the address may ask for a login"),
    b"<?xml": ("XML", "Write its rows as CSV or JSONL"),
}
"""How files begin that are no text of rows: what they are, and what to do."""


class CutLine(str):
    """The beginning of a line longer than LONGEST, and its end of line.

    `odd`: whether the whole line has an odd number of quotation marks.
    """

    odd: bool

    @classmethod
    def of(cls, text: str, end: str, odd: bool) -> CutLine:
        r"""Return a line of which `text` is the beginning.

        Example:
            >>> line = CutLine.of("a" * 9_999, "\n", odd=False)
            >>> len(line) == SHOWN + 1, line.odd
            (True, False)
        """
        line = cls(text[:SHOWN] + end)
        line.odd = odd
        return line


def lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Yield number and text of each line of a text file (plain or .gz), its end left on.

    UTF-8, or UTF-16 with a byte order mark; the mark is dropped. LF ends a line. InputError for
    other encodings, for lines longer than LONGEST, for very many empty lines, and for a .gz that is
    cut, broken or a bomb.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "faq.txt"
        >>> _ = path.write_bytes("Wapi?\r\nHapa.".encode("utf-16"))
        >>> list(lines(path))
        [(1, 'Wapi?\r\n'), (2, 'Hapa.')]
    """
    for number, line in _lines(path, "\n"):
        if isinstance(line, CutLine):
            raise too_long(path, number)
        yield number, line


def own_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Yield lines as `lines` does; CR ends one, too, and one longer than LONGEST is a CutLine.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "faq.txt"
        >>> _ = path.write_bytes(b"Wapi?\rHapa.\n")
        >>> list(own_lines(path))
        [(1, 'Wapi?\r'), (2, 'Hapa.\n')]
    """
    return _lines(path, "")


def too_long(path: Path, number: int) -> InputError:
    """Return the error of a line that has to be read and is too long.

    Example:
        >>> too_long(Path("a.csv"), 2).where
        'a.csv:2'
    """
    return refused(path, number, f"a line longer than {LONGEST:,} characters", "one row per line",
                   "Check that the file is text with line ends")  # fmt: skip


def refused(path: Path, row: int, found: str, expected: str, do: str) -> InputError:
    """Return the error that a row of a file is.

    Example:
        >>> print(refused(Path("a.csv"), 2, "1 column", "3", "Separate columns by commas"))
        a.csv:2: found 1 column, expected 3. Separate columns by commas.
    """
    return InputError(f"{path}:{row}", found, expected, do)


def is_packed(path: Path) -> bool:
    """Return whether a file is a .gz by its name.

    Example:
        >>> is_packed(Path("faq.csv.GZ")), is_packed(Path("faq.csv"))
        (True, False)
    """
    return path.suffix.lower() == ".gz"


def _lines(path: Path, newline: str) -> Iterator[tuple[int, str]]:
    number = empty = 0
    with ExitStack() as stack:
        stream = stack.enter_context(_text(path, newline))
        for number, line in enumerate(_pieces(stream, path, newline), 1):
            empty = empty + 1 if line in ("\n", "\r\n", "\r") else 0
            if empty > _EMPTY:
                raise refused(path, number, f"{_EMPTY:,} empty lines in a row", "rows",
                              "Check that the file is the one you mean")  # fmt: skip
            first = number == 1 and not isinstance(line, CutLine)
            yield number, line.lstrip("\ufeff") if first else line


def _pieces(stream: io.TextIOWrapper, path: Path, newline: str) -> Iterator[str]:
    """Yield lines; a longer one is read to its end and cut."""
    number = total = 0
    most = max(_SMALL, _BOMB * path.stat().st_size) if is_packed(path) else None
    try:
        while piece := stream.readline(LONGEST + 1):
            number, total, begin, odd = number + 1, total + len(piece), piece, False
            while len(begin) > LONGEST:
                odd ^= bool(piece.count('"') % 2)
                if piece.endswith(("\n", "\r")) or not (piece := stream.readline(LONGEST + 1)):
                    break
                total += len(piece)
                _refuse_bomb(path, number, total, most)
            _refuse_bomb(path, number, total, most)
            end = piece[len(piece.rstrip("\r\n")) :]
            yield CutLine.of(begin, end, odd) if len(begin) > LONGEST else begin
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


def _refuse_bomb(path: Path, number: int, total: int, most: int | None) -> None:
    if most is not None and total > most:
        raise refused(path, number, f"more than {most:,} characters unpacked",
                      "a file that packs as text does", "Unpack it and look")  # fmt: skip


def _bytes(path: Path) -> IO[bytes]:
    try:
        with path.open("rb") as head:
            start = head.read(_HEAD)
    except OSError as error:
        raise InputError(
            path,
            (error.strerror or repr(error)).lower(),
            "a file of yours",
            "Check sources.<name>.folder",
        ) from error
    packed = is_packed(path)
    if not (packed and start.startswith(_GZ)):
        _refuse_kind(path, start)
    return cast("IO[bytes]", gzip.open(path, "rb")) if packed else path.open("rb")


def _text(path: Path, newline: str, errors: str = "strict") -> io.TextIOWrapper:
    """Open a file as text. Its byte order mark, if any, decides the encoding."""
    stream = _bytes(path)
    try:
        start = stream.read(_HEAD)
        stream.seek(0)
    except _CUT as error:
        raise _not_whole(path, 1, error) from error
    _refuse_kind(path, start)
    wide = start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if wide else "utf-8"
    return io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline=newline)


def _refuse_kind(path: Path, start: bytes) -> None:
    """Raise InputError if a file, or what is packed in it, begins as one that is no text."""
    for mark, (found, cure) in _KINDS.items():
        if start.removeprefix(codecs.BOM_UTF8).startswith(mark):
            name = mark == _GZ and not is_packed(path)
            inside = "a .gz of text" if is_packed(path) else "text"
            raise InputError(path, found, inside, f"Name it {path.name}.gz" if name else cure)


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
                               "encoding (Windows-1252, or that of your language): "
                               "iconv -f WINDOWS-1252 -t UTF-8")  # fmt: skip
    return refused(path, 1, "bytes that are not UTF-8", "UTF-8", "Save the file as UTF-8")
