"""What a source's reader returns, and how it collects rows so that none is lost.

Every row that is read ends in a table or among the rejected ones: `Tally` counts them by file, and
`Parsed` refuses counts that do not add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import polars as pl

from polybatch.core.dataset import ANSWERS, CORPUS, QRELS, QUERIES, REJECTED, TALLY, table

Row = dict[str, object]


class Place(NamedTuple):
    """A row that is read: where it stands, and what of it REJECTED shows if it is rejected."""

    source: str
    file: str
    row: int | None
    lang: str | None
    item_id: str | None
    text: str

    def writable(self) -> Place:
        r"""Return this with each half surrogate pair, which is no UTF-8, as its escape.

        Example:
            >>> Place("local", "a.csv", 1, "sw", "i", "a\ud800").writable().text
            'a\\ud800'
        """
        parts = [value and value.encode("utf-8", "backslashreplace").decode()
                 for value in (self.item_id, self.text)]  # fmt: skip
        return self._replace(item_id=parts[0], text=parts[1] or "")


class Query(NamedTuple):
    """A row of `polybatch.core.dataset.QUERIES`."""

    query_id: str
    item_id: str
    lang: str
    text: str
    split: str


class Document(NamedTuple):
    """A row of `polybatch.core.dataset.CORPUS`."""

    doc_id: str
    lang: str
    text: str
    title: str | None = None
    group_id: str | None = None
    document_id: str | None = None
    template_id: str | None = None


class Tally:
    """Counts what becomes of the rows of each file; a reader calls `read` where it reads.

    Example:
        >>> tally = Tally()
        >>> tally.read("a.csv", 3), tally.kept("a.csv", 2), tally.rejected("a.csv")
        (None, None, None)
        >>> tally.frame().row(0)
        ('a.csv', 3, 2, 0, 1)
    """

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}

    def read(self, file: str, rows: int = 1) -> None:
        """Count rows that were read, before anything is decided about them."""
        self._add(file, 0, rows)

    def kept(self, file: str, rows: int = 1) -> None:
        """Count rows of which something stands in a table."""
        self._add(file, 1, rows)

    def merged(self, file: str, rows: int = 1) -> None:
        """Count rows that say only what other rows say."""
        self._add(file, 2, rows)

    def rejected(self, file: str, rows: int = 1) -> None:
        """Count rows that are in REJECTED."""
        self._add(file, 3, rows)

    def frame(self) -> pl.DataFrame:
        """Return the counts as TALLY, sorted by file."""
        rows = [(file, *counts) for file, counts in sorted(self._counts.items())]
        return pl.DataFrame(rows, schema=TALLY, orient="row")

    def _add(self, file: str, column: int, rows: int) -> None:
        self._counts.setdefault(file, [0, 0, 0, 0])[column] += rows


@dataclass(frozen=True)
class Parsed:
    """What a source's files hold: the data model's tables, what was rejected, and notes.

    `notes`: what a reader of the results should know about these rows, a sentence each.
    `answers`: the words that answer, where a publisher marks them (`dataset.ANSWERS`).
    `tally`: what became of each file's rows (TALLY); empty where a source does not count them.
    """

    queries: pl.DataFrame
    corpus: pl.DataFrame
    qrels: pl.DataFrame
    rejected: pl.DataFrame
    notes: tuple[str, ...] = ()
    answers: pl.DataFrame = field(default_factory=ANSWERS.to_frame)
    tally: pl.DataFrame = field(default_factory=TALLY.to_frame)

    def __post_init__(self) -> None:
        """Raise AssertionError unless every row of every counted file is accounted for."""
        listed = dict(self.rejected["file"].value_counts().rows())
        for file, read, kept, merged, rejected in self.tally.rows():
            if read != kept + merged + rejected or rejected != listed.get(file, 0):
                raise AssertionError(
                    f"{file}: {read} rows read, {kept} kept, {merged} merged, {rejected} rejected, "
                    f"{listed.get(file, 0)} of them listed"
                )

    def without_tables(self) -> Parsed:
        """Return this without its queries, documents and judgements."""
        nothing = {name: getattr(self, name).clear() for name in ("queries", "corpus", "qrels")}
        return replace(self, **nothing)


Key = tuple[str, ...]
"""A row of a table: ('query', query_id), ('document', doc_id) or ('judgement', item_id, doc_id)."""

_TABLES = {"query": "queries", "document": "corpus", "judgement": "qrels"}


class Rows:
    """Rows as a reader finds them, by id.

    A reader calls `read` for every row, then `add` or `reject`. The tables can also be
    filled by hand; such rows are not counted.

    Example:
        >>> rows = Rows()
        >>> for row, text in enumerate(["Why?", "Why?", "Who?"], 1):
        ...     rows.read("a.csv")
        ...     place = Place("a", "a.csv", row, "en", "i", text)
        ...     rows.add(place, Query("i:en", "i", "en", text, "all"), Document("d", "en", "So."))
        >>> found = rows.parsed()
        >>> found.tally.row(0), found.rejected["reason"].to_list()
        (('a.csv', 3, 1, 1, 1), ['another text of the same id stands before it (i:en)'])
    """

    def __init__(self) -> None:
        self.queries: dict[str, Row] = {}
        self.corpus: dict[str, Row] = {}
        self.qrels: dict[tuple[str, str], Row] = {}
        self.rejected: list[Row] = []
        self.answers: dict[tuple[str, str], str] = {}
        self._tally = Tally()
        self._claims: list[tuple[Place, tuple[Key, ...]]] = []

    def read(self, file: str) -> None:
        """Count a row that was read, before anything is decided about it."""
        self._tally.read(file)

    def reject(self, place: Place, reason: str) -> None:
        """Keep a row that cannot be used, with the reason."""
        self._tally.rejected(place.file)
        self._reject(place, reason)

    def add(
        self,
        place: Place,
        query: Query | None = None,
        document: Document | None = None,
        answered_by: str | None = None,
        answer: str = "",
    ) -> None:
        """Add what a row says, or reject the row where that cannot stand beside earlier rows.

        The query's item is answered by `document`, or by the document `answered_by` of another
        row; `answer`: the words that answer. Equal rows are added once.
        """
        if reason := self._fault(place, query, document, answer):
            self.reject(place, reason)
            return
        keys: list[Key] = []
        doc_id = document.doc_id if document else answered_by
        if query:
            self.queries.setdefault(query.query_id, query._asdict())
            keys.append(("query", query.query_id))
        if document:
            self.corpus.setdefault(document.doc_id, document._asdict())
            keys.append(("document", document.doc_id))
        if query and doc_id:
            judged = {"item_id": query.item_id, "doc_id": doc_id, "relevance": 1}
            self.qrels.setdefault((query.item_id, doc_id), judged)
            keys.append(("judgement", query.item_id, doc_id))
            if answer:
                self.answers.setdefault((query.item_id, doc_id), answer)
        self._claims.append((place, tuple(keys)))

    def parsed(self, notes: Sequence[str] = ()) -> Parsed:
        """Return tables sorted by id; what does not hold together is rejected, with its reason.

        That is: half a surrogate pair, which JSON can write, in any field; a judgement of a
        document that is not there; an item without a query, or without a relevant document.
        """
        self._reject_halved()
        lost = self._drop_incomplete_items()
        self._count(lost)
        answers: list[Row] = [
            {"item_id": item, "doc_id": doc, "text": text}
            for (item, doc), text in self.answers.items()
            if (item, doc) in self.qrels and not halved(text)
        ]
        return Parsed(
            table(list(self.queries.values()), QUERIES).sort("query_id"),
            table(list(self.corpus.values()), CORPUS).sort("doc_id"),
            table(list(self.qrels.values()), QRELS).sort("item_id", "doc_id"),
            table(self.rejected, REJECTED),
            tuple(notes),
            table(answers, ANSWERS).sort("item_id", "doc_id"),
            self._tally.frame(),
        )

    def _fault(
        self, place: Place, query: Query | None, document: Document | None, answer: str
    ) -> str | None:
        """Return why a row cannot stand beside the earlier ones, or None."""
        if any(halved(str(value)) for value in (*(query or ()), *(document or ()), answer)):
            return "half a surrogate pair"
        for row, known in (
            (query, self.queries.get(query.query_id) if query else None),
            (document, self.corpus.get(document.doc_id) if document else None),
        ):
            if row and known and row.text != known["text"]:
                return f"another text of the same id stands before it ({row[0]})"
        return None

    def _reject(self, place: Place, reason: str) -> None:
        self.rejected.append({**place.writable()._asdict(), "reason": reason})

    def _reject_halved(self) -> None:
        """Take out the rows, filled in by hand, that cannot be written as UTF-8."""
        for what, rows in (("queries", self.queries), ("corpus", self.corpus)):
            for key in [key for key, row in rows.items() if any(map(halved, _texts(row)))]:
                row = rows.pop(key)
                place = Place(what, what, None, str(row["lang"]), key, str(row["text"]))
                self._reject(place, "half a surrogate pair")

    def _drop_incomplete_items(self) -> dict[Key, str]:
        """Take out what does not hold together; return the reason of each key that is gone."""
        lost: dict[Key, str] = {}
        queried = {row["item_id"] for row in self.queries.values()}
        for item, doc in list(self.qrels):
            gone = "judged document is not in the corpus" if doc not in self.corpus else None
            if reason := gone or (None if item in queried else "judged item has no query"):
                del self.qrels[item, doc]
                lost["judgement", item, doc] = reason
        judged = {item for item, _ in self.qrels}
        for name, row in list(self.queries.items()):
            if row["item_id"] not in judged:
                del self.queries[name]
                lost["query", name] = "no relevant document is left"
        return lost

    def _count(self, lost: dict[Key, str]) -> None:
        """Say of every row that was added whether it is kept, merged or lost after all."""
        seen: set[Key] = set()
        for place, keys in self._claims:
            standing = [key for key in keys if key not in lost]
            if not standing:
                self.reject(place, next((lost[key] for key in reversed(keys)), "says nothing"))
            elif seen.issuperset(standing):
                self._tally.merged(place.file)
            else:
                self._tally.kept(place.file)
                seen.update(standing)
        counted = {key for _, keys in self._claims for key in keys}
        for key in sorted(lost.keys() - counted):  # filled in by hand
            what = _TABLES[key[0]]
            self._reject(Place(what, what, None, None, key[1], " ".join(key[1:])), lost[key])


def _texts(row: Row) -> Iterator[str]:
    return (value for value in row.values() if isinstance(value, str))


def halved(text: str) -> bool:
    """Return whether a text cannot be written as UTF-8."""
    return not text.isascii() and any("\ud800" <= mark <= "\udfff" for mark in text)
