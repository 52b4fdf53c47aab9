"""Translation memories (TMX) in zip archives, read without trusting them.

Nothing is written to disk, so no member's name can lead anywhere; a document type, and with it
every entity that could grow or reach out, is refused; and no more is unpacked than a limit.
"""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from polybatch.core.errors import InputError

_LIMIT = 64 << 20  # bytes unpacked of one memory; TICO-19's largest has 2.6 million
_BROKEN = (
    *(OSError, ValueError, LookupError, RuntimeError, EOFError, OverflowError, struct.error),
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError),
)
_CODES = ("bpt", "ept", "it", "ph", "ut")  # elements of TMX that hold markup, not language
_PARENTS = {"seg": "tuv", "tuv": "tu", "tu": "body"}
Unit = tuple[str, dict[str, str]]


def units(path: Path) -> Iterator[Unit]:
    """Yield each unit's id and its sentences by language (the file's own words) of a zipped TMX.

    InputError where the archive, the XML or its form is not as expected.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.zip"
        >>> text = '<body><tu tuid="7"><tuv xml:lang="sw"><seg>Hapa<ph/>.</seg></tuv></tu></body>'
        >>> with zipfile.ZipFile(path, "w") as archive:
        ...     archive.writestr("a.tmx", text)
        >>> list(units(path))
        [('7', {'sw': 'Hapa.'})]
    """
    reader = _Reader()
    try:
        reader.parser.Parse(_content(path), True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise InputError(
            f"{path}:{reader.parser.CurrentLineNumber}",
            f"{type(error).__name__} ({error})",
            "TMX: units with an id, sentences with a language, no document type",
            "Fetch it again: `dvc repro -f -s` of its download stage",
        ) from error
    yield from reader.units


def _content(path: Path) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".tmx")]
            if len(names) != 1:
                raise ValueError(f"{len(names)} members that end in .tmx")
            with archive.open(names[0]) as stream:
                content = stream.read(_LIMIT + 1)
            if len(content) > _LIMIT:
                raise ValueError(f"more than {_LIMIT} bytes in {names[0]}")
            return content
    except _BROKEN as error:
        raise InputError(
            path,
            f"{type(error).__name__} ({error})",
            f"a zip archive with one .tmx of at most {_LIMIT} bytes",
            "Fetch it again: `dvc repro -f -s` of its download stage",
        ) from error


class _Reader:
    """Collects units; `parser` is fed from outside."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._open: list[str] = []
        self._lang, self._codes = "", 0

    def _refuse(self, *_: object) -> None:
        raise ValueError("a document type declaration")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if (parent := _PARENTS.get(name)) and parent not in self._open[-1:]:
            raise ValueError(f"<{name}> outside <{parent}>")
        self._open.append(name)
        if name == "tu":
            self.units.append((attributes["tuid"], {}))
        elif name == "tuv":
            self._lang = attributes.get("xml:lang") or attributes["lang"]
        elif name == "seg":
            unit, texts = self.units[-1]
            if self._lang in texts:
                raise ValueError(f"two sentences in {self._lang} in the unit {unit}")
            texts[self._lang] = ""
        elif name in _CODES:
            self._codes += 1

    def _end(self, name: str) -> None:
        self._open.pop()
        if name in _CODES:
            self._codes -= 1

    def _text(self, text: str) -> None:
        if "seg" in self._open and not self._codes:
            self.units[-1][1][self._lang] += text
