"""Rules for rows, and quarantine: a row that breaks one is kept apart with its reason, never lost.

What hangs on a rejected row goes with it: an item without a query or a relevant document is no
item. Texts are brought to Unicode NFC; all other changes are the user's to make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from polybatch.errors import InputError
from polybatch.settings import ValidationSettings
from polybatch.tables import REJECTED, Dataset

Rule = Callable[[ValidationSettings], pl.Expr]

_CONTROL = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]"  # C0 without tab and line ends, DEL, C1

RULES: dict[str, Rule] = {
    "empty text": lambda settings: (
        pl.col("text").str.strip_chars().str.len_bytes().fill_null(0) == 0
    ),
    "control character": lambda settings: pl.col("text").str.contains(_CONTROL),
    "shorter than min_characters": lambda settings: (
        pl.col("text").str.len_chars() < settings.min_characters
    ),
    "longer than max_characters": lambda settings: (
        pl.col("text").str.len_chars() > settings.max_characters
    ),
    "no language code": lambda settings: pl.col("lang").is_null(),
}
"""Why a row of queries or corpus is rejected; the first that holds is its reason."""


KEYS: dict[str, dict[str, list[str]]] = {
    "queries": {
        "id used before": ["query_id"],
        "second query of its item in this language": ["item_id", "lang"],
    },
    "corpus": {"id used before": ["doc_id"]},
}
"""What must be unique in a table; of rows that are not, the first is kept."""


@dataclass(frozen=True)
class Checked:
    """A dataset after its row rules. `composed`: texts that were not in Unicode NFC and now are."""

    dataset: Dataset
    rejected: pl.DataFrame
    composed: int


def quarantine(dataset: Dataset, settings: ValidationSettings) -> Checked:
    """Return the rows that keep the rules, and the others as `polybatch.tables.REJECTED`.

    `row` of a rejected row counts from 0 in the table that `file` names; `item_id` of a rejected
    document is its doc_id.
    """
    tables, rejected, composed = {}, [], 0
    for what, key in (("queries", "query_id"), ("corpus", "doc_id")):
        frame = getattr(dataset, what)
        text = pl.col("text").str.normalize("NFC")
        changed = frame.select((pl.col("text") != text).sum()).item()
        composed += changed
        numbered = (frame.with_columns(text) if changed else frame).with_row_index("row")
        bad = numbered.select("row", _reason(settings, KEYS[what])).drop_nulls("reason")
        rejected.append(_rejected(dataset.name, what, key, numbered.join(bad, on="row")))
        tables[what] = numbered.join(bad, on="row", how="anti", maintain_order="left")
    rejected.append(_dangling(dataset))
    kept, dropped = _whole_items(dataset, tables["queries"], tables["corpus"], settings)
    return Checked(kept, pl.concat([*rejected, *dropped]), composed)


def refuse_losses(
    dataset: Dataset, rejected: pl.DataFrame, settings: ValidationSettings
) -> list[InputError]:
    """Return an error for each language that lost more than `max_rejected` of its rows.

    Rows that were removed because an evaluation dataset has them are not losses of this kind and
    must not be among `rejected`.
    """
    errors = []
    for lang, lost, kept, reason in losses(dataset, rejected).rows():
        if lost > settings.max_rejected * (lost + kept):
            errors.append(
                InputError(
                    f"dataset {dataset.name}, language {lang}",
                    f"{lost} of {lost + kept} rows rejected, most of them: {reason}",
                    f"at most {settings.max_rejected:.1%} (validation.max_rejected)",
                    "Mend the rows that results/validation.md shows, or allow more",
                )
            )
    return errors


def losses(dataset: Dataset, rejected: pl.DataFrame) -> pl.DataFrame:
    """Return (lang, lost, kept, reason) of each language that lost a row; reason: the commonest."""
    kept = pl.concat([dataset.queries.select("lang"), dataset.corpus.select("lang")])
    kept = kept.group_by("lang").agg(pl.len().alias("kept"))
    lost = rejected.group_by("lang").agg(
        pl.len().alias("lost"), pl.col("reason").mode().sort().first()
    )
    joined = lost.join(kept, on="lang", how="left").with_columns(pl.col("kept").fill_null(0))
    return joined.select("lang", "lost", "kept", "reason").sort("lang", nulls_last=True)


def _reason(settings: ValidationSettings, keys: dict[str, list[str]]) -> pl.Expr:
    reason = pl.lit(None, pl.String)
    for name, key in reversed(keys.items()):
        again = ~(pl.struct(key) if len(key) > 1 else pl.col(key[0])).is_first_distinct()
        reason = pl.when(again).then(pl.lit(name)).otherwise(reason)
    for name, rule in reversed(RULES.items()):
        reason = pl.when(rule(settings)).then(pl.lit(name)).otherwise(reason)
    return reason.alias("reason")


def _rejected(source: str, what: str, key: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return REJECTED rows of a table that has the columns row, lang, text and reason."""
    item = "item_id" if what == "queries" else key
    return rows.select(
        pl.lit(source).alias("source"),
        pl.lit(what).alias("file"),
        pl.col("row").cast(pl.Int64),
        "lang",
        pl.col(item).alias("item_id"),
        "reason",
        "text",
    ).cast(REJECTED)


def _dangling(dataset: Dataset) -> pl.DataFrame:
    """Return judgements of what the dataset never had, or of one document twice."""
    judged = dataset.qrels.with_row_index("row")
    faults = [
        (
            "judged document is not in the corpus",
            judged.join(dataset.corpus, on="doc_id", how="anti"),
        ),
        ("judged item has no query", judged.join(dataset.queries, on="item_id", how="anti")),
        ("judged before", judged.filter(~pl.struct("item_id", "doc_id").is_first_distinct())),
    ]
    rows = [
        frame.with_columns(
            pl.lit(reason).alias("reason"),
            pl.lit(None).alias("lang"),
            pl.col("doc_id").alias("text"),
        )
        for reason, frame in faults
    ]
    found = pl.concat(rows).unique("row", keep="first", maintain_order=True).sort("row")
    return _rejected(dataset.name, "qrels", "item_id", found)


def _whole_items(
    dataset: Dataset, queries: pl.DataFrame, corpus: pl.DataFrame, settings: ValidationSettings
) -> tuple[Dataset, list[pl.DataFrame]]:
    """Drop what is no whole item any more; `queries` and `corpus` carry their row numbers."""
    unique = dataset.qrels.unique(["item_id", "doc_id"], keep="first", maintain_order=True)
    judged = unique.join(corpus, on="doc_id", how="semi", maintain_order="left")
    relevant = judged.filter(pl.col("relevance") > 0)
    few = f"item in fewer than {settings.min_languages} languages (min_languages)"
    reasons = pl.concat(
        [
            queries.join(relevant, on="item_id", how="anti")
            .select("item_id", pl.lit("no relevant document is left").alias("reason"))
            .unique(),
            _poor_items(queries, relevant, corpus, settings.min_languages).select(
                "item_id", pl.lit(few).alias("reason")
            ),
        ]
    ).unique("item_id", keep="first", maintain_order=True)
    bad = queries.join(reasons, on="item_id", maintain_order="left")
    queries = queries.join(reasons, on="item_id", how="anti", maintain_order="left")
    qrels = judged.join(queries, on="item_id", how="semi", maintain_order="left")
    kept = Dataset(dataset.name, queries.drop("row"), corpus.drop("row"), qrels)
    return kept, [_rejected(dataset.name, "queries", "query_id", bad)]


def _poor_items(
    queries: pl.DataFrame, relevant: pl.DataFrame, corpus: pl.DataFrame, least: int
) -> pl.DataFrame:
    """Return items whose queries and relevant documents are in fewer than `least` languages."""
    if least == 1:
        return queries.select("item_id").clear()
    answers = relevant.join(corpus.select("doc_id", "lang"), on="doc_id")
    seen = pl.concat([queries.select("item_id", "lang"), answers.select("item_id", "lang")]).lazy()
    counts = seen.group_by("item_id").agg(pl.col("lang").n_unique().alias("count"))
    return counts.filter(pl.col("count") < least).collect(engine="streaming").sort("item_id")
