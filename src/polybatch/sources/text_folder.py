"""The user's own domain text: a folder of .txt and .jsonl files, a language each.

`*.txt`: the language is the word before `.txt` (`notes.sw.txt`) or the name of a folder the file
is in (`sw/notes.txt`), the nearest that is requested; paragraphs, separated by empty lines, are
documents of one group, the file. `*.jsonl`: one object per line with `lang`, `text` and, if there
is one, `title`.
There are no questions, so it is for `use: text`. The folder is inside `inputs/`, so that DVC sees
when a file changes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from polybatch.core.dataset import NOT_REQUESTED
from polybatch.core.errors import InputError
from polybatch.core.files import refuse_special_files
from polybatch.core.languages import canonical, same_language
from polybatch.sources.collected import text_id
from polybatch.sources.entries import Languages
from polybatch.sources.lines import decoded
from polybatch.sources.manifest import MANIFEST, Manifest
from polybatch.sources.rows import halved
from polybatch.sources.source import Document, Fetch, Parsed, Place, Rows, Source
from polybatch.sources.user_files import FIRST_ROWS, no_fields, open_rows
from polybatch.sources.user_folder import check_names, named, own_files, refuse_unreadable
from polybatch.sources.user_rows import Broken

_KINDS = (".txt", ".jsonl")
_NEEDED = ("lang", "text")


class TextFolder(Source):
    """Texts in any language, from `sources.<name>.folder`."""

    name, own = "text", True
    languages = ()
    splits = ("all",)
    licence, citation, homepage, revision = "the user's own", "", "", "as read"

    def check(self, languages: Sequence[str], splits: Sequence[str]) -> None:
        """Raise InputError if a requested split is not there; any language may be."""
        if missing := [split for split in splits if split not in self.splits]:
            raise InputError("sources.text.splits", ", ".join(missing), "all", "Write [all]")

    def download(
        self, folder: Path, languages: Sequence[str], splits: Sequence[str], fetch: Fetch
    ) -> None:
        """Copy the user's files, each checked to be UTF-8 and not empty, and write a manifest.

        Raises:
            InputError: no folder, a link or pipe in it, no file of text, an empty one, one that is
                not UTF-8.
        """
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
        refuse_special_files(root, f"sources.{self.name}.folder")
        files = {}
        for path in _paths(root):
            refuse_unreadable(path)
            text = decoded(path)
            if not text.strip():
                raise InputError(f"{path}:1", "no text", "text in UTF-8", "Fill it or remove it")
            place = path.relative_to(root)
            if path.suffix == ".txt":
                with named(root, str(root), str(place)):
                    _language(place, languages)
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_text(text, encoding="utf-8", newline="")
            files[str(place)] = hashlib.sha256(text.encode()).hexdigest()
        if not files:
            raise InputError(
                root,
                "no file that ends in .txt or .jsonl",
                "at least one",
                f"Put text there, or correct sources.{self.name}.folder",
            )
        others = [path.as_posix() for path in own_files(root) if path.suffix not in _KINDS]
        check_names([{"path": place} for place in (*files, *others)], self.name)
        given = self.settings.folder
        Manifest(source=self.name, folder=given, files=files, not_read=others).write(folder)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read paragraphs and rows in `languages`; what cannot be used is rejected."""
        self.check(languages, splits)
        manifest = Manifest.read(folder)
        notes = [f"{self.name}: {file} is not read; only {' and '.join(_KINDS)} are"
                 for file in manifest.not_read or ()]  # fmt: skip
        requested, rows, texts = Languages(languages), Rows(), []
        for path in _paths(folder):
            if path != folder / MANIFEST:
                file = path.relative_to(folder).as_posix()
                with named(folder, manifest.folder, file):
                    texts += _texts(path, file, requested)
        groups: dict[str, str] = {}
        for text in texts:
            if text.group:
                groups[text.doc_id] = min(text.group, groups.get(text.doc_id, text.group))
        for text in texts:
            _add(rows, self.name, text, groups.get(text.doc_id))
        return rows.parsed(notes + [f"{self.name}: {note}" for note in _notes(texts, languages)])


@dataclass(frozen=True)
class _Text:
    """A paragraph or row. `code`: the language as written; `named`: in the name of its file.

    `group`: what its file is called.
    """

    file: str
    row: int
    code: str
    lang: str | None
    text: str
    title: str | None = None
    fault: str = ""
    group: str = ""
    named: bool = False

    @property
    def doc_id(self) -> str:
        """Made of the text: no file name and no row number is in it."""
        return "" if self.fault else text_id(str(self.lang), self.text)


def _paths(root: Path) -> list[Path]:
    """Return the files of text, without hidden ones and those in hidden folders."""
    return [root / path for path in own_files(root) if path.suffix in _KINDS]


def _texts(path: Path, file: str, languages: Languages) -> list[_Text]:
    """Return the texts of a file; those of a .txt file are one group, named by its least id."""
    found, named = [], path.suffix == ".txt"
    for row, code, text, title, fault in _txt(path, file, languages) if named else _jsonl(path):
        lang, unknown = languages.find(code)
        plain = unicodedata.normalize("NFC", " ".join(text.split()))
        reason = fault or unknown or ("half a surrogate pair" if halved(plain + title) else "")
        found.append(_Text(file, row, code, lang, text if reason else plain, title or None, reason,
                           named=named))  # fmt: skip
    least = min((text.doc_id for text in found if not text.fault), default="")
    group = f"text:{least}" if named else ""
    return [replace(text, group=group) for text in found]


_Row = tuple[int, str, str, str, str]
"""Row, code, text, title ('' for none), and why it cannot be used, or ''."""


def _txt(path: Path, file: str, languages: Languages) -> Iterator[_Row]:
    """Yield the paragraphs of a file."""
    code, text, row = _language(Path(file), languages.requested), decoded(path), 1
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for part in re.split(r"(\n[^\S\n]*(?:\n\s*)+)", text):
        if part.strip():
            yield row + _leading(part), code, part, "", ""
        row += part.count("\n")


def _leading(part: str) -> int:
    return part[: len(part) - len(part.lstrip())].count("\n")


def _language(path: Path, requested: Sequence[str]) -> str:
    """Return the code that a file's name, or a folder's inside the user's, has for its language.

    The nearest word for one that is requested, else the nearest that is a code: `new` is one, too.

    Example:
        >>> names = ("notes.sw.txt", "pt_BR/a.txt", "sw/notes.new.txt", "sw/sub/a.txt", "de/a.txt")
        >>> [_language(Path(name), ["pt", "sw"]) for name in names]
        ['sw', 'pt_BR', 'sw', 'sw', 'de']
    """
    words = [path.stem.rpartition(".")[2]] * ("." in path.stem) + [*path.parent.parts][::-1]
    codes = [word for word in words if canonical(word)]
    for code in (*(code for code in codes if same_language(code, requested)), *codes):
        return code
    raise InputError(
        f"{path}:1",
        "a name that says no language",
        "<name>.<language>.txt or <language>/<name>.txt, the language in BCP-47",
        "Rename it",
    )


def _jsonl(path: Path) -> Iterator[_Row]:
    """Yield the rows of a file; InputError if its first FIRST_ROWS lack a key: it is another."""
    strange: list[InputError] | None = []
    for row in open_rows(path).rows:
        if isinstance(row, Broken):
            yield row.row, "", row.text, "", row.reason
            continue
        number, fields = row
        if not (gone := [name for name in _NEEDED if name not in fields]):
            strange = None
        elif strange is not None:
            strange.append(no_fields(path, number, tuple(fields), _NEEDED, gone[0]))
            if len(strange) == FIRST_ROWS:
                break
        lang, text, title = (fields.get(name) for name in (*_NEEDED, "title"))
        fault = "" if isinstance(text, str) and text.strip() else "no text"
        code = lang.strip() if isinstance(lang, str) else ""
        yield number, code, str(text or ""), title if isinstance(title, str) else "", fault
    if strange:
        raise strange[0]


def _notes(texts: Sequence[_Text], languages: Sequence[str]) -> Iterator[str]:
    """Yield which codes are read as others, and what names of files say besides."""
    read_as: Counter[tuple[str, str, str]] = Counter()
    others: dict[str, set[str]] = {}
    for text in texts:
        if not text.fault and text.lang != text.code:
            read_as[text.file, text.code, str(text.lang)] += 1
        if text.named and text.fault.startswith(NOT_REQUESTED):
            others.setdefault(text.code, set()).add(text.file)
    for file in sorted({text.file for text in texts if text.named and not text.fault}):
        nearest, code = (_language(Path(file), among) for among in ((), languages))
        if nearest != code:
            yield f"{file}: read as {code}, which is requested, and not as '{nearest}'"
    for (file, code, lang), count in sorted(read_as.items()):
        yield f"{file}: '{code}' in {count} texts is read as {lang}"
    for code, files in sorted(others.items()):
        more = f" and {len(files) - 1} more" * (len(files) > 1)
        yield f"{min(files)}{more}: not read, since by its name it is in '{code}'"


def _add(rows: Rows, name: str, text: _Text, group: str | None) -> None:
    rows.read(text.file)
    place = Place(name, text.file, text.row, text.lang, None, text.text)
    if text.fault:
        rows.reject(place, text.fault)
        return
    document = Document(text.doc_id, str(text.lang), text.text, text.title, group)
    rows.add(place, document=document)
