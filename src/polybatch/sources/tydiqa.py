"""TyDi QA's gold passage task (Clark et al., TACL 2020): question -> gold passage, one language.

`dev` has nine languages, its answers blanked in the mirror's files; `train` three. Questions were
written by people who had not seen the answer, not translated: nothing is parallel. A row is a
question with its passage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from polybatch.sources.registry import describe, remote_files
from polybatch.sources.source import Document, Parsed, Query, RemoteFile, Rows, Source
from polybatch.sources.squad import Paragraph, Question, fault, paragraphs, place, unused

_NOTE = (
    "tydiqa: questions are not parallel, each is in one language; dev files have their answers "
    "blanked, so passages are what is found, not spans"
)


class Tydiqa(Source):
    """Monolingual retrieval in nine languages."""

    name = "tydiqa"
    languages = ("ar", "bn", "en", "fi", "id", "ko", "ru", "sw", "te")
    splits = ("train", "dev")

    def __init__(self) -> None:
        describe(self, "tydiqa")

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return one file per language and split, where there is one."""
        return tuple(
            file
            for path, file in remote_files("tydiqa").items()
            if _lang(path) in languages and _split(path) in splits
        )

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return that nothing is parallel, and what is blanked."""
        return (_NOTE,)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read questions and their passages; a passage of several questions is one document."""
        self.check(languages, splits)
        rows = Rows()
        for file in self.files(languages, splits):
            lang, split = _lang(file.path), _split(file.path)
            for paragraph in paragraphs(folder / file.path):
                for question in paragraph.questions:
                    rows.read(question.file)
                    _add(rows, paragraph, question, lang, split)
                if not paragraph.questions:
                    rows.read(paragraph.file)
                    rows.reject(unused(self.name, paragraph, lang), "paragraph without a question")
        return rows.parsed(self.notes(splits))


def _add(rows: Rows, paragraph: Paragraph, question: Question, lang: str, split: str) -> None:
    digest = hashlib.sha256(paragraph.text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    doc_id = f"tydiqa:{lang}:{digest}"
    # an id of the train files stands for several questions: 8,076 have 6,396 (id, passage)
    text_digest = hashlib.sha256(question.text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    item_id = f"tydiqa:{lang}:{split}:{question.item_id}-{digest[:8]}-{text_digest}"
    reason = fault(question, paragraph.text, blanked=split == "dev")
    if f"{item_id}?" in rows.queries:
        reason = reason or "question used before with this passage"
    if reason:
        rows.reject(place("tydiqa", question, lang), reason)
        return
    article = paragraph.title and f"tydiqa:{lang}:{paragraph.title}"
    rows.add(
        place("tydiqa", question, lang),
        Query(f"{item_id}?", item_id, lang, question.text, split),
        Document(doc_id, lang, paragraph.text, paragraph.title, doc_id, article),
    )


def _lang(path: str) -> str:
    """Return a file's language.

    Example:
        >>> _lang("tydiqa-goldp-v1.1-dev/tydiqa.goldp.sw.dev.json")
        'sw'
    """
    return Path(path).name.split(".")[2]


def _split(path: str) -> str:
    return Path(path).name.split(".")[3]
