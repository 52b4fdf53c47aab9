"""SQuAD's JSON, which XQuAD, MLQA and LAReQA share: articles, paragraphs, questions.

The form is that of SQuAD 1.1 (Rajpurkar et al., arXiv 1606.05250). A row of such a file is a
question with its paragraph.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from polybatch.core.errors import InputError
from polybatch.sources.source import Place

Span = tuple[int, int]
_NO_ANSWER = {"text": "", "answer_start": 0}  # SQuAD 2.0 has questions that nothing answers


@dataclass(frozen=True)
class Question:
    """A question and its first answer, '' where there is none.

    `row`: its number in the file, counted from 0.
    """

    file: str
    row: int
    item_id: str
    text: str
    answer: str
    start: int

    @property
    def span(self) -> Span:
        """The answer's characters in its paragraph.

        Example:
            >>> Question("f.json", 0, "i", "Who?", "Poe", start=3).span
            (3, 6)
        """
        return self.start, self.start + len(self.answer)


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; `number` and `article` count from 0. only LAReQA's have sentences."""

    file: str
    number: int
    article: int
    title: str | None
    text: str
    sentences: tuple[str, ...]
    breaks: tuple[Span, ...]
    questions: tuple[Question, ...]


def paragraphs(path: Path) -> Iterator[Paragraph]:
    """Yield a file's paragraphs in its order; InputError where it is not of SQuAD's form.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.json"
        >>> _ = path.write_text('{"data": [{"paragraphs": [{"context": "By Poe.", "qas": []}]}]}')
        >>> [paragraph.text for paragraph in paragraphs(path)]
        ['By Poe.']
    """
    try:
        articles = _value(json.loads(path.read_text(encoding="utf-8")), "data", list)
        rows, numbers = count(), count()
        for a, article in enumerate(articles):
            for paragraph in _value(article, "paragraphs", list):
                title = _value({"title": None} | article, "title", str | None)
                yield _paragraph(path.name, paragraph, next(numbers), a, title, rows)
    except FileNotFoundError as error:
        raise InputError(
            path,
            "no such file",
            "a file of this source",
            "Run `dvc repro`: the download stage fetches it",
        ) from error
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(
            path,
            f"{type(error).__name__} ({error})",
            "SQuAD's form: data / paragraphs / qas / answers",
            "Fetch the file again: `dvc repro -f -s` of its download stage",
        ) from error


def _paragraph(
    file: str,
    entry: dict[str, Any],
    number: int,
    article: int,
    title: str | None,
    rows: Iterator[int],
) -> Paragraph:
    context = _value(entry, "context", str)
    sentences = tuple(_value(entry, "sentences", list) if "sentences" in entry else ())
    breaks = tuple((int(start), int(end)) for start, end in entry.get("sentence_breaks", ()))
    if any(not isinstance(text, str) for text in sentences):
        raise TypeError(f"a sentence that is no text in paragraph {number}")
    if len(sentences) != len(breaks):
        raise ValueError(f"{len(sentences)} sentences, {len(breaks)} sentence_breaks")
    questions = tuple(_question(file, next(rows), each) for each in _value(entry, "qas", list))
    return Paragraph(file, number, article, title, context, sentences, breaks, questions)


def _question(file: str, row: int, entry: dict[str, Any]) -> Question:
    answers = _value(entry, "answers", list)
    answer = answers[0] if answers else _NO_ANSWER
    name, text = (_value(entry, key, str) for key in ("id", "question"))
    start = int(_value(answer, "answer_start", int))
    return Question(file, row, name, text, _value(answer, "text", str), start)


def _value(entry: Any, name: str, kind: Any) -> Any:
    """Return a field; TypeError if it, or what should have it, is of another type."""
    if not isinstance(entry, dict):
        raise TypeError(f"{type(entry).__name__} where an object with '{name}' is expected")
    if not isinstance(entry[name], kind):
        raise TypeError(f"'{name}' is {type(entry[name]).__name__}: {str(entry[name])[:40]}")
    return entry[name]


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


def place(source: str, question: Question, lang: str) -> Place:
    """Return where a question stands.

    Example:
        >>> question = Question("f.json", 0, "i", "Who?", "Poe", 5)
        >>> place("mlqa", question, "en").item_id
        'i'
    """
    return Place(source, question.file, question.row, lang, question.item_id, question.text)


def unused(source: str, paragraph: Paragraph, lang: str) -> Place:
    """Return where a paragraph stands that no question is about.

    Example:
        >>> unused("mlqa", Paragraph("f.json", 3, 0, None, "It is Poe.", (), (), ()), "en")[1:5]
        ('f.json', 3, 'en', None)
    """
    return Place(source, paragraph.file, paragraph.number, lang, None, paragraph.text)
