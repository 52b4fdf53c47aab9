"""What the rows of a user's files become: queries, documents and judgements, each row counted.

A document's id is made of its language and text, a query's of its item and language: no file name
and no row number is in them, so files can be renamed and rows sorted or inserted.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

import polars as pl

from polybatch.core.dataset import CORPUS, NOT_REQUESTED, QRELS, QUERIES, REJECTED
from polybatch.core.errors import InputError
from polybatch.settings.names import safe_id
from polybatch.sources.entries import SILENT, Entry, Languages
from polybatch.sources.rows import Parsed, Tally
from polybatch.sources.user_files import Columns

ALL = "all"
UNANSWERED = "a question whose item has no answer"
_MOST = 1_000_000  # rejected rows: more say that the files are not what they should be
_WORDS = 1_000  # codes and splits that are counted
_NAMED = 5  # groups named in a note, and members of each
_SHOWN = 200  # characters of a rejected row that is only not requested
_WAITING = pl.Schema({"item_id": pl.String, "file": pl.String, "row": pl.Int64,
                      "lang": pl.String, "text": pl.String, "new": pl.Boolean})  # fmt: skip


def text_id(lang: str, text: str) -> str:
    """Return an id of a text in a language: the same for the same text, wherever it stands.

    Example:
        >>> text_id("en", "Here.") == text_id("en", "Here."), text_id("de", "Hier.")[:3]
        (True, 'de:')
    """
    composed = unicodedata.normalize("NFC", text)
    return f"{lang}:{hashlib.blake2b(composed.encode(), digest_size=10).hexdigest()}"


class Collected:
    """Takes entries one by one; `parsed` returns what they are together."""

    def __init__(self, name: str, languages: Languages, splits: Sequence[str]) -> None:
        self._name, self._languages, self._splits = name, languages, tuple(splits)
        self._queries, self._corpus = Columns(QUERIES), Columns(CORPUS)
        self._qrels, self._rejected = Columns(QRELS), Columns(REJECTED)
        self._waiting = Columns(_WAITING)  # rows that only other rows can make of use
        self._tally, self._refused = Tally(), 0
        # Digests, not texts: of millions of rows the texts are held once, in the tables.
        self._questions: dict[bytes, bytes] = {}
        self._documents: set[bytes] = set()
        self._judged: set[bytes] = set()
        self._groups: dict[str, str] = {}  # of documents that stand in several: {group: a smaller}
        self._group_of: dict[bytes, str] = {}
        self._files: dict[str, int] = {}
        self._words: Counter[tuple[str, str, str]] = Counter()  # file, as written, as read
        self._found: Counter[str] = Counter()
        self._first = ""

    def begin(self, file: str) -> None:
        """Count a file, whether or not it has rows; its rows come next."""
        self._files[file] = len(self._files)
        self._tally.read(file, 0)

    def add(self, entry: Entry) -> None:
        """Keep, merge or reject what a row says in a language."""
        self._tally.read(entry.file)
        lang, reason = self._languages.find(entry.lang)
        self._see(f"'{entry.lang[:20]}'")
        split = self._split(entry)
        if not entry.fault and not reason and split not in self._splits:
            reason = f"{NOT_REQUESTED}: split '{split[:40]}'"
            self._see(f"split '{split[:20]}'")
        reason = entry.fault or reason or self._fault(entry, str(lang))
        if reason:
            self._reject(entry, lang, reason)
            return
        assert lang is not None
        if lang != entry.lang:
            self._words[entry.file, entry.lang, lang] += 1
        if entry.split not in ("", split):
            self._words[entry.file, entry.split, split] += 1
        self._keep(entry, lang, split)

    def reject(self, file: str, row: int, reason: str, text: str) -> None:
        """Keep a row among the rejected that has no fields at all."""
        self._tally.read(file)
        self._reject(Entry(file, row, "", "", text, ""), None, reason)

    def parsed(self, notes: Sequence[str]) -> Parsed:
        """Return the tables; InputError if a language has no row and has to have one."""
        queries, qrels = self._queries.frame(), self._qrels.frame()
        whole = queries.join(qrels, on="item_id", how="semi")
        self._add_waiting(queries, whole)
        whole = whole.sort("query_id")
        if unasked := qrels.join(queries, on="item_id", how="anti")["item_id"].n_unique():
            notes = (*notes, f"{self._name}: {unasked} items have an answer and no question; the "
                     "answers are searched, and relevant to nothing")  # fmt: skip
        qrels = qrels.join(whole, on="item_id", how="semi").sort("item_id", "doc_id")
        corpus = self._grouped(self._corpus.frame()).sort("doc_id")
        self._refuse_missing(whole, corpus, notes)
        remarks = (*notes, *self._read_as(), *self._joined())
        return Parsed(
            whole, corpus, qrels, self._rejected.frame(), remarks, tally=self._tally.frame()
        )

    def _see(self, word: str) -> None:
        if word in self._found or len(self._found) < _WORDS:
            self._found[word] += 1

    def _keep(self, entry: Entry, lang: str, split: str) -> None:
        item, new = safe_id(entry.item_id), False
        if entry.question:
            key = _digest(item, lang)
            if key not in self._questions:
                place = self._files[entry.file].to_bytes(4) + entry.row.to_bytes(6)
                self._questions[key] = place + _digest(_composed(entry.question))
                self._queries.add(f"{item}:{lang}", item, lang, entry.question, split)
                new = True
        if not entry.answer:
            self._waiting.add(item, entry.file, entry.row, lang, entry.question, new)
            return
        document = text_id(lang, entry.answer)
        new |= self._document(document, item, entry, lang)
        if item and self._judgement(item, document) and not new:
            if not entry.question:
                self._waiting.add(item, entry.file, entry.row, lang, None, True)
                return
            new = True
        (self._tally.kept if new else self._tally.merged)(entry.file)

    def _document(self, name: str, item: str, entry: Entry, lang: str) -> bool:
        """Add a document; False if it is there. Groups that share it become one."""
        group, key = entry.group or item, _digest(name)
        if key in self._documents:
            if group and group != (known := self._group_of.setdefault(key, group)):
                one, other = sorted((self._root(known), self._root(group)))
                if one != other:
                    self._groups[other] = one
            return False
        self._documents.add(key)
        if group:
            self._group_of[key] = group
        self._corpus.add(name, lang, entry.answer, entry.title or None, group or None, None, None)
        return True

    def _root(self, group: str) -> str:
        root = group
        while root in self._groups:
            root = self._groups[root]
        while group != root:
            self._groups[group], group = root, self._groups[group]
        return root

    def _joined(self) -> Iterator[str]:
        """Say which groups share a document, since a split keeps these together."""
        groups: dict[str, list[str]] = {}
        for group in self._groups:
            groups.setdefault(self._root(group), []).append(group)
        if groups:
            named = [" + ".join([root, *groups[root]][:_NAMED]) for root in sorted(groups)]
            shown = "; ".join(named[:_NAMED]) + ("; …" if len(named) > _NAMED else "")
            what = f"{self._name}: groups that share a document, drawn as one"
            yield f"{what}: {len(groups)} ({shown})"

    def _grouped(self, corpus: pl.DataFrame) -> pl.DataFrame:
        """Give each document the least name of the groups that shared documents join."""
        joined = {group: self._root(group) for group in self._groups}
        late = {
            name: self._root(self._group_of[_digest(name)])
            for name in corpus.filter(pl.col("group_id").is_null())["doc_id"]
            if _digest(name) in self._group_of
        }
        group = pl.col("group_id").replace(joined) if joined else pl.col("group_id")
        if late:
            group = pl.coalesce(group, pl.col("doc_id").replace_strict(late, default=None))
        return corpus.with_columns(group)

    def _judgement(self, item: str, document: str) -> bool:
        key = _digest(item, document)
        if key in self._judged:
            return False
        self._judged.add(key)
        self._qrels.add(item, document, 1)
        return True

    def _fault(self, entry: Entry, lang: str) -> str:
        """Return why an entry in a language that is read cannot be used, or ''."""
        if not entry.question and not entry.answer:
            return SILENT
        if entry.question and not entry.item_id:
            return "a question without item_id"
        before = entry.question and self._questions.get(_digest(safe_id(entry.item_id), lang))
        if not before or before[10:] == _digest(_composed(entry.question)):
            return ""
        file = list(self._files)[int.from_bytes(before[:4])]
        place = f"{file}:{int.from_bytes(before[4:10])}:{lang}"
        return f"item_id used before in this language, with another question ({place})"

    def _split(self, entry: Entry) -> str:
        """Return the split of an entry, as it is requested where only case and spaces differ."""
        if entry.split in self._splits:
            return entry.split
        if not entry.split and ALL not in self._splits and not entry.fault:
            raise InputError(
                f"{entry.file}:{entry.row}",
                "no split",
                f"one of {', '.join(self._splits)} in the column 'split'",
                "Fill the column; or ask for splits: [all], and for part: train and part: heldout",
            )
        word = "".join(entry.split.casefold().split())
        return next((one for one in self._splits if one.casefold() == word), entry.split or ALL)

    def _reject(self, entry: Entry, lang: str | None, reason: str) -> None:
        self._tally.rejected(entry.file)
        text, item, reason = (
            value.encode("utf-8", "backslashreplace").decode()
            for value in (entry.question or entry.answer, entry.item_id, reason)
        )
        sound = reason.startswith(NOT_REQUESTED)
        self._rejected.add(self._name, entry.file, entry.row, lang, item or None, reason,
                           text[:_SHOWN] if sound else text)  # fmt: skip
        if sound:
            return
        place, self._refused = f"{entry.file}:{entry.row}", self._refused + 1
        self._first = self._first or f"{place}: {reason}"
        if self._refused > _MOST:
            raise InputError(
                place, f"more than {_MOST:,} rows that cannot be used (first {self._first})",
                "rows of questions and answers", "Check that the file is the one you mean",
            )  # fmt: skip

    def _add_waiting(self, queries: pl.DataFrame, whole: pl.DataFrame) -> None:
        """Add or reject the rows that waited for another row of their item."""
        waiting = self._waiting.frame()
        asks = waiting.filter(pl.col("text").is_not_null())
        answered = asks.join(whole, on="item_id", how="semi")
        for file, item, row, lang, text in asks.join(whole, on="item_id", how="anti").select(
            "file", "item_id", "row", "lang", "text"
        ).sort("file", "row", "lang").rows():  # fmt: skip
            self._reject(Entry(file, row, item, lang, text, ""), lang, UNANSWERED)
        judges = waiting.filter(pl.col("text").is_null())
        has_question = pl.col("item_id").is_in(queries["item_id"].unique().implode())
        judged = judges.with_columns(has_question.alias("new"))
        for frame in (answered, judged):
            for file, new, count in frame.group_by("file", "new").len().rows():
                (self._tally.kept if new else self._tally.merged)(file, count)

    def _refuse_missing(
        self, queries: pl.DataFrame, corpus: pl.DataFrame, notes: Sequence[str]
    ) -> None:
        there = {*queries["lang"].unique(), *corpus["lang"].unique()}
        missing = [lang for lang in self._languages.requested if lang not in there]
        if not missing or (there and not self._languages.every):
            return
        found = ", ".join(f"{word}: {n}" for word, n in self._found.most_common(20))
        remarks = [f"rows there, by code: {found}" if found else "no rows there"]
        if self._refused:
            remarks.append(f"{self._refused} rejected, first {self._first}")
        telling = re.compile(r"it is empty$|no rows$|is not read as language|columns not read")
        remarks += [note for note in notes if telling.search(note)][:5]
        raise InputError(
            f"sources.{self._name}",
            f"no row in {', '.join(missing)} ({'; '.join(remarks)})",
            f"rows in each of {', '.join(self._languages.requested)}",
            self._advice(),
        )

    def _advice(self) -> str:
        """Return what to do about a language without rows."""
        if not self._documents and any(word.startswith("split ") for word in self._found):
            return f"Write the words of your column split, not {', '.join(self._splits)}, as splits"
        rows = (
            "Correct the rows that were rejected"
            if self._refused
            else "Check the codes in your files"
        )
        return f"{rows}, or remove the language from params.yaml"

    def _read_as(self) -> list[str]:
        """Return a note for each word that was read as another."""
        return [
            f"{self._name}: {file}: '{word}' in {count} rows is read as {meant}"
            for (file, word, meant), count in sorted(self._words.items())
        ]


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _digest(*words: str) -> bytes:
    """Return 16 bytes that no other words have; of several, none has white space."""
    return hashlib.blake2b(" ".join(words).encode(), digest_size=16).digest()
