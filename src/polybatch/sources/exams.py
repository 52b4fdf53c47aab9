"""EXAMS: questions of school exams in sixteen languages, many in several (arXiv 2011.03080).

A question asks, and the text of its right choice answers. Rows that `parallel_questions.jsonl`
joins are one item: 4,087 items are in two to six languages, the others in one. A row is a question
in a language that is requested.
"""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from polybatch.core.errors import InputError
from polybatch.sources.lines import lines
from polybatch.sources.registry import describe, remote_files
from polybatch.sources.source import Document, Parsed, Place, Query, RemoteFile, Rows, Source

_LIMIT = 64 << 20  # bytes unpacked of a split; the largest has 7.7 million
_JOINED = "parallel_questions.jsonl"
_LANGUAGES = {
    "sq": "Albanian", "ar": "Arabic", "bg": "Bulgarian", "hr": "Croatian", "fr": "French",
    "de": "German", "hu": "Hungarian", "it": "Italian", "lt": "Lithuanian",
    "mk": "North Macedonian", "pl": "Polish", "pt": "Portuguese", "sr": "Serbian",
    "es": "Spanish", "tr": "Turkish", "vi": "Vietnamese",
}  # fmt: skip
_NOTE = "exams: answers are choices of an exam, often a word; some name other choices"


class Exams(Source):
    """Parallel question answering; the languages of an item are in the same split."""

    name = "exams"
    languages = tuple(_LANGUAGES)
    splits = ("train", "dev", "test")

    def __init__(self) -> None:
        describe(self, self.name)

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return one archive a split, what joins their rows, and the licence."""
        wanted = {f"{split}.jsonl.tar.gz" for split in splits} | {_JOINED, "CODE-LICENSE"}
        return tuple(file for path, file in remote_files(self.name).items() if path in wanted)

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return what kind of answers they are."""
        return (_NOTE,)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read questions and right choices; choices that are not there are rejected.

        Raises:
            InputError: an archive or a row in it that is not of the publisher's form.
        """
        self.check(languages, splits)
        rows, items = Rows(), _items(folder / _JOINED)
        codes = {_LANGUAGES[lang]: lang for lang in languages}
        for split in splits:
            file = f"{split}.jsonl.tar.gz"
            for row, line in enumerate(_member(folder / file), 1):
                try:
                    name, word, question, answer = _fields(line)
                except (ValueError, LookupError, TypeError, RecursionError) as error:
                    raise _refused(f"{folder / file}:{row}", error) from error
                if lang := codes.get(word):
                    rows.read(file)
                    item_id = f"exams:{items.get(name, name)}"
                    place = Place(self.name, file, row, lang, item_id, question)
                    _add(rows, place, split, answer)
        return rows.parsed(self.notes(splits))


def _add(rows: Rows, place: Place, split: str, answer: str | None) -> None:
    item_id, lang = str(place.item_id), str(place.lang)
    doc_id = f"{item_id}:{lang}"
    if f"{doc_id}?" in rows.queries:
        rows.reject(place, "second question of its item in this language")
    elif not place.text or not answer:
        missing = "no right choice" if answer is None else "empty answer"
        rows.reject(place, missing if place.text else "empty question")
    else:
        query = Query(f"{doc_id}?", item_id, lang, place.text, split)
        rows.add(place, query, Document(doc_id, lang, answer, None, item_id))


def _fields(line: str) -> tuple[str, str, str, str | None]:
    """Return id, language, question and right answer of a row; TypeError if one is no text."""
    entry: Any = json.loads(line)
    question, choices = entry["question"]["stem"], entry["question"]["choices"]
    answers = {choice["label"]: choice["text"] for choice in choices}
    found = entry["id"], entry["info"]["language"], question, entry["answerKey"], *answers.values()
    if not all(isinstance(value, str) for value in found):
        raise TypeError("a value that is no text")
    answer = answers.get(entry["answerKey"])
    return entry["id"], entry["info"]["language"], question.strip(), answer and answer.strip()


def _items(path: Path) -> dict[str, str]:
    """Return the item of each joined row: the first id of all that are joined with it."""
    first: dict[str, str] = {}

    def root(name: str) -> str:
        while first.setdefault(name, name) != name:
            first[name] = name = first[first[name]]
        return name

    for row, line in enumerate(lines(path), 1):
        try:
            joined = {str(name): [str(other) for other in others]
                      for name, others in json.loads(line).items()}  # fmt: skip
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise _refused(f"{path}:{row}", error) from error
        for name, others in joined.items():
            for other in others:
                low, high = sorted((root(name), root(other)))
                first[high] = low
    return {name: root(name) for name in list(first)}


def _member(path: Path) -> Iterator[str]:
    """Yield the lines of an archive's one .jsonl; nothing of it is written to disk."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            found = [member for member in archive if member.name.endswith(".jsonl")]
            stream = archive.extractfile(found[0]) if len(found) == 1 else None
            content = stream.read(_LIMIT + 1) if stream else b""
        if not content or len(content) > _LIMIT:
            raise ValueError(f"{len(found)} members that end in .jsonl, {len(content)} bytes")
        text = content.decode("utf-8").removesuffix("\n")
    except (OSError, EOFError, ValueError, LookupError, zlib.error, tarfile.TarError) as error:
        raise _refused(path, error) from error
    yield from text.split("\n")


def _refused(where: object, error: Exception) -> InputError:
    return InputError(
        where,
        f"{type(error).__name__} ({error})",
        "questions with stem, choices, answerKey and language, one JSON object a line",
        "Fetch it again: `dvc repro -f -s download@exams`",
    )
