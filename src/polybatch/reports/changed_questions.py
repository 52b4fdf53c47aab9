"""The questions that two strategies answer most differently, and what each found for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.languages import POOL
from polybatch.evaluation.scores import SETTINGS
from polybatch.reports.results_folder import Study
from polybatch.retrieval.arm_folders import open_source
from polybatch.retrieval.ranks import rank
from polybatch.retrieval.score_rows import PartScores

_KEY = ["setting", "query_lang", "doc_lang", "item_id"]


@dataclass(frozen=True)
class Answer:
    """A document that a strategy found for a question."""

    doc_id: str
    lang: str
    text: str
    relevant: bool


@dataclass(frozen=True)
class Changed:
    """A question in one language whose score changed: scores and best answers of both."""

    dataset: str
    setting: str
    query_lang: str
    doc_lang: str
    item_id: str
    text: str
    first_score: float
    second_score: float
    first_answers: tuple[Answer, ...]
    second_answers: tuple[Answer, ...]


def most_changed(first: pl.DataFrame, second: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return the judged queries whose score changed most, an item once, equal ones by name.

    `first`, `second`: evaluation.SCORES of one dataset, setting and measure.

    Example:
        >>> one = pl.DataFrame({"setting": "mono", "query_lang": "en", "doc_lang": "en",
        ...                     "item_id": ["a", "b"], "score": [0.5, 0.5]})
        >>> other = one.with_columns(score=pl.Series([0.6, 0.1]))
        >>> most_changed(one, other, 1).select("item_id", "first", "second").rows()
        [('b', 0.5, 0.1)]
    """
    both = first.select(*_KEY, first="score").join(
        second.select(*_KEY, second="score"), on=_KEY, how="inner"
    )
    size = (pl.col("second") - pl.col("first")).abs().round(12).alias("size")
    ordered = both.with_columns(size).sort("size", *_KEY, descending=[True] + [False] * len(_KEY))
    kept = ordered.filter(pl.col("size") > 0).unique("item_id", keep="first", maintain_order=True)
    return kept.head(count).drop("size")


def changed_questions(
    study: Study, scores: Mapping[str, pl.DataFrame], count: int, answers: int
) -> tuple[Changed, ...]:
    """Return the `count` questions of each dataset that changed most, with the best `answers`.

    `scores`: evaluation.SCORES of both strategies, of one measure. Questions are those of the pool,
    else of the first setting there is.
    """
    found: list[Changed] = []
    for name in next(iter(scores.values()))["dataset"].unique(maintain_order=True):
        parts = [frame.filter(dataset=name) for frame in scores.values()]
        there = set(parts[0]["setting"])
        setting = next(one for one in ("multi", *SETTINGS) if one in there)
        one, other = (part.filter(setting=setting) for part in parts)
        rows = most_changed(one, other, count)
        dataset = study.dataset(name)
        best = [_answers(study, strategy, dataset, rows, answers) for strategy in scores]
        texts = {
            (item, lang): text
            for item, lang, text in dataset.queries.select("item_id", "lang", "text").rows()
        }
        for n, row in enumerate(rows.iter_rows(named=True)):
            changed = Changed(
                dataset=name,
                setting=row["setting"],
                query_lang=row["query_lang"],
                doc_lang=row["doc_lang"],
                item_id=row["item_id"],
                text=texts[row["item_id"], row["query_lang"]],
                first_score=row["first"],
                second_score=row["second"],
                first_answers=best[0][n],
                second_answers=best[1][n],
            )
            found.append(changed)
    return tuple(found)


def _answers(
    study: Study, strategy: str, dataset: Dataset, rows: pl.DataFrame, count: int
) -> list[tuple[Answer, ...]]:
    """Return the best documents of each row's query among those it is held against."""
    source = open_source(study.index(strategy), dataset)
    numbered = dataset.queries.select("item_id", query_lang="lang").with_row_index("query")
    places = rows.join(numbered, on=["item_id", "query_lang"], maintain_order="left")["query"]
    langs = dataset.corpus["lang"]
    found: list[tuple[Answer, ...]] = [()] * rows.height
    for doc_lang in sorted(rows["doc_lang"].unique()):
        held = np.ones(len(langs), bool) if doc_lang == POOL else (langs == doc_lang).to_numpy()
        wanted = np.flatnonzero((rows["doc_lang"] == doc_lang).to_numpy())
        queries = places.to_numpy()[wanted]
        part = Dataset(
            dataset.name,
            dataset.queries[queries],
            dataset.corpus.filter(held),
            dataset.qrels.clear(),
        )
        columns = np.flatnonzero(held)
        scores = PartScores.of_source(source, queries, columns, pool=doc_lang == POOL)
        top = rank(part, scores, count).top
        shown = _described(top.filter(doc_lang=POOL), dataset)
        for n, query_id in zip(wanted, part.queries["query_id"], strict=True):
            found[n] = tuple(shown.get(query_id, ()))
    return found


def _described(top: pl.DataFrame, dataset: Dataset) -> dict[str, list[Answer]]:
    rows = (
        top.join(dataset.queries.select("query_id", "item_id"), on="query_id")
        .join(dataset.corpus.select("doc_id", "lang", "text"), on="doc_id")
        .join(dataset.qrels, on=["item_id", "doc_id"], how="left")
        .sort("query_id", "rank")
    )
    found: dict[str, list[Answer]] = {}
    for row in rows.iter_rows(named=True):
        answer = Answer(row["doc_id"], row["lang"], row["text"], (row["relevance"] or 0) > 0)
        found.setdefault(row["query_id"], []).append(answer)
    return found
