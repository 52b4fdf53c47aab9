"""MMLU's medical subjects translated by people into eleven African languages (arXiv 2412.12417).

A question asks, and the text of its right choice answers; the wrong ones are not used. Files of a
subject and split are parallel by their row. A row is a question with its choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polybatch.sources.cells import cells
from polybatch.sources.registry import describe, remote_files
from polybatch.sources.source import Document, Parsed, Place, Query, RemoteFile, Rows, Source

_SPLITS = ("dev", "val", "test")
_NOTE = "mmlu-african: answers are choices of an exam, often a word; some name other choices"


class MmluAfrican(Source):
    """Clinical knowledge, college medicine and virology: 688 questions in twelve languages."""

    name = "mmlu-african"
    splits = _SPLITS

    def __init__(self) -> None:
        describe(self, self.name)
        found = {_parts(path)[2] for path in remote_files(self.name) if path.endswith(".csv")}
        self.languages = tuple(sorted(found))

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return one file a subject, split and language, and the licences."""
        return tuple(
            file
            for path, file in remote_files(self.name).items()
            if not path.endswith(".csv") or _wanted(path, languages, splits)
        )

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return what kind of answers they are."""
        return (_NOTE,)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read questions and right choices."""
        self.check(languages, splits)
        rows = Rows()
        for path in remote_files(self.name):
            if path.endswith(".csv") and _wanted(path, languages, splits):
                for number, (line, row) in enumerate(cells(folder / path, 6), 1):
                    rows.read(path)
                    _add(rows, path, (number, line), row)
        return rows.parsed(self.notes(splits))


def _add(rows: Rows, path: str, numbers: tuple[int, int], row: Sequence[str]) -> None:
    subject, split, lang = _parts(path)
    item_id = f"mmlu-african:{subject}:{split}:{numbers[0]:03d}"
    doc_id = f"{item_id}:{lang}"
    question, *choices, letter = row
    place = Place("mmlu-african", path, numbers[1], lang, item_id, question)
    answer = choices["ABCD".index(letter)] if letter in [*"ABCD"] else None
    if not question or not answer:
        what = "question" if not question else "answer"
        reason = f"empty {what}" if answer is not None else "no letter of a choice"
        rows.reject(place, reason)
        return
    query = Query(f"{doc_id}?", item_id, lang, question, split)
    rows.add(place, query, Document(doc_id, lang, answer, None, item_id))


def _wanted(path: str, languages: Sequence[str], splits: Sequence[str]) -> bool:
    _, split, lang = _parts(path)
    return split in splits and lang in languages


def _parts(path: str) -> tuple[str, str, str]:
    """Return subject, split and language of a file; the original is English and says nothing.

    Example:
        >>> _parts("college_medicine_val_nso.csv"), _parts("virology_test.csv")
        (('college_medicine', 'val', 'nso'), ('virology', 'test', 'en'))
    """
    words = Path(path).stem.split("_")
    lang = "en" if words[-1] in _SPLITS else words.pop()
    return "_".join(words[:-1]), words[-1], lang
