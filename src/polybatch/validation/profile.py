"""What a dataset is like, one row per language: the numbers that expectations are held against.

Everything is aggregated by polars, so that Great Expectations sees tables of a few rows however
large the data are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from polybatch.core.dataset import ANSWERS, Dataset, normalised
from polybatch.settings.data import DatasetSettings, ValidationSettings
from polybatch.settings.names import CONTROL
from polybatch.validation.language_id import misidentified
from polybatch.validation.row_rules import rows_by_language
from polybatch.validation.scripts import in_script, letters_of

_SHOWN = 5  # examples kept of each kind and language

EXAMPLES = pl.Schema(
    {"kind": pl.String, "table": pl.String, "lang": pl.String, "id": pl.String, "text": pl.String}
)
"""Doubtful rows, kept: `other script`, `other language`, `same text in one language`, …"""

Aggregate = dict[str, object]


@dataclass(frozen=True)
class Profile:
    """`tables`: rows of numbers for each suite (queries, corpus, qrels, pairs); EXAMPLES."""

    tables: dict[str, list[Aggregate]]
    examples: pl.DataFrame


def profile(
    dataset: Dataset,
    rejected: pl.DataFrame,
    settings: DatasetSettings,
    validation: ValidationSettings,
    answers: pl.DataFrame | None = None,
    kept: Mapping[str, int] | None = None,
) -> Profile:
    """Count what the expectations are about.

    `rejected`: REJECTED rows that count as losses. `answers`: ANSWERS, those that are known.
    `kept`: rows of each language that `rejected` is held against; None: those of `dataset`.
    """
    examples: list[pl.DataFrame] = []
    tables: dict[str, list[Aggregate]] = {}
    for what, key in (("queries", "query_id"), ("corpus", "doc_id")):
        frame = getattr(dataset, what).rename({key: "id"}).select("id", "lang", "text")
        keyed = frame.with_columns(normalised("text").hash(1).alias("key"))
        tables[what] = [
            _language(what, lang, keyed, validation, examples) for lang in settings.languages
        ] + _undeclared(frame, settings)
    tables["qrels"] = [_judgements(dataset)]
    known = ANSWERS.to_frame() if answers is None else answers
    lost = _shares_lost(dataset, rejected, kept)
    tables["pairs"] = _pairs(dataset, lost, settings, known, examples)
    return Profile(tables, pl.concat(examples).sort("kind", "table", "lang", "id"))


def _undeclared(frame: pl.DataFrame, settings: DatasetSettings) -> list[Aggregate]:
    others = frame.filter(~pl.col("lang").is_in(settings.languages))["lang"].value_counts(sort=True)
    return [_empty(lang) | {"rows": count, "ids": count} for lang, count in others.rows()]


def _empty(lang: str) -> Aggregate:
    return {
        "lang": lang, "rows": None, "ids": None, "empty": 0, "not_composed": 0, "control": 0,
        "shortest": None, "longest": None, "duplicates": 0.0, "script": 1.0, "identified": None,
    }  # fmt: skip


def _language(
    what: str,
    lang: str,
    frame: pl.DataFrame,
    validation: ValidationSettings,
    examples: list[pl.DataFrame],
) -> Aggregate:
    rows = frame.filter(pl.col("lang") == lang)
    if rows.is_empty():
        return _empty(lang)
    text = pl.col("text")
    found = rows.lazy().select(
        pl.len().alias("rows"),
        pl.col("id").n_unique().alias("ids"),
        (text.str.strip_chars().str.len_bytes() == 0).sum().alias("empty"),
        (text != text.str.normalize("NFC")).sum().alias("not_composed"),
        text.str.contains(f"[{CONTROL}]").sum().alias("control"),
        text.str.len_chars().min().alias("shortest"),
        text.str.len_chars().max().alias("longest"),
        (1 - pl.col("key").n_unique() / pl.len()).round(6).alias("duplicates"),
        in_script(lang, "text").mean().round(6).alias("script"),
    )
    checked, wrong = misidentified(rows, lang, validation.identified_rows)
    twice = rows.filter(pl.col("key").is_duplicated())
    other = rows.filter(~in_script(lang, "text")) if letters_of(lang) else rows.clear()
    examples += [
        _examples("same text in one language", what, twice.sort("key", "id")),
        _examples("other script", what, other.sort("id")),
        _examples("other language", what, wrong.sort("id"), "identified"),
    ]
    share = {"identified": _identified(checked, wrong.height, validation.min_identified)}
    return {"lang": lang} | found.collect(engine="streaming").row(0, named=True) | share


def _identified(checked: int, wrong: int, least: float) -> float | None:
    """Return the share of texts identified rightly; None where they are too few to judge.

    That is: `least` is in the Wilson interval (95%) around a share below it.
    """
    if not checked:
        return None
    share, z = 1 - wrong / checked, 1.96
    middle = share + z**2 / (2 * checked)
    spread = z * (share * (1 - share) / checked + z**2 / (4 * checked**2)) ** 0.5
    at_best = (middle + spread) / (1 + z**2 / checked)
    return None if share < least <= at_best else round(share, 6)


def _examples(kind: str, what: str, rows: pl.DataFrame, note: str | None = None) -> pl.DataFrame:
    kinds = pl.lit(kind) if note is None else pl.lit(f"{kind}: ") + pl.col(note)
    columns = (kinds.alias("kind"), pl.lit(what).alias("table"), "lang", "id", "text")
    return rows.head(_SHOWN).select(*columns).cast(EXAMPLES)


def _judgements(dataset: Dataset) -> Aggregate:
    queries, corpus, qrels = dataset.queries, dataset.corpus, dataset.qrels
    relevant = qrels.filter(pl.col("relevance") > 0)
    return {
        "judgements": qrels.height,
        "unique": qrels.select("item_id", "doc_id").n_unique(),
        "null_ids": qrels.select(pl.any_horizontal(pl.all().is_null()).sum()).item(),
        "without_document": qrels.join(corpus, on="doc_id", how="anti").height,
        "without_query": qrels.join(queries, on="item_id", how="anti").height,
        "queries_without_answer": queries.join(relevant, on="item_id", how="anti").height,
        "queries_twice": queries.height - queries.select("item_id", "lang").n_unique(),
    }


def _pairs(
    dataset: Dataset,
    lost: Mapping[str, float],
    settings: DatasetSettings,
    answers: pl.DataFrame,
    examples: list[pl.DataFrame],
) -> list[Aggregate]:
    """Return per language: items with queries and documents, and shares of what is doubtful."""
    held = _held(dataset, answers)
    cut = held.filter(~pl.col("whole"))
    examples.append(_examples("answer not whole in its text", "pairs", cut, "answer"))
    texts = _texts_of_items(dataset)
    languages = texts.group_by("item_id").agg(pl.col("lang").n_unique().alias("languages"))
    many = texts.group_by("item_id", "key").agg(pl.col("lang").n_unique().alias("n"))
    same = texts.join(many.filter(pl.col("n") > 1), on=["item_id", "key"], how="semi")
    examples.append(
        _examples("same text in two languages", "pairs", _texts(dataset, same.sort("id")))
    )
    items = dataset.queries.get_column("item_id").n_unique() if dataset.queries.height else 0
    rows: list[Aggregate] = []
    for lang in settings.languages:
        queries = dataset.queries.filter(pl.col("lang") == lang)
        mine = texts.filter(pl.col("lang") == lang)
        rows_there = queries.height + dataset.corpus.filter(pl.col("lang") == lang).height
        least = mine.join(languages, on="item_id")["languages"].min()
        whole = held.filter(pl.col("lang") == lang)["whole"]
        rows.append(
            {
                "lang": lang,
                "rows": rows_there,
                "items_asked": queries["item_id"].n_unique(),
                "coverage": round(mine["item_id"].n_unique() / items, 6) if items else 0.0,
                "fewest_languages": least,
                "untranslated": round(same.filter(pl.col("lang") == lang).height / mine.height, 6)
                if mine.height
                else 0.0,
                "rejected": lost.get(lang, 0.0),
                "answers": len(whole),
                "cut_answers": round(1 - int(whole.sum()) / len(whole), 6) if len(whole) else None,
            }
        )
    return rows


def _shares_lost(
    dataset: Dataset, rejected: pl.DataFrame, kept: Mapping[str, int] | None
) -> dict[str, float]:
    """Return the share of rejected rows of each language that has any."""
    rows = dict(rows_by_language(dataset).rows()) if kept is None else kept
    lost = dict(rejected.drop_nulls("lang")["lang"].value_counts().rows())
    return {lang: round(n / (n + rows.get(lang, 0)), 6) for lang, n in lost.items()}


def _held(dataset: Dataset, answers: pl.DataFrame) -> pl.DataFrame:
    """Return lang, id, text, answer and `whole`: whether the document holds the answer."""
    judged = answers.join(dataset.qrels, on=["item_id", "doc_id"], how="semi")
    answer = pl.col("text").str.normalize("NFC").str.strip_chars().alias("answer")
    documents = dataset.corpus.select("doc_id", "lang", "text")
    return (
        judged.select("item_id", "doc_id", answer)
        .join(documents, on="doc_id")
        .with_columns(pl.col("text").str.contains(pl.col("answer"), literal=True).alias("whole"))
        .rename({"doc_id": "id"})
        .sort("id", "item_id")
    )


def _texts_of_items(dataset: Dataset) -> pl.DataFrame:
    """Return item_id, lang, id and hashed text of every query and relevant document."""
    key = normalised("text").hash(1).alias("key")
    relevant = dataset.qrels.lazy().filter(pl.col("relevance") > 0).select("item_id", "doc_id")
    answers = relevant.join(dataset.corpus.lazy().select("doc_id", "lang", key), on="doc_id")
    queries = dataset.queries.lazy().select("item_id", "lang", pl.col("query_id").alias("id"), key)
    answered = answers.select("item_id", "lang", pl.col("doc_id").alias("id"), "key")
    return pl.concat([queries, answered]).collect(engine="streaming")


def _texts(dataset: Dataset, rows: pl.DataFrame) -> pl.DataFrame:
    both = pl.concat(
        [
            dataset.queries.select(pl.col("query_id").alias("id"), "text"),
            dataset.corpus.select(pl.col("doc_id").alias("id"), "text"),
        ]
    )
    few = rows.select("item_id", "lang", "id").unique("id", maintain_order=True).head(_SHOWN)
    return few.join(both, on="id", maintain_order="left")
