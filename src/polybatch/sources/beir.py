"""Any dataset in BEIR's form (Thakur et al., arXiv 2104.08663), the user's own or on the hub.

`corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and `qrels/<split>.tsv`
(query-id, corpus-id, score), each also as .gz. Several languages: one such folder a language,
named by its code; a query id that stands in several languages is one item.

From the hub: `revisions: [mteb/scifact=<commit>]`, or, where judgements are a repository of their
own, `[BeIR/scifact=<commit>, BeIR/scifact-qrels=<commit>]`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from polybatch.errors import InputError
from polybatch.files import write_json
from polybatch.sources.base import Fetch, Parsed, Source
from polybatch.sources.hub import (
    Repository,
    commits,
    copy_repository,
    mirror_of,
    write_hub_manifest,
)
from polybatch.sources.local import copy_files
from polybatch.sources.records import Columns, records
from polybatch.tables import CORPUS, QRELS, QUERIES, REJECTED


class Beir(Source):
    """A folder of BEIR's form: documents no query asks for are in the pool as well."""

    name, own, on_hub = "beir", True, True
    languages: tuple[str, ...] = ()
    splits = ("train", "dev", "test")
    licence = "the dataset's own"
    citation = "Thakur et al.: BEIR. NeurIPS 2021 Datasets and Benchmarks, arXiv 2104.08663"
    homepage = "https://github.com/beir-cellar/beir"
    revision = "the files' checksums"

    def check(self, languages: Sequence[str], splits: Sequence[str]) -> None:
        """Accept any language and split: the files decide, and `read` says what they lack."""

    def download(
        self, folder: Path, languages: Sequence[str], splits: Sequence[str], fetch: Fetch
    ) -> None:
        """Copy the files of `sources.<name>.folder`; the manifest has their checksums."""
        assert self.settings is not None
        if self.settings.columns:
            raise InputError(
                f"sources.{self.name}.columns", "some", "none: BEIR's are fixed", "Remove it"
            )
        if self.settings.revisions:
            self._from_hub(folder, splits, fetch)
            return
        assert self.settings.folder is not None
        files = copy_files(Path(self.settings.folder), folder, self.name)
        manifest = {"source": self.name, "citation": self.citation, "files": files}
        write_json(folder / "manifest.json", manifest)

    def _from_hub(self, folder: Path, splits: Sequence[str], fetch: Fetch) -> None:
        given, files = commits(self), {}
        apart = any(name.endswith("-qrels") for name in given)
        texts = ["corpus.jsonl*", "queries.jsonl*"]
        for name, commit in given.items():
            judgements = name.endswith("-qrels")
            paths = [f"{split}.tsv*" for split in splits] if judgements else list(texts)
            if not apart:
                paths += [f"qrels/{split}.tsv*" for split in splits]
            place = folder / "files" / ("qrels" if judgements else "")
            repository = Repository(name, commit, mirror_of(self, fetch))
            taken = copy_repository(repository, paths, place)
            files.update({f"{name}/{path}": facts for path, facts in taken.items()})
        write_hub_manifest(self, folder, given, files)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read all documents, and the queries and judgements of the splits."""
        tables = _Tables(self.name)
        for lang in languages:
            tables.add(_place(folder / "files", lang, languages), lang, splits)
        return tables.parsed()


class _Tables:
    def __init__(self, name: str) -> None:
        self._name = name
        self._queries, self._corpus = Columns(QUERIES), Columns(CORPUS)
        self._qrels, self._rejected = Columns(QRELS), Columns(REJECTED)

    def parsed(self) -> Parsed:
        queries, qrels = self._queries.frame(), self._qrels.frame()
        return Parsed(queries, self._corpus.frame(), qrels, self._rejected.frame())

    def add(self, folder: Path, lang: str, splits: Sequence[str]) -> None:
        judged: dict[str, str] = {}
        for split in splits:
            path = _file(folder / "qrels", f"{split}.tsv")
            for row, fields in records(path):
                query, document, score = _judgement(path, row, fields)
                judged.setdefault(query, split)
                self._qrels.add(query, f"{lang}:{document}", score)
        self._texts(folder, lang, judged)

    def _texts(self, folder: Path, lang: str, judged: dict[str, str]) -> None:
        for path, row, fields in _rows(folder, "queries.jsonl"):
            name = _text(path, row, fields, "_id")
            if name in judged:
                text = _text(path, row, fields, "text")
                if self._sound(path, row, lang, name, text):
                    self._queries.add(f"{lang}:{name}", name, lang, text, judged[name])
        for path, row, fields in _rows(folder, "corpus.jsonl"):
            name, text = _text(path, row, fields, "_id"), _text(path, row, fields, "text")
            title = str(fields.get("title") or "") or None
            if self._sound(path, row, lang, name, text, title or ""):
                self._corpus.add(f"{lang}:{name}", lang, text or title, title, None)

    def _sound(
        self, path: Path, row: int, lang: str, name: str, text: str, title: str = ""
    ) -> bool:
        """Keep a row without text, or with half a surrogate pair, among the rejected ones."""
        reason = None if (text + title).strip() else "empty text"
        try:
            (name + text + title).encode()
        except UnicodeEncodeError:
            reason = "half a surrogate pair"
        if reason:
            plain = [value.encode("utf-8", "backslashreplace").decode() for value in (name, text)]
            self._rejected.add(self._name, path.name, row, lang, plain[0], reason, plain[1])
        return reason is None


def _place(folder: Path, lang: str, languages: Sequence[str]) -> Path:
    if (folder / lang).is_dir():
        return folder / lang
    if len(languages) > 1:
        raise InputError(
            folder,
            f"no folder {lang}",
            f"a folder of BEIR's form for each of {', '.join(languages)}",
            "Add it, or name one language only",
        )
    return folder


def _file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    there = sorted(path.name for path in folder.glob("*")) if folder.is_dir() else []
    raise InputError(
        folder / name,
        f"no such file (there: {', '.join(there) or 'nothing'})",
        "corpus.jsonl, queries.jsonl and qrels/<split>.tsv",
        "Put it there, or name another split",
    )


def _rows(folder: Path, name: str) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    path = _file(folder, name)
    for row, fields in records(path):
        yield path, row, fields


def _text(path: Path, row: int, fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str | int):
        raise InputError(
            f"{path.name}:{row}",
            f"no text in '{name}' (there: {', '.join(fields)})",
            "_id and text in every row",
            "Mend the row",
        )
    return str(value)


def _judgement(path: Path, row: int, fields: dict[str, Any]) -> tuple[str, str, int]:
    try:
        return fields["query-id"], fields["corpus-id"], int(fields["score"])
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{path.name}:{row}",
            f"{', '.join(f'{key} {value}' for key, value in fields.items())}",
            "the columns query-id, corpus-id and score, a whole number",
            "Write that header; tabs separate columns",
        ) from error
