"""The user's own questions and documents: `sources.local.folder` in params.yaml.

Long format: a row is an item in one language (`item_id`, `lang`, `question`, `answer`). Wide: a row
is an item in all languages (`item_id`, `question_sw`, `answer_sw`, `question_en`, …). A row with a
`document` and no item enlarges the pool. How: docs/bring-your-own.md.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polybatch.errors import InputError
from polybatch.files import refuse_special_files, sha256_of, write_json
from polybatch.languages import is_language
from polybatch.sources.base import Fetch, Parsed, Source
from polybatch.sources.records import Columns, records
from polybatch.tables import CORPUS, QRELS, QUERIES, REJECTED

FIELDS = ("item_id", "lang", "question", "answer", "document", "title", "group", "split")
_ALL = "all"


@dataclass(frozen=True)
class Entry:
    """A row in one language; empty fields are ''. `place`: file and row, as in `faq.csv:12`."""

    file: str
    row: int
    item_id: str
    lang: str
    question: str
    answer: str
    title: str
    group: str
    split: str

    @property
    def place(self) -> str:
        """Where it stands, which is its id as well."""
        return f"{self.file}:{self.row}:{self.lang}"


class Local(Source):
    """Files of the user's own, JSONL, CSV or TSV in UTF-8, copied whole into data/raw."""

    name, own = "local", True
    languages: tuple[str, ...] = ()
    splits = (_ALL,)
    licence = "yours"
    citation = homepage = "none"
    revision = "the files' checksums"

    def check(self, languages: Sequence[str], splits: Sequence[str]) -> None:
        """Accept any language and split: the files decide, and `read` says what they lack."""

    def download(
        self, folder: Path, languages: Sequence[str], splits: Sequence[str], fetch: Fetch
    ) -> None:
        """Copy the files of `sources.<name>.folder`; the manifest has their checksums."""
        assert self.settings is not None
        assert self.settings.folder is not None
        columns = _mapping(self.name, self.settings.columns or ())
        files = copy_files(Path(self.settings.folder), folder, self.name)
        manifest = {"source": self.name, "licence": self.licence, "columns": columns}
        write_json(folder / "manifest.json", manifest | {"files": files})

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read the rows of these languages and splits; InputError names file, row and cure."""
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        reader = _Reader(self.name, manifest["columns"], languages, splits)
        for file in manifest["files"]:
            reader.add_file(folder / "files" / file["path"], file["path"])
        return reader.parsed()


def _digest(*texts: str) -> bytes:
    """Return 16 bytes that no other texts have."""
    lengths = ",".join(str(len(text)) for text in texts)
    return hashlib.blake2b("".join((lengths, *texts)).encode(), digest_size=16).digest()


def copy_files(origin: Path, folder: Path, name: str) -> list[dict[str, Any]]:
    """Copy what is in `origin` to `folder/files`; return path, bytes and sha256 of each file."""
    refuse_special_files(origin, f"sources.{name}.folder")
    found = []
    for path in sorted(origin.rglob("*")):
        inside = path.relative_to(origin)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            target = folder / "files" / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            size, digest = target.stat().st_size, sha256_of(target)
            found.append({"path": inside.as_posix(), "bytes": size, "sha256": digest})
    if not found:
        raise InputError(origin, "no file", "at least one", "Put your files there")
    return found


def _mapping(name: str, columns: Sequence[str]) -> dict[str, str]:
    """Return {field: column} of params' `field=column`."""
    mapped = {}
    for each in columns:
        field, equals, column = each.partition("=")
        if not equals or not column or field.partition("_")[0] not in (*FIELDS, "item"):
            raise InputError(
                f"sources.{name}.columns",
                f"'{each}'",
                f"field=column, field being one of {', '.join(FIELDS)} (or question_sw, …)",
                "Correct it, for example question=Frage",
            )
        mapped[field] = column
    return mapped


class _Reader:
    def __init__(
        self, name: str, columns: dict[str, str], languages: Sequence[str], splits: Sequence[str]
    ) -> None:
        self._name, self._mapped = name, columns
        self._languages, self._splits = tuple(languages), tuple(splits)
        self._queries, self._corpus = Columns(QUERIES), Columns(CORPUS)
        self._qrels, self._rejected = Columns(QRELS), Columns(REJECTED)
        self._files: list[str] = []
        self._seen: dict[str, str] = {}
        # Digests, not texts: of millions of rows the texts are held once, in the tables.
        self._asked: dict[bytes, bytes] = {}
        self._pairs: set[bytes] = set()

    def parsed(self) -> Parsed:
        missing = [lang for lang in self._languages if lang not in self._seen]
        if missing:
            raise InputError(
                f"sources.{self._name}",
                f"no row in {', '.join(missing)}",
                f"rows in each of {', '.join(self._languages)}",
                "Check the codes in your files, or remove the language from params.yaml",
            )
        qrels = self._qrels.frame()
        queries = self._queries.frame().join(qrels, on="item_id", how="semi", maintain_order="left")
        qrels = qrels.join(queries, on="item_id", how="semi", maintain_order="left")
        return Parsed(queries, self._corpus.frame(), qrels, self._rejected.frame())

    def add_file(self, path: Path, file: str) -> None:
        form: str | None = None
        self._files.append(file)
        for row, fields in records(path):
            if form is None:
                form = self._form(file, list(fields))
            values = self._entries(file, row, fields, form)
            for entry in values:
                self._add(entry)

    def _form(self, file: str, names: Sequence[str]) -> str:
        """Return `long` or `wide`, by the columns of a file's first row."""
        there = set(names)
        if self._mapped and not there & set(self._mapped.values()):
            raise self._columns(file, names, sorted(self._mapped.values())[0])
        if self._column("lang") in there and (
            {self._column(field) for field in ("question", "answer", "document")} & there
        ):
            return "long"
        wide = [f"{field}_{lang}" for field in ("question", "answer", "document")
                for lang in self._languages]  # fmt: skip
        if any(self._column(field) in there for field in wide):
            return "wide"
        raise self._columns(file, names, self._column("lang"))

    def _columns(self, file: str, names: Sequence[str], wanted: str) -> InputError:
        close = difflib.get_close_matches(wanted, names, n=1)
        mean = f"Did you mean '{close[0]}'? " if close else ""
        return InputError(
            f"{file}:1",
            f"the columns {', '.join(names)}",
            f"'{wanted}' among them: item_id, lang, question and answer in the long format, or"
            " item_id, question_<language> and answer_<language> in the wide one",
            f"{mean}Rename a column, or map it: sources.{self._name}.columns: [question=Frage]",
        )

    def _column(self, field: str) -> str:
        return self._mapped.get(field, field)

    def _entries(self, file: str, row: int, fields: dict[str, Any], form: str) -> Iterator[Entry]:
        def value(field: str) -> str:
            found = fields.get(self._column(field))
            if found is None:
                return ""
            if not isinstance(found, str | int):
                raise InputError(
                    f"{file}:{row}",
                    f"{type(found).__name__} in '{self._column(field)}'",
                    "text",
                    "Write one text a field",
                )
            return str(found).strip()

        split = value("split") or _ALL
        about = value("title"), value("group"), split
        if form == "long":
            texts = value("question"), value("answer") or value("document")
            yield Entry(file, row, value("item_id"), value("lang"), *texts, *about)
            return
        for lang in self._languages:
            texts = (
                value(f"question_{lang}"),
                (value(f"answer_{lang}") or value(f"document_{lang}")),
            )
            if any(texts):
                yield Entry(file, row, value("item_id"), lang, *texts, *about)

    def _add(self, entry: Entry) -> None:
        if entry.split not in self._splits:
            self._other_split(entry)
            return
        if is_language(entry.lang) and entry.lang not in self._languages:
            return
        if reason := self._fault(entry):
            text = entry.question or entry.answer
            self._rejected.add(self._name, entry.file, entry.row, entry.lang or None,
                               entry.item_id or None, reason,
                               text.encode("utf-8", "backslashreplace").decode())  # fmt: skip
            return
        self._seen.setdefault(entry.lang, entry.place)
        key = _digest(entry.item_id, entry.lang)
        if entry.question and key not in self._asked:
            where = len(self._files).to_bytes(4) + entry.row.to_bytes(6)
            self._asked[key] = where + _digest(entry.question)
            asked = f"{entry.place}?", entry.item_id, entry.lang, entry.question, entry.split
            self._queries.add(*asked)
        if entry.answer:
            group = entry.group or entry.item_id or None
            self._corpus.add(entry.place, entry.lang, entry.answer, entry.title or None, group)
            if entry.item_id:
                self._qrels.add(entry.item_id, entry.place, 1)

    def _fault(self, entry: Entry) -> str | None:
        """Return why a row cannot be used, or None."""
        if not is_language(entry.lang):
            return f"'{entry.lang[:20]}' is no language code; write BCP-47, such as sw or pt-BR"
        if not entry.question and not entry.answer:
            return "neither a question nor an answer"
        if entry.question and not entry.item_id:
            return "a question without item_id"
        try:
            "".join((entry.question, entry.answer, entry.item_id, entry.title)).encode()
        except UnicodeEncodeError:
            return "half a surrogate pair"
        return self._repetition(entry)

    def _repetition(self, entry: Entry) -> str | None:
        if not entry.item_id:
            return None
        asked = self._asked.get(_digest(entry.item_id, entry.lang))
        if asked and entry.question and asked[10:] != _digest(entry.question):
            file, row = self._files[int.from_bytes(asked[:4]) - 1], int.from_bytes(asked[4:10])
            place = f"{file}:{row}:{entry.lang}"
            return f"item_id used before in this language, with another question ({place})"
        whole = _digest(entry.item_id, entry.lang, entry.answer)
        if whole in self._pairs:
            return "item_id used before in this language, with the same answer"
        self._pairs.add(whole)
        return None

    def _other_split(self, entry: Entry) -> None:
        if entry.split == _ALL:
            raise InputError(
                f"{entry.file}:{entry.row}",
                "no split",
                f"one of {', '.join(self._splits)} in the column '{self._column('split')}'",
                "Fill the column; or ask for splits: [all], and for part: train and part: heldout",
            )
