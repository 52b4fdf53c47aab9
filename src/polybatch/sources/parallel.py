"""Parallel sentences as a dataset: a sentence asks, and its translations answer.

Each is a query and a document of its language, so that the corpus side is domain text, and the
whole is cross-lingual sentence retrieval. A query's own sentence stands in the corpus too:
monolingual scores say nothing, and the pool of all languages holds one easy answer a query.
"""

from __future__ import annotations

from dataclasses import dataclass

from polybatch.sources.source import Document, Place, Query, Rows

NOTE = (
    "queries are sentences of the corpus: cross-lingual scores are the ones to read; monolingual "
    "ones find the same sentence, and the pool holds one such answer a query"
)


@dataclass(frozen=True)
class Sentence:
    """One sentence. `item`, `group` and `document`: the same in every language; `row` from 1."""

    source: str
    file: str
    row: int
    lang: str
    item: str
    text: str
    split: str
    group: str | None = None
    document: str | None = None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.source, self.file, self.row, self.lang, self.item, self.text)


def add(rows: Rows, sentence: Sentence) -> None:
    """Add a sentence as query and document, or reject it where it is empty.

    Example:
        >>> rows = Rows()
        >>> rows.read("a.txt")
        >>> add(rows, Sentence("ntrex", "a.txt", 1, "sw", "7", "Habari  gani?", "test"))
        >>> found = rows.parsed()
        >>> found.queries.row(0)[:4], found.corpus.row(0)[:3]
        (('ntrex:sw:7?', 'ntrex:7', 'sw', 'Habari gani?'), ('ntrex:sw:7', 'sw', 'Habari gani?'))
    """
    item_id = f"{sentence.source}:{sentence.item}"
    text = " ".join(sentence.text.split())
    if not text:
        reject(rows, sentence, "empty sentence")
        return
    doc_id = f"{sentence.source}:{sentence.lang}:{sentence.item}"
    group, document = (
        name and f"{sentence.source}:{name}" for name in (sentence.group, sentence.document)
    )
    rows.add(
        sentence.place,
        Query(f"{doc_id}?", item_id, sentence.lang, text, sentence.split),
        Document(doc_id, sentence.lang, text, None, group, document),
    )


def reject(rows: Rows, sentence: Sentence, reason: str) -> None:
    """Keep a row that cannot be used, with the reason."""
    rows.reject(sentence.place, reason)
