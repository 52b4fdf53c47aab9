"""The user's own domain text: a folder of .txt and .jsonl files, a language each.

`*.txt`: the language is the word before `.txt` (`notes.sw.txt`) or the name of the folder the
file is in (`sw/notes.txt`); paragraphs, separated by empty lines, are documents of one group, the
file. `*.jsonl`: one object a line with `lang`, `text` and, if there is one, `title`.
There are no questions, so it is for `use: text`. The folder is inside `inputs/`, so that DVC sees
when a file changes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polybatch.errors import InputError
from polybatch.files import write_json
from polybatch.languages import is_language
from polybatch.sources.base import Fetch, Parsed, Rows, Source
from polybatch.sources.lines import decoded, lines

_KINDS = (".txt", ".jsonl")


class TextFolder(Source):
    """Texts in any language, from `sources.<name>.folder`."""

    name, own = "text", True
    languages = ()
    splits = ("all",)
    licence, citation, homepage, revision = "the user's own", "", "", "as read"

    def check(self, languages: Sequence[str], splits: Sequence[str]) -> None:
        """Raise InputError if a split is asked for that there is not; any language may be."""
        if missing := [split for split in splits if split not in self.splits]:
            raise InputError("sources.text.splits", ", ".join(missing), "all", "Write [all]")

    def download(
        self, folder: Path, languages: Sequence[str], splits: Sequence[str], fetch: Fetch
    ) -> None:
        """Copy the user's files, each checked to be UTF-8 and not empty, and write a manifest."""
        assert self.settings is not None
        assert self.settings.folder is not None
        root = Path(self.settings.folder)
        if not root.is_dir():
            raise InputError(
                f"sources.{self.name}.folder",
                f"no folder '{root}'",
                "the path of a folder of .txt and .jsonl files",
                "Add or correct it",
            )
        manifest = {}
        for path in _paths(root):
            text = decoded(path)
            if not text.strip():
                raise InputError(f"{path}:1", "no text", "text in UTF-8", "Fill it or remove it")
            place = path.relative_to(root)
            if path.suffix == ".txt":
                _language(place)
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_text(text, encoding="utf-8", newline="")
            manifest[str(place)] = hashlib.sha256(text.encode()).hexdigest()
        if not manifest:
            raise InputError(
                root,
                "no file that ends in .txt or .jsonl",
                "at least one",
                f"Put text there, or correct sources.{self.name}.folder",
            )
        write_json(folder / "manifest.json", {"source": self.name, "files": manifest})

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read paragraphs and rows in `languages`; what cannot be used is rejected."""
        self.check(languages, splits)
        rows, others = Rows(), Counter[str]()
        for path in _paths(folder):
            place = str(path.relative_to(folder))
            for text in _jsonl(path) if path.suffix == ".jsonl" else _txt(path, place):
                if text.fault or text.lang in languages:
                    _add(rows, text, place)
                else:
                    others[text.lang] += 1
        return rows.parsed(
            [f"text: texts in {lang}, not asked for: {n}" for lang, n in sorted(others.items())]
        )


@dataclass(frozen=True)
class _Text:
    row: int
    lang: str
    text: str
    title: str | None = None
    group: str | None = None
    fault: str = ""


def _paths(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.suffix in _KINDS and path.is_file())


def _txt(path: Path, place: str) -> Iterator[_Text]:
    """Yield the paragraphs of a file."""
    lang, text, row = _language(Path(place)), decoded(path), 1
    for part in re.split(r"(\n[^\S\n]*(?:\n\s*)+)", text.replace("\r\n", "\n")):
        if part.strip():
            yield _Text(row + _leading(part), lang, part, group=place)
        row += part.count("\n")


def _leading(part: str) -> int:
    return part[: len(part) - len(part.lstrip())].count("\n")


def _language(path: Path) -> str:
    """Return the language that a file's name, or its folder inside the user's, says.

    Example:
        >>> _language(Path("notes.sw.txt")), _language(Path("pt-BR/a.txt"))
        ('sw', 'pt-BR')
    """
    for word in (path.stem.rpartition(".")[2] if "." in path.stem else "", path.parent.name):
        if is_language(word):
            return word
    raise InputError(
        f"{path}:1",
        "a name that says no language",
        "<name>.<language>.txt or <language>/<name>.txt, the language in BCP-47",
        "Rename it",
    )


def _jsonl(path: Path) -> Iterator[_Text]:
    for row, line in enumerate(lines(path), 1):
        if line.strip():
            yield _of_line(row, line)


def _of_line(row: int, line: str) -> _Text:
    try:
        entry: Any = json.loads(line)
    except (ValueError, RecursionError):
        return _Text(row, "", line, fault="no JSON")
    if not isinstance(entry, dict):
        return _Text(row, "", line, fault="no JSON object")
    lang, text, title = (entry.get(name) for name in ("lang", "text", "title"))
    if not isinstance(lang, str) or not is_language(lang):
        return _Text(row, "", line, fault="lang is no BCP-47 code")
    if not isinstance(text, str) or not text.strip():
        return _Text(row, lang, line, fault="no text")
    return _Text(row, lang, text, title if isinstance(title, str) and title.strip() else None)


def _add(rows: Rows, text: _Text, place: str) -> None:
    doc_id = f"text:{text.lang}:{place}:{text.row:06d}"
    if text.fault:
        rows.rejected.append(
            {
                "source": "text",
                "file": place,
                "row": text.row,
                "lang": text.lang,
                "item_id": None,
                "reason": text.fault,
                "text": text.text,
            }
        )
        return
    rows.corpus[doc_id] = {
        "doc_id": doc_id,
        "lang": text.lang,
        "text": " ".join(text.text.split()),
        "title": text.title,
        "group_id": text.group and f"text:{text.group}",
    }
