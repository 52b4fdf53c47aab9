"""Text files as publishers and users write them: read line by line, with the place of a fault."""

from __future__ import annotations

from pathlib import Path

from polybatch.core.errors import InputError


def decoded(path: Path) -> str:
    r"""Return a file's text; InputError names the file and the line that is not UTF-8.

    A byte-order mark at the start is no part of the text.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> _ = path.write_bytes(b"Wapi?\ncaf\xe9\n")
        >>> decoded(path)
        Traceback (most recent call last):
        polybatch.core.errors.InputError: ...a.txt:2: found the byte 0xe9, which is not UTF-8 ...
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            path,
            error.strerror or repr(error),
            "a file of this source",
            "Run `dvc repro`: the download stage fetches it",
        ) from error
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}:{line}",
            f"the byte 0x{content[error.start]:02x}, which is not UTF-8 there",
            "text in UTF-8",
            "Save the file as UTF-8 (iconv -f <its encoding> -t utf-8)",
        ) from error


def lines(path: Path) -> list[str]:
    r"""Return the lines of a file, without line ends; only LF and CR LF end a line.

    `str.splitlines` would also cut at the line separators that stand inside sentences of some
    languages, and the lines of parallel files would no longer match.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> _ = path.write_bytes("one\u2028sentence\r\nanother\n".encode())
        >>> lines(path)
        ['one\u2028sentence', 'another']
    """
    found = decoded(path).split("\n")
    if found and not found[-1]:
        found.pop()
    return [line.removesuffix("\r") for line in found]
