"""SQuAD's JSON, which XQuAD, MLQA and LAReQA share: articles, paragraphs, questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from polybatch.errors import InputError
from polybatch.sources.base import Row

Span = tuple[int, int]


@dataclass(frozen=True)
class Question:
    """A question and its first answer. `row`: its number in the file, counted from 0."""

    file: str
    row: int
    item_id: str
    text: str
    answer: str
    start: int

    @property
    def span(self) -> Span:
        """The answer's characters in its paragraph."""
        return self.start, self.start + len(self.answer)


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; `number` and `article` count from 0. LAReQA's alone have sentences."""

    number: int
    article: int
    title: str | None
    text: str
    sentences: tuple[str, ...]
    breaks: tuple[Span, ...]
    questions: tuple[Question, ...]


def paragraphs(path: Path) -> Iterator[Paragraph]:
    """Yield a file's paragraphs in its order; InputError where it is not of SQuAD's form."""
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        rows, numbers = count(), count()
        for a, article in enumerate(articles):
            for paragraph in article["paragraphs"]:
                yield _paragraph(path.name, paragraph, next(numbers), a, article.get("title"), rows)
    except FileNotFoundError as error:
        raise InputError(
            path,
            "no such file",
            "a file of this source",
            "Run `dvc repro`: the download stage fetches it",
        ) from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            path,
            f"{type(error).__name__} ({error})",
            "SQuAD's form: data / paragraphs / qas / answers",
            "Fetch the file again: `dvc repro --force` of its download stage",
        ) from error


def _paragraph(
    file: str,
    entry: dict[str, Any],
    number: int,
    article: int,
    title: str | None,
    rows: Iterator[int],
) -> Paragraph:
    sentences = tuple(entry.get("sentences", ()))
    breaks = tuple((int(start), int(end)) for start, end in entry.get("sentence_breaks", ()))
    if len(sentences) != len(breaks):
        raise ValueError(f"{len(sentences)} sentences, {len(breaks)} sentence_breaks")
    questions = tuple(_question(file, next(rows), each) for each in entry["qas"])
    return Paragraph(number, article, title, entry["context"], sentences, breaks, questions)


def _question(file: str, row: int, entry: dict[str, Any]) -> Question:
    answer = entry["answers"][0]
    start = int(answer["answer_start"])
    return Question(file, row, entry["id"], entry["question"], answer["text"], start)


def fault(question: Question, context: str, blanked: bool = False) -> str | None:
    """Return why a question cannot be used, or None.

    `blanked`: the answers were taken out of the file and are not looked at.

    Example:
        >>> fault(Question("f", 0, "i", "Who?", "Poe", 5), "It is Poe.")
        'answer is not where it is said to be'
    """
    if not question.text.strip():
        return "empty question"
    if not context.strip():
        return "empty paragraph"
    if blanked:
        return None
    if not question.answer.strip():
        return "empty answer"
    start, end = question.span
    if start < 0 or context[start:end] != question.answer:
        return "answer is not where it is said to be"
    return None


def rejected(source: str, question: Question, lang: str, reason: str) -> Row:
    """Return a row of `polybatch.tables.REJECTED`."""
    return {
        "source": source,
        "file": question.file,
        "row": question.row,
        "lang": lang,
        "item_id": question.item_id,
        "reason": reason,
        "text": question.text,
    }
