"""SQuAD's JSON, which XQuAD, MLQA, LAReQA and TyDi QA share: articles, paragraphs, questions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polybatch.errors import InputError


@dataclass(frozen=True)
class Question:
    """A question of a paragraph. `place`: article, paragraph and question, counted from 0."""

    file: str
    place: tuple[int, int, int]
    item_id: str
    text: str
    answer: str
    start: int
    title: str | None
    paragraph: dict[str, Any]


def questions(path: Path) -> Iterator[Question]:
    """Yield a file's questions in its order; InputError where it is not what SQuAD's form is."""
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        for a, article in enumerate(articles):
            for p, paragraph in enumerate(article["paragraphs"]):
                for q, entry in enumerate(paragraph["qas"]):
                    answer = entry["answers"][0]
                    yield Question(
                        path.name,
                        (a, p, q),
                        entry["id"],
                        entry["question"],
                        answer["text"],
                        int(answer["answer_start"]),
                        article.get("title"),
                        paragraph,
                    )
    except FileNotFoundError as error:
        raise InputError(
            path,
            "no such file",
            "a file of this source",
            "Run `dvc repro`: the download stage fetches it",
        ) from error
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(
            path,
            f"{type(error).__name__} ({error})",
            "SQuAD's form: data/paragraphs/qas/answers",
            "Fetch the file again: `dvc repro --force` of its download stage",
        ) from error


def fault(question: Question, blanked: bool = False) -> str | None:
    """Return why a question cannot be used, or None.

    `blanked`: the publisher's answers are empty and must not be looked at.
    """
    context = question.paragraph.get("context", "")
    if not question.text.strip():
        return "empty question"
    if not context.strip():
        return "empty paragraph"
    if blanked:
        return None
    if not question.answer:
        return "empty answer"
    end = question.start + len(question.answer)
    if question.start < 0 or context[question.start : end] != question.answer:
        return "answer is not where it is said to be"
    return None
