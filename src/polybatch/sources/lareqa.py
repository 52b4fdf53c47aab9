"""XQuAD-R and MLQA-R, built as LAReQA builds them (Roy et al., arXiv 2004.05484).

The candidates are all sentences of all paragraphs, a sentence that stands twice being two; the
relevant one is the sentence that holds the first character of the answer. `xquad` is XQuAD-R's
files as training data. Rows of a file are its sentences (numbered by their paragraph) and its
questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from polybatch.sources.registry import describe, remote_files
from polybatch.sources.source import Document, Parsed, Place, Query, RemoteFile, Rows, Source
from polybatch.sources.squad import Paragraph, Question, fault, paragraphs, place

_XQUAD = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
_MLQA = ("ar", "de", "en", "es", "hi", "vi", "zh")


class Lareqa(Source):
    """One of LAReQA's two sets. `held`: its entry in the registry, and its folder upstream."""

    splits = ("test",)

    def __init__(self, name: str, held: str, languages: tuple[str, ...]) -> None:
        self.name, self._held, self.languages = name, held, languages
        describe(self, held)

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return one file per language, and the licence."""
        wanted = {f"{self._held}/{lang}.json" for lang in languages}
        return tuple(
            file
            for path, file in remote_files(self._held).items()
            if path in wanted or Path(path).name == "LICENSE"
        )

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read sentences as documents and what answers which question; defects are notes."""
        self.check(languages, splits)
        rows, defects = Rows(), Counter[str]()
        for lang in languages:
            found = list(paragraphs(folder / self._held / f"{lang}.json"))
            for paragraph in found:
                self._add(rows, paragraph, lang, defects)
            defects.update(_repeated(found, lang))
        notes = [f"{self.name}: {what}: {n}" for what, n in sorted(defects.items()) if n]
        return rows.parsed(notes)

    def _add(self, rows: Rows, paragraph: Paragraph, lang: str, defects: Counter[str]) -> None:
        for number, text in enumerate(paragraph.sentences):
            rows.read(paragraph.file)
            doc_id = self._doc_id(paragraph, lang, number)
            where = Place(self.name, paragraph.file, paragraph.number, lang, doc_id, text)
            group = self._group(paragraph, lang)
            if text.strip():
                document = Document(doc_id, lang, text, paragraph.title, group, group)
                rows.add(where, document=document)
            else:
                rows.reject(where, "empty sentence")
        cut = [paragraph.text[start:end] for start, end in paragraph.breaks]
        wrong = sum(a != b for a, b in zip(cut, paragraph.sentences, strict=True))
        defects[
            f"sentences not at their sentence_breaks, {lang}, paragraph {paragraph.number + 1}"
        ] = wrong
        for question in paragraph.questions:
            rows.read(question.file)
            self._add_question(rows, paragraph, question, lang, defects)

    def _add_question(
        self,
        rows: Rows,
        paragraph: Paragraph,
        question: Question,
        lang: str,
        defects: Counter[str],
    ) -> None:
        query_id = f"{self.name}:{lang}:{question.item_id}"
        sentence = _sentence(paragraph, question)
        reason = fault(question, paragraph.text)
        if query_id in rows.queries:
            reason = "id used before in this language"
        if reason or sentence is None:
            reason = reason or "no sentence holds the answer's first character"
            rows.reject(place(self.name, question, lang), reason)
            return
        if question.span[1] > paragraph.breaks[sentence][1]:
            defects["answers that reach into the next sentence (the first one counts)"] += 1
        query = Query(query_id, question.item_id, lang, question.text, "test")
        doc_id = self._doc_id(paragraph, lang, sentence)
        where = place(self.name, question, lang)
        rows.add(where, query, answered_by=doc_id, answer=question.answer)

    def _doc_id(self, paragraph: Paragraph, lang: str, sentence: int) -> str:
        return f"{self.name}:{lang}:{paragraph.number:04d}.{sentence:02d}"

    def _group(self, paragraph: Paragraph, lang: str) -> str:
        """Return the article: the same in every language in XQuAD-R; in MLQA-R items link them."""
        if self._held == "xquad-r":
            return f"{self.name}:{paragraph.title}"
        return f"{self.name}:{lang}:{paragraph.title}"


def _sentence(paragraph: Paragraph, question: Question) -> int | None:
    for number, (start, end) in enumerate(paragraph.breaks):
        if start <= question.start < end:
            return number
    return None


def _repeated(found: list[Paragraph], lang: str) -> Counter[str]:
    """Count texts beyond their first occurrence: two right answers of which one is judged."""
    questions = [question.text for paragraph in found for question in paragraph.questions]
    sentences = [text for paragraph in found for text in paragraph.sentences]
    return Counter(
        {
            f"questions with the text of another, {lang}": len(questions) - len(set(questions)),
            f"sentences with the text of another, {lang}": len(sentences) - len(set(sentences)),
        }
    )


XQUAD_R = Lareqa("xquad-r", "xquad-r", _XQUAD)
XQUAD = Lareqa("xquad", "xquad-r", _XQUAD)
MLQA_R = Lareqa("mlqa-r", "mlqa-r", _MLQA)
