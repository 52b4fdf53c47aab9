"""The question explorer's data: questions, each strategy's best documents, what English says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.files import gzipped

TOP = 3
"""How many of each strategy's best documents are shown."""

_CHARACTERS = 400  # of a text; the rest is cut
_PIVOT = "en"  # what texts are translated into, where the data have it


@dataclass(frozen=True)
class Question:
    """A query as a row of the page: what it scored and what was found, by strategy."""

    query_id: str
    item_id: str
    lang: str
    text: str
    scores: tuple[float | None, ...]
    tops: tuple[tuple[str, ...], ...]

    @property
    def spread(self) -> float:
        """How far the strategies disagree: the best score less the worst."""
        known = [score for score in self.scores if score is not None]
        return max(known) - min(known) if known else 0.0


@dataclass(frozen=True)
class QuestionSet:
    """A dataset's questions. `setting`: whose runs and scores these are: `multi`, `mono/cross`."""

    dataset: Dataset
    setting: str
    questions: tuple[Question, ...]


def questions(
    dataset: Dataset,
    scores: Mapping[str, pl.DataFrame],
    runs: Mapping[str, pl.DataFrame],
) -> tuple[Question, ...]:
    """Join queries with what each strategy scored and found.

    `scores`: (item_id, query_lang, score), `runs`: (query_id, doc_id, rank), of one setting and
    measure, by strategy.

    Example:
        >>> row = {"query_id": "q", "item_id": "i", "lang": "sw", "text": "Nani?"}
        >>> dataset = Dataset("d", pl.DataFrame([row]), pl.DataFrame(), pl.DataFrame())
        >>> scores = pl.DataFrame({"item_id": ["i"], "query_lang": "sw", "score": 0.5})
        >>> runs = pl.DataFrame({"query_id": "q", "doc_id": ["a", "b"], "rank": [2, 1]})
        >>> (found,) = questions(dataset, {"mono": scores}, {"mono": runs})
        >>> found.scores, found.tops
        ((0.5,), (('b', 'a'),))
    """
    found = {name: _tops(frame) for name, frame in runs.items()}
    scored = {
        name: {
            (item, lang): score
            for item, lang, score in frame.select("item_id", "query_lang", "score").rows()
        }
        for name, frame in scores.items()
    }
    return tuple(
        Question(
            query,
            item,
            lang,
            text,
            tuple(values.get((item, lang)) for values in scored.values()),
            tuple(tops.get(query, ()) for tops in found.values()),
        )
        for query, item, lang, text in dataset.queries.select(
            "query_id", "item_id", "lang", "text"
        ).rows()
    )


def _tops(runs: pl.DataFrame) -> dict[str, tuple[str, ...]]:
    best = runs.filter(pl.col("rank") <= TOP).sort("query_id", "rank")
    grouped = best.group_by("query_id", maintain_order=True).agg("doc_id")
    return {query: tuple(documents) for query, documents in grouped.rows()}


def chosen(questions: Sequence[Question], count: int) -> list[Question]:
    """Return `count` of the questions: half where strategies disagree most, half evenly spread.

    Example:
        >>> rows = [Question(str(n), str(n), "sw", "", (0.0, n / 10), ()) for n in range(10)]
        >>> [row.query_id for row in chosen(rows, 4)]
        ['0', '4', '8', '9']
    """
    if count >= len(questions):
        return list(questions)
    order = sorted(range(len(questions)), key=lambda n: (-questions[n].spread, n))
    taken = set(order[: count - count // 2])
    rest = [n for n in range(len(questions)) if n not in taken]
    even = count - len(taken)
    taken.update(rest[n * len(rest) // even] for n in range(even))
    return [questions[n] for n in sorted(taken)]


def explorer(
    question_sets: Iterable[QuestionSet], strategies: Sequence[str], measure: str, most: int
) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """Return the page's data as gzipped JSON of at most about `most` bytes, and what it holds.

    The second value: {dataset: (questions in it, questions there are)}. Where not all fit,
    `chosen` chooses.
    """
    sets = list(question_sets)
    share = 1.0
    while True:
        kept = [chosen(one.questions, int(share * len(one.questions))) for one in sets]
        value = {
            "strategies": list(strategies),
            "measure": measure,
            "datasets": {
                one.dataset.name: _packed(one, part) for one, part in zip(sets, kept, strict=True)
            },
        }
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        data = gzipped(text.encode())
        if len(data) <= most or share < 1e-4:
            counts = zip(sets, kept, strict=True)
            return data, {one.dataset.name: (len(part), len(one.questions)) for one, part in counts}
        share *= 0.95 * most / len(data)


def _packed(question_set: QuestionSet, kept: Sequence[Question]) -> dict[str, Any]:
    """Return lists of numbers and texts; documents and items are named by their place in a list."""
    dataset = question_set.dataset
    texts = {doc: (lang, text) for doc, lang, text in _columns(dataset.corpus, "doc_id")}
    relevant: dict[str, list[str]] = {}
    for item, doc in (
        dataset.qrels.filter(pl.col("relevance") > 0).select("item_id", "doc_id").rows()
    ):
        relevant.setdefault(item, []).append(doc)
    pivots = {
        doc: pivot
        for documents in relevant.values()
        for pivot in [next((one for one in documents if texts[one][0] == _PIVOT), None)]
        if pivot
        for doc in documents
    }
    english = {
        item: text
        for item, lang, text in dataset.queries.select("item_id", "lang", "text").rows()
        if lang == _PIVOT
    }
    documents = _Numbered()
    items = _Numbered()
    rows = []
    for one in kept:
        tops = [[documents.of(doc) for doc in found] for found in one.tops]
        scores = [None if score is None else round(100 * score) for score in one.scores]
        rows.append([one.lang, _cut(one.text), items.of(one.item_id), scores, tops])
    about = []
    for item in items.names:
        answers = relevant.get(item, [])
        pivot = next((doc for doc in answers if texts[doc][0] == _PIVOT), None)
        translation = -1 if pivot is None else documents.of(pivot)
        known = [documents.numbers[doc] for doc in answers if doc in documents.numbers]
        about.append([_cut(english.get(item, "")), translation, known])
    shown = [
        [texts[doc][0], _cut(texts[doc][1]), documents.of(pivots[doc]) if doc in pivots else -1]
        for doc in list(documents.names)
    ]
    for doc in documents.names[len(shown) :]:  # translations that nothing else showed
        shown.append([texts[doc][0], _cut(texts[doc][1]), documents.numbers[doc]])
    return {"setting": question_set.setting, "questions": rows, "items": about, "documents": shown}


def _columns(frame: pl.DataFrame, key: str) -> Iterable[tuple[str, str, str]]:
    return frame.select(key, "lang", "text").iter_rows()


class _Numbered:
    """Names and their numbers, in the order of first use."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.numbers: dict[str, int] = {}

    def of(self, name: str) -> int:
        if name not in self.numbers:
            self.numbers[name] = len(self.names)
            self.names.append(name)
        return self.numbers[name]


def _cut(text: str) -> str:
    return text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 1].rstrip() + "…"
