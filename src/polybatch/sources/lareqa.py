"""XQuAD-R and MLQA-R, built as LAReQA builds them (Roy et al., arXiv 2004.05484).

The candidates are all sentences of all paragraphs; the relevant one is the sentence that holds the
first character of the answer. `xquad` is XQuAD-R's files as training data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from polybatch.sources.base import Parsed, RemoteFile, Rows, Source
from polybatch.sources.registry import entry, remote_files
from polybatch.sources.squad import Question, fault, questions

_XQUAD = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
_MLQA = ("ar", "de", "en", "es", "hi", "vi", "zh")


class Lareqa(Source):
    """One of LAReQA's two sets. `parallel`: its paragraphs are the same in every language."""

    splits = ("test",)

    def __init__(self, name: str, folder: str, languages: tuple[str, ...], overlaps: str) -> None:
        self.name, self._folder, self.languages = name, folder, languages
        self.overlaps = (overlaps,)
        about = entry("lareqa")
        self.licence, self.citation = about["licence"], about["citation"]
        self.homepage, self.revision = about["homepage"], about["revision"]

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return one file a language."""
        there = remote_files("lareqa", self._folder)
        return tuple(there[f"{self._folder}/{lang}.json"] for lang in languages)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read sentences as documents and what answers which question."""
        rows, defects = Rows(), Counter[str]()
        for lang in languages:
            self._read_language(folder / self._folder / f"{lang}.json", lang, rows, defects)
        return rows.parsed([f"{self.name}: {what}: {n}" for what, n in sorted(defects.items())])

    def _read_language(self, path: Path, lang: str, rows: Rows, defects: Counter[str]) -> None:
        texts: Counter[str] = Counter()
        for question in questions(path):
            article, paragraph, number = question.place
            here = f"{self.name}:{lang}:{article:03d}.{paragraph:03d}"
            if number == 0:
                self._add_sentences(question, here, lang, rows, defects)
            if reason := fault(question):
                rows.rejected.append(_rejected(self.name, question, lang, reason))
                continue
            texts[question.text] += 1
            query_id = f"{self.name}:{lang}:{question.item_id}"
            rows.queries[query_id] = {
                "query_id": query_id,
                "item_id": question.item_id,
                "lang": lang,
                "text": question.text,
                "split": "test",
            }
            sentence = _sentence_of(question, defects)
            doc_id = f"{here}.{sentence:03d}"
            key = (question.item_id, doc_id)
            rows.qrels[key] = {"item_id": question.item_id, "doc_id": doc_id, "relevance": 1}
        repeated = sum(n - 1 for n in texts.values())
        defects[f"questions whose text another has in {lang}"] += repeated

    def _add_sentences(
        self, question: Question, here: str, lang: str, rows: Rows, defects: Counter[str]
    ) -> None:
        article, paragraph, _ = question.place
        spans = question.paragraph["sentence_breaks"]
        sentences = question.paragraph["sentences"]
        for i, (text, (start, end)) in enumerate(zip(sentences, spans, strict=True)):
            doc_id = f"{here}.{i:03d}"
            if question.paragraph["context"][start:end] != text:
                defects[
                    f"sentence boundaries off the text in {lang}, article {article}, "
                    f"paragraph {paragraph}"
                ] += 1
            rows.corpus[doc_id] = {
                "doc_id": doc_id,
                "lang": lang,
                "text": text,
                "title": question.title,
                "group_id": self._group(question, lang),
            }

    def _group(self, question: Question, lang: str) -> str:
        if self.name == "mlqa-r":  # articles differ by language; items link them
            return f"{self.name}:{lang}:{question.title}"
        return f"{self.name}:{question.place[0]:03d}"


def _sentence_of(question: Question, defects: Counter[str]) -> int:
    end = question.start + len(question.answer)
    for i, (first, last) in enumerate(question.paragraph["sentence_breaks"]):
        if first <= question.start < last:
            if end > last:
                defects["answers that span two sentences (the first one counts)"] += 1
            return i
    starts = [first for first, _ in question.paragraph["sentence_breaks"]]
    defects["answers between two sentences (the one before counts)"] += 1
    return max(i for i, first in enumerate(starts) if first <= question.start)


def _rejected(source: str, question: Question, lang: str, reason: str) -> dict[str, object]:
    return {
        "source": source,
        "file": question.file,
        "row": question.place[2],
        "lang": lang,
        "item_id": question.item_id,
        "reason": reason,
        "text": question.text,
    }


XQUAD_R = Lareqa("xquad-r", "xquad-r", _XQUAD, overlaps="xquad")
XQUAD = Lareqa("xquad", "xquad-r", _XQUAD, overlaps="xquad-r")
MLQA_R = Lareqa("mlqa-r", "mlqa-r", _MLQA, overlaps="mlqa")
