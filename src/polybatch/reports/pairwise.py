"""Two strategies of one study side by side: differences, languages, and the questions behind.

Values in, values out; `reports.pairwise_formats` turns them into JSON, Markdown and LaTeX.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.languages import POOL
from polybatch.encoders.pretraining_data import known_languages
from polybatch.evaluation.scores import SETTINGS
from polybatch.reports.comparison import refuse_different_queries
from polybatch.reports.comparison_sections import study_views
from polybatch.reports.contrasts import headlines
from polybatch.reports.results_folder import Study
from polybatch.retrieval.arm_folders import open_source
from polybatch.retrieval.ranks import rank
from polybatch.retrieval.score_rows import PartScores
from polybatch.statistics.arms import read_arms
from polybatch.statistics.decisions import Rule, decide
from polybatch.statistics.significance import assess, difference_in

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


@dataclass(frozen=True)
class SideBySide:
    """`second` against `first`: differences are second minus first.

    `sure`: significance.SIGNIFICANCE, the rows of `second`, with `outcome` (decisions.Outcome) and
    `p_corrected`: max-|t| over the study's contrasts where this is a declared one, else Holm's of
    its table. `first_values`: the rows of `first`. `declared`: whether this difference is among
    `statistics.contrasts`. `changed`: the questions that changed most, an item once, the largest
    change first.
    """

    first: str
    second: str
    measure: str
    rule: Rule
    declared: bool
    first_values: pl.DataFrame
    sure: pl.DataFrame
    changed: tuple[Changed, ...]

    @property
    def headlines(self) -> list[str]:
        """The decisions on the settings, in the words of compare.md."""
        rows = self.sure.drop("low", "high").rename(
            {"difference_low": "low", "difference_high": "high"}
        )
        return headlines(
            rows.with_columns(first=pl.lit(self.second), second=pl.lit(self.first)), self.rule
        )


@dataclass(frozen=True)
class Choice:
    """What to show: None is all of it (of settings: all, and questions of one)."""

    dataset: str | None = None
    setting: str | None = None
    measure: str | None = None
    questions: int = 20
    answers: int = 3


def side_by_side(study: Study, first: str, second: str, choice: Choice) -> SideBySide:
    """Compare two strategies; refuses different queries, measures or dataset revisions.

    Questions are those of `choice.setting`, else of the pool, else of the first setting there is.

    Raises:
        InputError: the same strategy twice, or strategies that cannot be compared.
    """
    if first == second:
        raise InputError("polybatch compare", f"'{first}' twice", "two strategies", "Name another")
    study.same_revisions([first, second])
    scores = {name: study.scores(name) for name in (first, second)}
    refuse_different_queries(scores, first)
    measure = choice.measure or _headline(scores[first])
    scores = {name: _part(frame, study, choice, measure) for name, frame in scores.items()}
    table = _assessed(study, first, second, choice, measure)
    claims = _claims(study, first, second, measure)
    return SideBySide(
        first,
        second,
        measure,
        study.rule,
        claims.height > 0,
        table.filter(strategy=first),
        _decided(table.filter(strategy=second), claims, study.rule),
        _changed(study, first, second, scores, choice),
    )


def _assessed(study: Study, first: str, second: str, choice: Choice, measure: str) -> pl.DataFrame:
    """Return SIGNIFICANCE of these two only, `first` being the baseline."""
    known = known_languages(study.config.encoder.name)
    views = study_views(measure, study.trained_languages, known)
    scored = read_arms(
        {name: study.kinds[name] for name in (first, second)},
        lambda trial: _part(study.trial_scores(trial), study, choice, measure),
        study.clusters,
        views,
    )
    return assess(scored, first, study.rule)


def _claims(study: Study, first: str, second: str, measure: str) -> pl.DataFrame:
    """Return the rows of results/contrasts.csv on these two, turned to second minus first."""
    rows = study.contrasts.filter(kind="setting", measure=measure)
    same = rows.filter(first=second, second=first)
    turned = rows.filter(first=first, second=second).with_columns(
        difference=-pl.col("difference"), low=-pl.col("high"), high=-pl.col("low")
    )
    return pl.concat([same, turned])


def _decided(table: pl.DataFrame, claims: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Add `p_corrected`; where there is a claim, its interval, p and decision are shown."""
    names = {"low": "difference_low", "high": "difference_high"}
    names |= {name: name for name in ("p", "p_corrected")}
    known = {(row["dataset"], row["setting"]): row for row in claims.iter_rows(named=True)}
    rows = []
    for row in table.iter_rows(named=True):
        row["p_corrected"] = row["p_holm"]
        claim = known.get((row["dataset"], row["setting"])) if row["kind"] == "setting" else None
        if claim is not None:
            row |= {own: claim[name] for name, own in names.items()}
            row["outcome"] = decide(difference_in(row | {"p_holm": row["p_corrected"]}), rule)
        rows.append(row)
    return pl.DataFrame(rows, pl.Schema([*table.schema.items(), ("p_corrected", pl.Float64)]))


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


def _headline(scores: pl.DataFrame) -> str:
    measures = scores["measure"].unique(maintain_order=True).to_list()
    return "AP" if "AP" in measures else str(measures[0])


def _part(frame: pl.DataFrame, study: Study, choice: Choice, measure: str) -> pl.DataFrame:
    for name, column, value in (
        ("--measure", "measure", measure),
        ("--dataset", "dataset", choice.dataset and study.dataset_name(choice.dataset)),
        ("--setting", "setting", choice.setting),
    ):
        if value is None:
            continue
        there = sorted(frame[column].unique())
        frame = frame.filter(pl.col(column) == value)
        if not frame.height:
            raise InputError(name, f"'{value}'", f"one of {', '.join(there)}", "Choose one")
    return frame


def _changed(
    study: Study, first: str, second: str, scores: dict[str, pl.DataFrame], choice: Choice
) -> tuple[Changed, ...]:
    found: list[Changed] = []
    for name in scores[first]["dataset"].unique(maintain_order=True):
        parts = [scores[strategy].filter(dataset=name) for strategy in (first, second)]
        there = set(parts[0]["setting"])
        setting = next(one for one in ("multi", *SETTINGS) if one in there)
        one, other = (part.filter(setting=setting) for part in parts)
        rows = most_changed(one, other, choice.questions)
        dataset = study.dataset(name)
        answers = [
            _answers(study, strategy, dataset, rows, choice.answers) for strategy in (first, second)
        ]
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
                first_answers=answers[0][n],
                second_answers=answers[1][n],
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
