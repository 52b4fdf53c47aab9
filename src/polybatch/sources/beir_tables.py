"""Rows of BEIR's form as they are read, and what they are together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from polybatch.core.dataset import CORPUS, NOT_REQUESTED, QRELS, QUERIES, REJECTED
from polybatch.core.errors import InputError
from polybatch.settings.names import safe_id
from polybatch.sources.rows import Parsed, Tally
from polybatch.sources.user_files import FIRST_ROWS, Columns, no_fields, open_rows
from polybatch.sources.user_rows import Broken

_JUDGEMENT = ("query-id", "corpus-id", "score")
_SCORE = re.compile(r"([+-]?[0-9]{1,9})([.,]0*)?")
_FOUND = pl.Schema({"file": pl.String, "row": pl.Int64})
_JUDGED = pl.Schema(
    [*QRELS.items(), ("query_id", pl.String), ("lang", pl.String), ("split", pl.String)]
)


class BeirTables:
    """Rows as they are read, each with its file and row; `parsed` decides what becomes of them."""

    def __init__(self, name: str, root: Path, splits: Sequence[str]) -> None:
        self._name, self._root, self._splits = name, root, splits
        self._queries = Columns(pl.Schema({**QUERIES, **_FOUND}))
        self._corpus = Columns(pl.Schema({**CORPUS, **_FOUND}))
        self._qrels = Columns(pl.Schema({**_JUDGED, **_FOUND}))
        self._rejected, self._tally = Columns(REJECTED), Tally()
        self._first: dict[str, str] = {}  # of the rejected rows of a language
        self._languages: list[str] = []
        self._notes: list[str] = []

    def add(self, folder: Path, lang: str) -> None:
        """Read the judgements, queries and documents of a language."""
        self._languages.append(lang)
        for split in self._splits:
            for file, row, fields in self._rows(folder / "qrels", f"{split}.tsv", lang, _JUDGEMENT):
                self._judge(file, row, lang, split, fields)
        for file, row, fields in self._rows(folder, "queries.jsonl", lang, ("_id", "text")):
            name, text = safe_id(fields["_id"].strip()), fields["text"]
            if self._sound(file, row, lang, fields):
                self._queries.add(f"{lang}:{name}", name, lang, text, "", file, row)
        for file, row, fields in self._rows(folder, "corpus.jsonl", lang, ("_id", "text")):
            name, text = safe_id(fields["_id"].strip()), fields["text"]
            title = _title(fields)
            if self._sound(file, row, lang, fields):
                text = text if text.strip() else title
                self._corpus.add(
                    f"{lang}:{name}", lang, text, title or None, *[None] * 3, file, row
                )

    def parsed(self) -> Parsed:
        """Return what holds together; InputError if a language has no query or no document.

        A query id that stands in several languages is one item, whichever of them judges it.
        """
        corpus = self._distinct(self._corpus.frame(), "doc_id", "text")
        given = self._qrels.frame()
        qrels = self._part(given, corpus, "doc_id", "judged document is not in the corpus")
        queries = self._queries.frame()
        qrels = self._part(qrels, queries, "item_id", "judged query is not in queries.jsonl")
        judged = qrels.unique("item_id", keep="first", maintain_order=True)
        splits = judged.select("item_id", pl.col("split").alias("in"))
        other = f"{NOT_REQUESTED}: a query without judgement in {', '.join(self._splits)}"
        queries = self._part(queries, given, "item_id", other)
        queries = self._part(queries, splits, "item_id", "no judged document is left").join(
            splits, on="item_id", maintain_order="left"
        )
        queries = self._distinct(queries, "query_id", "text").with_columns(split=pl.col("in"))
        qrels = self._distinct(qrels, "query_id", "doc_id", value="relevance")
        self._check(queries, corpus)
        # Of the item's judgements in several languages each names its own document.
        return Parsed(
            queries.select(QUERIES.names()),
            corpus.select(CORPUS.names()),
            qrels.select(QRELS.names()),
            self._rejected.frame(),
            (*self._notes, *self._not_read()),
            tally=self._tally.frame(),
        )

    def _not_read(self) -> list[str]:
        """Return a note of the files that were not opened, if there are any."""
        read = set(self._tally.frame()["file"])
        files = (path for path in sorted(self._root.rglob("*")) if path.is_file())
        others = [
            name for path in files if (name := path.relative_to(self._root).as_posix()) not in read
        ]
        shown = ", ".join(others[:5]) + f" and {len(others) - 5} more" * (len(others) > 5)
        wanted = f"languages {', '.join(self._languages)}, splits {', '.join(self._splits)}"
        return [f"{self._name}: not read (not of BEIR's form, or not of {wanted}): {shown}"] * bool(
            others
        )

    def _rows(
        self, folder: Path, name: str, lang: str, needed: Sequence[str]
    ) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Yield the rows that have text in the `needed` fields; reject the others.

        InputError if the first FIRST_ROWS lack one: then the file is another.
        """
        path = _file(folder, name)
        file, opened = path.relative_to(self._root).as_posix(), open_rows(path)
        self._notes += [f"{self._name}: {file}: {note}" for note in opened.notes]
        self._tally.read(file, 0)
        if opened.columns is not None and (gone := set(needed) - set(opened.columns)):
            raise _no_columns(path, opened.columns, needed, sorted(gone)[0])
        strange: list[InputError] | None = []  # of the first rows, as long as all lack a name
        for row in opened.rows:
            self._tally.read(file)
            if isinstance(row, Broken):
                self._reject(file, row.row, lang, "", row.reason, row.text)
                continue
            number, fields = row
            bad = next((each for each in needed if not isinstance(fields.get(each), str)), "")
            if bad in fields or not bad:
                strange = None
            elif strange is not None:
                strange.append(no_fields(path, number, tuple(fields), needed, bad))
                if len(strange) == FIRST_ROWS:
                    break
            if bad:
                self._reject(file, number, lang, "", f"no text in '{bad}'", str(fields)[:200])
            else:
                yield file, number, fields
        if strange:
            raise strange[0]

    def _judge(self, file: str, row: int, lang: str, split: str, fields: dict[str, Any]) -> None:
        query, document, score = (fields[name].strip() for name in _JUDGEMENT)
        if not (whole := _SCORE.fullmatch(score)):
            reason = f"the score '{score[:20]}' is no whole number"
            self._reject(file, row, lang, query, reason, document)
        elif not query or not document:
            self._reject(file, row, lang, query, "a judgement without an id", document)
        else:
            query, document = safe_id(query), f"{lang}:{safe_id(document)}"
            self._qrels.add(query, document, int(whole[1]), f"{lang}:{query}", lang, split,
                            file, row)  # fmt: skip

    def _sound(self, file: str, row: int, lang: str, fields: dict[str, Any]) -> bool:
        """Keep a row without id or text, or with half a surrogate pair, among the rejected ones."""
        name, text = fields["_id"].strip(), fields["text"]
        whole = text + _title(fields)
        reason = "no _id" if not name else "" if whole.strip() else "empty text"
        try:
            (name + whole).encode()
        except UnicodeEncodeError:
            reason = "half a surrogate pair"
        if reason:
            self._reject(file, row, lang, name, reason, text)
        return not reason

    def _part(
        self, rows: pl.DataFrame, others: pl.DataFrame, key: str, reason: str
    ) -> pl.DataFrame:
        """Return the rows whose `key` stands in `others`; reject the others."""
        text = "text" if "text" in rows.columns else "doc_id"
        for file, row, lang, item, shown in rows.join(
            others, on=key, how="anti", maintain_order="left"
        ).select("file", "row", "lang", "item_id" if "item_id" in rows.columns else key,
                 text).iter_rows():  # fmt: skip
            self._reject(file, row, lang, item, reason, shown)
        return rows.join(others, on=key, how="semi", maintain_order="left")

    def _distinct(self, rows: pl.DataFrame, *key: str, value: str = "text") -> pl.DataFrame:
        """Return the first row of each key; equal ones are merged with it, others rejected."""
        key = tuple(name for name in key if name != value)
        first = pl.struct(key).is_first_distinct()
        known = rows.filter(first)
        again = rows.filter(~first).join(
            known.select(*key, pl.col(value).alias("known")), on=key, maintain_order="left"
        )
        reason = "judged before, with another score" if value == "relevance" else (
            "_id used before, with another text")  # fmt: skip
        for row in again.iter_rows(named=True):
            if row[value] == row["known"]:
                self._tally.merged(row["file"])
            else:
                item = row.get("item_id") or row["doc_id"]
                self._reject(row["file"], row["row"], row["lang"], item, reason, str(row[value]))
        for file, count in known["file"].value_counts().rows():
            self._tally.kept(file, count)
        return known

    def _check(self, queries: pl.DataFrame, corpus: pl.DataFrame) -> None:
        """Raise InputError if a language has no query or no document, with what was rejected."""
        for lang in self._languages:
            for what, frame in (("query", queries), ("document", corpus)):
                if frame.filter(lang=lang).is_empty():
                    first = self._first.get(lang)
                    raise InputError(
                        f"sources.{self._name}",
                        f"no {what} in {lang}" + (f" (rejected: {first})" if first else ""),
                        "queries with judgements, and documents, in each language",
                        "Correct the rows, or name another split or language",
                    )

    def _reject(self, file: str, row: int, lang: str, item: str, reason: str, text: str) -> None:
        item, text = (one.encode("utf-8", "backslashreplace").decode() for one in (item, text))
        self._tally.rejected(file)
        self._rejected.add(self._name, file, row, lang, item or None, reason, text)
        if not reason.startswith(NOT_REQUESTED):
            self._first.setdefault(lang, f"{file}:{row}: {reason}")


def _no_columns(path: Path, there: Sequence[str], needed: Sequence[str], gone: str) -> InputError:
    """Return the error of a file of judgements whose header is none, or is another."""
    error = no_fields(path, 1, there, needed, gone)
    if not there or not _SCORE.fullmatch(there[-1]):
        return error
    found = f"a judgement where the header should be ({', '.join(there)[:200]})"
    keep = "columns 1, 3 and 4, and add" if len(there) == 4 else "the columns, and add"
    cure = f"Keep {keep} the line {'<tab>'.join(needed)} on top"
    return InputError(error.where, found, error.expected, cure)


def _title(fields: dict[str, Any]) -> str:
    title = fields.get("title")
    return title if isinstance(title, str) else ""


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
