"""MLQA v1 as parallel training data (Lewis et al., arXiv 1910.07475).

`dev`: question -> the sentence that holds the answer; MLQA marks no sentences, so
`polybatch.sources.sentences` finds them, never cutting an answer.
`test`: question -> paragraph, because the mirror's files have their answers blanked. An item's
paragraphs and questions come from different files; together they also give monolingual pairs.
A row is a question with its paragraph: merged where question, paragraph and judgement stand in
other files already.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from polybatch.sources.registry import describe, remote_files
from polybatch.sources.sentences import spans
from polybatch.sources.source import Document, Parsed, Query, RemoteFile, Rows, Source
from polybatch.sources.squad import Paragraph, Question, Span, fault, paragraphs, place, unused

_TEST_NOTE = (
    "mlqa: the test files have their answers blanked, and are 16 of 49: question -> paragraph "
    "pairs only, contexts in de, es, vi and zh"
)


@dataclass(frozen=True)
class _Found:
    """A paragraph in `doc_lang`, with questions in `query_lang`."""

    split: str
    doc_lang: str
    query_lang: str
    paragraph: Paragraph


class Mlqa(Source):
    """Questions in seven languages about paragraphs in seven languages, ids shared by all."""

    name = "mlqa"
    languages = ("ar", "de", "en", "es", "hi", "vi", "zh")
    splits = ("dev", "test")

    def __init__(self) -> None:
        describe(self, "mlqa")

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return the files whose paragraphs and questions are both in `languages`; the licence."""
        return tuple(
            file
            for path, file in remote_files("mlqa").items()
            if path.endswith("LICENSE") or _wanted(path, languages, splits)
        )

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return the warning about `test`, where it is used."""
        return (_TEST_NOTE,) if "test" in splits else ()

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read items: questions in every language, documents in every context language."""
        self.check(languages, splits)
        paths = [
            file.path
            for file in self.files(languages, splits)
            if _wanted(file.path, languages, splits)
        ]
        found = [each for path in paths for each in _read(folder, path)]
        return _Reader(_sentences(found)).parsed(found, self.notes(splits))


class _Reader:
    """Collects rows; `sentences`: the spans of each (language, paragraph) of `dev`."""

    def __init__(self, sentences: dict[tuple[str, str], list[Span]]) -> None:
        self._sentences, self._rows = sentences, Rows()
        self._documents: dict[tuple[str, str], str] = {}

    def parsed(self, found: Iterable[_Found], notes: Sequence[str]) -> Parsed:
        for each in found:
            for question in each.paragraph.questions:
                self._rows.read(question.file)
                self._add(each, question)
            if not each.paragraph.questions:
                self._rows.read(each.paragraph.file)
                where = unused("mlqa", each.paragraph, each.doc_lang)
                self._rows.reject(where, "paragraph without a question")
        return self._rows.parsed(notes)

    def _add(self, found: _Found, question: Question) -> None:
        """Add a row, or reject it: what a file says first of a question holds for the others."""
        query_id = f"mlqa:{found.query_lang}:{question.item_id}"
        known = self._rows.queries.get(query_id)
        reason = fault(question, found.paragraph.text, blanked=found.split == "test")
        doc_id, text = ("", "") if reason else self._document(found, question)
        if known and known["text"] != question.text:
            reason = reason or "worded otherwise in another file"
        if self._documents.get((question.item_id, found.doc_lang), doc_id) != doc_id:
            reason = reason or "answered otherwise in another file"
        if reason:
            self._rows.reject(place("mlqa", question, found.query_lang), reason)
            return
        self._documents[question.item_id, found.doc_lang] = doc_id
        title = found.paragraph.title
        article = title and f"mlqa:{found.doc_lang}:{title}"
        group = article or f"mlqa:{found.doc_lang}:{_key(found)}"
        self._rows.add(
            place("mlqa", question, found.query_lang),
            Query(query_id, question.item_id, found.query_lang, question.text, found.split),
            Document(doc_id, found.doc_lang, text, title, group, article),
            answer=question.answer if found.split == "dev" else "",
        )

    def _document(self, found: _Found, question: Question) -> tuple[str, str]:
        """Return id and text: the answer's sentence in `dev`, the paragraph in `test`."""
        paragraph = f"mlqa:{found.doc_lang}:{_key(found)}"
        if found.split == "test":
            return paragraph, found.paragraph.text
        for number, (start, end) in enumerate(self._sentences[_place(found)]):
            if question.start < end:
                return f"{paragraph}.{number:02d}", found.paragraph.text[start:end]
        raise AssertionError("an answer stands in its paragraph")


def _read(folder: Path, path: str) -> Iterator[_Found]:
    split, doc_lang, query_lang = _parts(path)
    for paragraph in paragraphs(folder / path):
        yield _Found(split, doc_lang, query_lang, paragraph)


def _sentences(found: Iterable[_Found]) -> dict[tuple[str, str], list[Span]]:
    """Split each paragraph of `dev` once, with the answers of all files."""
    answers: dict[tuple[str, str], set[Span]] = defaultdict(set)
    for each in found:
        if each.split == "dev":
            good = (q for q in each.paragraph.questions if not fault(q, each.paragraph.text))
            answers[_place(each)].update(question.span for question in good)
    return {(lang, text): spans(text, lang, uncut) for (lang, text), uncut in answers.items()}


def _place(found: _Found) -> tuple[str, str]:
    return found.doc_lang, found.paragraph.text


def _key(found: _Found) -> str:
    """Return a paragraph's key: files number them differently, their text is the same."""
    return hashlib.sha256(found.paragraph.text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _wanted(path: str, languages: Sequence[str], splits: Sequence[str]) -> bool:
    if not path.endswith(".json"):
        return False
    split, doc_lang, query_lang = _parts(path)
    return split in splits and doc_lang in languages and query_lang in languages


def _parts(path: str) -> tuple[str, str, str]:
    """Return split, context language and question language of a file.

    Example:
        >>> _parts("MLQA_V1/dev/dev-context-de-question-ar.json")
        ('dev', 'de', 'ar')
    """
    split, _, doc_lang, _, query_lang = Path(path).stem.split("-")
    return split, doc_lang, query_lang
