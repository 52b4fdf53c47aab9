"""AfriQA: questions in nine African languages, passages in English or French (arXiv 2305.06897).

A question's document is its gold passage, in the language that its question was translated to;
the corpus holds every passage of the requested splits. Passages that are the same for several
questions, in whichever language these are, are one document. The split `distractors` adds the
passages of all other splits and question languages, which no question needs. A row is a line: a
question with its passage.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from polybatch.core.errors import InputError
from polybatch.settings.overlaps import DISTRACTORS
from polybatch.sources.codes import bcp47
from polybatch.sources.lines import lines
from polybatch.sources.registry import describe, remote_files
from polybatch.sources.source import Document, Parsed, Place, Query, RemoteFile, Rows, Source


class Afriqa(Source):
    """Questions without any document in their own language: cross-lingual search only."""

    name = "afriqa"
    splits = ("train", "dev", "test", DISTRACTORS)

    def __init__(self) -> None:
        describe(self, self.name)
        pairs = [_parts(path)[:2] for path in remote_files(self.name)]
        query_lang, doc_lang = ({pair[i] for pair in pairs} for i in (0, 1))
        self.languages = (*sorted(query_lang), *sorted(doc_lang))

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return the files whose questions and passages are both in `languages`.

        With distractors, all those whose passages are.
        """
        return tuple(
            file
            for path, file in remote_files(self.name).items()
            if _requested(path, languages, splits)
            or (DISTRACTORS in splits and _parts(path)[1] in languages)
        )

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read questions and gold passages; rows without either are rejected."""
        self.check(languages, splits)
        rows, counts = Rows(), Counter[str]()
        for file in self.files(languages, splits):
            add = _add if _requested(file.path, languages, splits) else _add_distractor
            for row, entry in _entries(folder / file.path):
                rows.read(Path(file.path).name)
                add(rows, file.path, row, entry, counts)
        repeated = len(rows.queries) - len(
            {(query["lang"], query["text"]) for query in rows.queries.values()}
        )
        counts["questions with the text of another in their language"] = repeated
        if DISTRACTORS in splits:
            answers = {doc_id for _, doc_id in rows.qrels}
            counts["documents of other splits or languages"] = len(rows.corpus.keys() - answers)
        return rows.parsed([f"afriqa: {what}: {n}" for what, n in sorted(counts.items()) if n])


def _parts(path: str) -> tuple[str, str, str]:
    """Return question language, passage language and split of a file.

    Example:
        >>> _parts("data/gold_passages/hau/gold_span_passages.afriqa.hau.en.dev.json")
        ('ha', 'en', 'dev')
    """
    query_lang, doc_lang, split = Path(path).name.split(".")[2:5]
    return bcp47(query_lang), bcp47(doc_lang), split


def _requested(path: str, languages: Sequence[str], splits: Sequence[str]) -> bool:
    query_lang, doc_lang, split = _parts(path)
    return split in splits and {query_lang, doc_lang} <= set(languages)


def _entries(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for row, line in enumerate(lines(path), 1):
        try:
            entry = json.loads(line)
            if not isinstance(entry["id"], str | int):
                raise TypeError(f"'id' is {type(entry['id']).__name__}")
            yield row, entry | {"id": str(entry["id"])}
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path}:{row}",
                f"{type(error).__name__} ({error})",
                "a question with id, question_lang, context and title, one JSON object a line",
                "Fetch it again: `dvc repro -f -s download@afriqa`",
            ) from error


def _add(rows: Rows, path: str, row: int, entry: dict[str, Any], counts: Counter[str]) -> None:
    query_lang, doc_lang, split = _parts(path)
    item_id = f"afriqa:{query_lang}:{split}:{entry['id']}"
    question, passage = _text(entry, "question_lang"), _text(entry, "context")
    reason = "empty question" if not question else "empty passage" if not passage else ""
    place = Place("afriqa", Path(path).name, row, query_lang, item_id, question or passage)
    if f"{item_id}?" in rows.queries:
        reason = reason or "id used before"
    if reason:
        rows.reject(place, reason)
        return
    answer = _answer(entry, passage)
    query = Query(f"{item_id}?", item_id, query_lang, question, split)
    rows.add(place, query, _document(entry, doc_lang, passage), answer=answer)
    if not answer or answer not in passage:
        counts["passages that do not hold the answer to the letter (kept)"] += 1


def _add_distractor(
    rows: Rows, path: str, row: int, entry: dict[str, Any], _: Counter[str]
) -> None:
    doc_lang, passage = _parts(path)[1], _text(entry, "context")
    place = Place("afriqa", Path(path).name, row, doc_lang, None, passage)
    if passage:
        rows.add(place, document=_document(entry, doc_lang, passage))
    else:
        rows.reject(place, "empty passage")


def _document(entry: dict[str, Any], lang: str, passage: str) -> Document:
    title = _text(entry, "title")
    article = f"afriqa:{lang}:{title}" if title else None
    return Document(_doc_id(lang, passage), lang, passage, title or None, article, article)


def _text(entry: dict[str, Any], name: str) -> str:
    """Return a text; the files write missing ones as null or NaN."""
    value = entry.get(name)
    return " ".join(value.split()) if isinstance(value, str) else ""


def _answer(entry: dict[str, Any], passage: str) -> str:
    """Return the first answer that the passage holds, wherever; else the first, or nothing."""
    pivot = entry.get("answer_pivot")
    given = pivot.get("text") if isinstance(pivot, dict) else None
    given = given if isinstance(given, list) else []
    answers = [answer for each in given if (answer := " ".join(str(each).split()))]
    return next((answer for answer in answers if answer in passage), (answers or [""])[0])


def _doc_id(lang: str, passage: str) -> str:
    return (
        f"afriqa:{lang}:{hashlib.sha256(passage.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
    )
