"""MLQA v1 as parallel training data (Lewis et al., arXiv 1910.07475).

`dev`: question -> the sentence that holds the answer's first character. MLQA has no sentence
boundaries; the library sentencex finds them (agreement with LAReQA's own boundaries on the same
answers: 79 to 98 percent a language, docs/decisions/sentences.md).
`test`: its answers are blanked in the mirror, so it is question -> paragraph only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from sentencex import get_sentence_boundaries

from polybatch.sources.base import Parsed, RemoteFile, Rows, Source
from polybatch.sources.registry import entry, remote_files
from polybatch.sources.squad import Question, fault, questions

_TEST_NOTE = (
    "mlqa: test has blanked answers and 16 of 49 files in the mirror, so it gives question -> "
    "paragraph pairs only, never answer sentences"
)


class Mlqa(Source):
    """Questions in seven languages about contexts in seven languages, ids shared across them."""

    name = "mlqa"
    languages = ("ar", "de", "en", "es", "hi", "vi", "zh")
    splits = ("dev", "test")
    overlaps = ("mlqa-r",)

    def __init__(self) -> None:
        about = entry("mlqa")
        self.licence, self.citation = about["licence"], about["citation"]
        self.homepage, self.revision = about["homepage"], about["revision"]

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return the files whose context and question are in the languages asked for."""
        return tuple(
            file
            for split in splits
            for path, file in remote_files("mlqa", f"MLQA_V1/{split}/").items()
            if set(_languages(path)) <= set(languages)
        )

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return the warning about `test`, where it is used."""
        return (_TEST_NOTE,) if "test" in splits else ()

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read items: questions in every language, documents in every context language."""
        rows = Rows()
        for file in self.files(languages, splits):
            context, asked = _languages(file.path)
            split = Path(file.path).parent.name
            for question in questions(folder / file.path):
                self._add(rows, question, context, asked, split)
        return rows.parsed(self.notes(splits))

    def _add(self, rows: Rows, question: Question, context: str, asked: str, split: str) -> None:
        item_id = f"mlqa:{question.item_id}"
        query_id = f"{item_id}:{asked}"
        reason = fault(question, blanked=split == "test")
        known = rows.queries.get(query_id)
        if not reason and known and known["text"] != question.text:
            reason = "another wording of this question in another file; the first is kept"
        if reason:
            rows.rejected.append(
                {
                    "source": self.name,
                    "file": question.file,
                    "row": question.place[2],
                    "lang": asked,
                    "item_id": item_id,
                    "reason": reason,
                    "text": question.text,
                }
            )
            return
        rows.queries[query_id] = {
            "query_id": query_id,
            "item_id": item_id,
            "lang": asked,
            "text": question.text,
            "split": split,
        }
        doc_id, text = _document(question, context, split)
        group = question.title if question.title else doc_id.rpartition(":")[2]
        rows.corpus[doc_id] = {
            "doc_id": doc_id,
            "lang": context,
            "text": text,
            "title": question.title,
            "group_id": f"mlqa:{context}:{group}",
        }
        rows.qrels[item_id, doc_id] = {"item_id": item_id, "doc_id": doc_id, "relevance": 1}


def _languages(path: str) -> tuple[str, str]:
    """Return context and question language of a file.

    Example:
        >>> _languages("MLQA_V1/dev/dev-context-de-question-ar.json")
        ('de', 'ar')
    """
    parts = Path(path).stem.split("-")
    return parts[2], parts[4]


def _document(question: Question, lang: str, split: str) -> tuple[str, str]:
    """Return id and text: the answer's sentence in `dev`, the whole paragraph in `test`."""
    text = question.paragraph["context"]
    paragraph = hashlib.sha256(text.encode()).hexdigest()[:12]
    if split == "test":
        return f"mlqa:{lang}:{paragraph}", text
    for i, (start, end) in enumerate(sentences(lang, text)):
        if start <= question.start < end:
            return f"mlqa:{lang}:{paragraph}:{i:03d}", text[start:end].strip()
    raise AssertionError("sentences cover their text")


@cache
def sentences(lang: str, text: str) -> tuple[tuple[int, int], ...]:
    """Return (start, end) of each sentence of a text; together they cover it.

    Example:
        >>> sentences("en", "Dr. Who left. He came back.")
        ((0, 14), (14, 27))
    """
    found = [
        (each["start_index"], each["end_index"]) for each in get_sentence_boundaries(lang, text)
    ]
    starts = [0, *(start for start, _ in found[1:])]
    return tuple(zip(starts, [*starts[1:], len(text)], strict=True))
