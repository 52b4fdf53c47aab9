"""Two strategies of one study side by side: differences, languages, and the questions behind.

Values in, values out; `reports.pairwise_formats` turns them into JSON, Markdown and LaTeX.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from polybatch.core.errors import InputError
from polybatch.encoders.pretraining_data import known_languages
from polybatch.reports.changed_questions import Changed, changed_questions
from polybatch.reports.comparison import refuse_different_queries
from polybatch.reports.comparison_sections import study_views
from polybatch.reports.contrasts import headlines
from polybatch.reports.results_folder import Study
from polybatch.statistics.arms import read_arms
from polybatch.statistics.clusters import FEW, LEAST
from polybatch.statistics.decisions import Rule, decide
from polybatch.statistics.family import holm
from polybatch.statistics.significance import DIGITS, assess, difference_in

_SAME = 1e-6
"""Above the rounding of results/contrasts.csv."""


@dataclass(frozen=True)
class SideBySide:
    """`second` against `first`: differences are second minus first.

    `sure`: significance.SIGNIFICANCE, the rows of `second`, with `outcome` (decisions.Outcome) on
    `p_corrected`: max-|t| over the study's contrasts where this is a declared one, else `p_holm`,
    which is over the rows of the same kind, all datasets and settings that are shown. Intervals
    have the seed variance of all scored rows of the study. `first_values`: the rows of `first`.
    `declared`: whether this difference is among `statistics.contrasts`; `tested`: whether its p
    there is known, which it is of one measure, once the study has compared these scores.
    `changed`: the questions that changed most, an item once, the largest change first.
    """

    first: str
    second: str
    measure: str
    rule: Rule
    declared: bool
    tested: bool
    first_values: pl.DataFrame
    sure: pl.DataFrame
    changed: tuple[Changed, ...]

    @property
    def few(self) -> bool:
        """Whether an interval is of so few clusters that it is a rough one."""
        return self.sure["clusters"].is_between(LEAST, FEW, closed="left").any()

    @property
    def headlines(self) -> list[str]:
        """The decisions on the settings, in the words of compare.md."""
        rows = self.sure.drop("low", "high").rename(
            {"difference_low": "low", "difference_high": "high"}
        )
        rows = rows.with_columns(first=pl.lit(self.second), second=pl.lit(self.first))
        return headlines(rows, self.rule, rows["seeds"][0])


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
    study.same_revisions(study.scored_rows(first, second))
    scores = {name: study.scores(name) for name in (first, second)}
    refuse_different_queries(scores, first)
    measure = choice.measure or study.config.evaluation.headline
    scores = {name: _part(frame, study, choice, measure) for name, frame in scores.items()}
    table = _assessed(study, first, second, choice, measure)
    shown = table.filter(strategy=second)
    claims = claims_on(study, first, second, measure, shown)
    return SideBySide(
        first,
        second,
        measure,
        study.rule,
        {first, second} in map(set, study.config.statistics.pairs),
        claims.height > 0,
        table.filter(strategy=first),
        _decided(shown, claims, study.rule),
        changed_questions(study, scores, choice.questions, choice.answers),
    )


def _assessed(study: Study, first: str, second: str, choice: Choice, measure: str) -> pl.DataFrame:
    """Return SIGNIFICANCE of all scored rows, as the study's tables, `first` being the baseline."""
    known = known_languages(study.config.encoder.name)
    views = study_views(measure, study.trained_languages, known)
    scored = read_arms(
        {name: study.kinds[name] for name in study.scored_rows(first, second)},
        lambda trial: _part(study.trial_scores(trial), study, choice, measure),
        study.clusters,
        views,
    )
    return assess(scored, first, study.rule)


def claims_on(
    study: Study, first: str, second: str, measure: str, shown: pl.DataFrame
) -> pl.DataFrame:
    """Return the rows of results/contrasts.csv on these two, turned to second minus first.

    Those alone that are of what is `shown`: scores may have been made again since, or the
    confidence be another.
    """
    rows = study.contrasts.filter(kind="setting", measure=measure)
    same = rows.filter(first=second, second=first)
    turned = rows.filter(first=first, second=second).with_columns(
        difference=-pl.col("difference"), low=-pl.col("high"), high=-pl.col("low")
    )
    numbers = {"difference": "difference", "low": "difference_low", "high": "difference_high"}
    ours = shown.filter(kind="setting").select(
        "dataset", "setting", *(pl.col(own).alias(f"{name} now") for name, own in numbers.items())
    )
    apart = [(pl.col(name) - pl.col(f"{name} now")).abs().fill_null(0) for name in numbers]
    found = pl.concat([same, turned]).join(ours, on=["dataset", "setting"])
    return found.filter(pl.max_horizontal(apart) < _SAME)


def _decided(table: pl.DataFrame, claims: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Correct p for what is shown; where there is a claim, its corrected p is shown."""
    known = {row[:2]: row[2] for row in claims.select("dataset", "setting", "p_corrected").rows()}
    rows, table = [], _corrected(table)
    for row in table.iter_rows(named=True):
        key = (row["dataset"], row["setting"])
        if row["kind"] == "setting" and key in known:
            row["p_corrected"] = known[key]
        row["outcome"] = decide(difference_in(row | {"p_holm": row["p_corrected"]}), rule)
        rows.append(row)
    return pl.DataFrame(rows, table.schema)


def _corrected(table: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with `p_holm` and `p_corrected` over all rows of the same kind."""
    p, kinds = table["p"].to_numpy(), table["kind"].to_numpy()
    found = np.full(table.height, np.nan)
    for kind in np.unique(kinds):
        rows = np.flatnonzero((kinds == kind) & ~np.isnan(p))
        found[rows] = holm(p[rows])
    return table.with_columns(
        pl.Series(name, found).fill_nan(None).round(DIGITS) for name in ("p_holm", "p_corrected")
    )


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
