"""Rules for rows, and quarantine: a row that breaks one is kept apart with its reason, never lost.

What hangs on a rejected row goes with it: an item without a query or a relevant document is no
item. Texts are brought to Unicode NFC; all other changes are the user's to make.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from polybatch.core.dataset import NOT_REQUESTED, REJECTED, Dataset
from polybatch.core.errors import InputError
from polybatch.settings.data import ValidationSettings
from polybatch.settings.names import CONTROL, unusable_id
from polybatch.validation.duplicates import MERGED

Rule = Callable[[ValidationSettings], pl.Expr]

_SEEN = r"[^\s\p{Z}\p{Cf}]"  # neither white space nor a mark without a shape, such as U+200B

RULES: dict[str, Rule] = {
    "empty text": lambda settings: ~pl.col("text").str.contains(_SEEN).fill_null(value=False),
    "control character": lambda settings: pl.col("text").str.contains(f"[{CONTROL}]"),
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


_UNUSABLE = "an id that is empty, or has white space or control characters, as no later file can"

_NO_LOSS = (MERGED, NOT_REQUESTED)


@dataclass(frozen=True)
class Checked:
    """A dataset after its row rules. `composed`: texts that were not in Unicode NFC and now are."""

    dataset: Dataset
    rejected: pl.DataFrame
    composed: int


def quarantine(dataset: Dataset, settings: ValidationSettings) -> Checked:
    """Return the rows that keep the rules, and the others as `polybatch.core.dataset.REJECTED`.

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
        ids = [key] if what == "corpus" else [key, "item_id"]
        bad = numbered.select("row", _reason(settings, ids, KEYS[what])).drop_nulls("reason")
        rejected.append(_rejected(dataset.name, what, key, numbered.join(bad, on="row")))
        tables[what] = numbered.join(bad, on="row", how="anti", maintain_order="left")
    rejected.append(_dangling(dataset))
    kept, dropped = _whole_items(dataset, tables["queries"], tables["corpus"], settings)
    return Checked(kept, pl.concat([*rejected, *dropped]), composed)


def refuse_losses(
    dataset: Dataset,
    rejected: pl.DataFrame,
    settings: ValidationSettings,
    languages: Sequence[str] | None = None,
    read: int | None = None,
) -> list[InputError]:
    """Return an error for each language that lost more than `max_rejected` of its rows.

    So for each table, and for the files that were read, of rows whose language is not known. Rows
    that were removed because an evaluation dataset has them are not losses of this kind and must
    not be among `rejected`. `languages`, `read`: as in `losses`.

    Example:
        >>> rules = ValidationSettings("fail", 1, 1, 30, 1, 64, 1, 99, 0.05, 0, 0, 0, 0, 0, 50)
        >>> texts = pl.DataFrame({"lang": ["sw"]})
        >>> lost = pl.DataFrame({"file": ["corpus"], "lang": ["sw"], "reason": ["empty text"]})
        >>> refuse_losses(Dataset("faq", texts, texts, pl.DataFrame()), lost, rules)[0].found
        '1 of 3 rows rejected, most of them: empty text'
    """
    errors = []
    for where, lost, kept, reason in losses(dataset, rejected, languages, read).rows():
        if lost > settings.max_rejected * (lost + kept):
            errors.append(
                InputError(
                    f"dataset {dataset.name}, {where}",
                    f"{lost} of {lost + kept} rows rejected, most of them: {reason}",
                    f"at most {settings.max_rejected:.1%} (validation.max_rejected)",
                    "Correct the rows, which rejected.parquet and results/validation.md name, or"
                    " allow more",
                )
            )
    return errors


def losses(
    dataset: Dataset,
    rejected: pl.DataFrame,
    languages: Sequence[str] | None = None,
    read: int | None = None,
) -> pl.DataFrame:
    """Return (where, lost, kept, reason) of each place that lost a row; reason: the commonest.

    A place is a language; for rows without a language, or with one that is none of `languages`
    (None: the dataset's), the table they are from, or `the files` that the source read, of which
    `read` rows were kept or rejected (None: as many as the tables have).

    Example:
        >>> texts = pl.DataFrame({"lang": ["sw"]})
        >>> rejected = pl.DataFrame({"file": ["corpus"], "lang": ["sw"], "reason": ["empty text"]})
        >>> losses(Dataset("faq", texts, texts, pl.DataFrame()), rejected).rows()
        [('language sw', 1, 2, 'empty text')]
    """
    known = pl.Series(languages or rows_by_language(dataset)["lang"], dtype=pl.String)
    named = pl.col("lang").is_in(known.implode()).fill_null(value=False)
    tables = {what: getattr(dataset, what).height for what in ("queries", "corpus", "qrels")}
    lost = real_losses(rejected).with_columns(
        pl.when(named)
        .then(pl.concat_str(pl.lit("language "), "lang"))
        .when(pl.col("file").is_in(list(tables)))
        .then(pl.concat_str(pl.lit("table "), "file"))
        .otherwise(pl.lit("the files"))
        .alias("where")
    )
    counts = lost.group_by("where").agg(
        pl.len().cast(pl.Int64).alias("lost"), pl.col("reason").mode().sort().first()
    )
    kept = {f"language {lang}": rows for lang, rows in rows_by_language(dataset).rows()}
    kept |= {f"table {what}": rows for what, rows in tables.items()}
    others = counts.filter(where="the files")["lost"].sum()
    kept["the files"] = tables["queries"] + tables["corpus"] if read is None else read - others
    places = pl.DataFrame(list(kept.items()), schema={"where": pl.String, "kept": pl.Int64},
                          orient="row")  # fmt: skip
    joined = counts.join(places, on="where", how="left").with_columns(pl.col("kept").fill_null(0))
    return joined.select("where", "lost", "kept", "reason").sort("where")


def real_losses(rejected: pl.DataFrame) -> pl.DataFrame:
    """Return the rejected rows that are losses: not merged, and of what the dataset requests.

    Example:
        >>> reasons = ["empty text", "merged with d1", "not requested: the split dev"]
        >>> real_losses(pl.DataFrame({"reason": reasons})).rows()
        [('empty text',)]
    """
    return rejected.filter(
        ~pl.any_horizontal(pl.col("reason").str.starts_with(each) for each in _NO_LOSS)
    )


def rows_by_language(dataset: Dataset) -> pl.DataFrame:
    """Return (lang, rows) of queries and documents together.

    Example:
        >>> queries, corpus = pl.DataFrame({"lang": ["sw"]}), pl.DataFrame({"lang": ["sw", "en"]})
        >>> rows_by_language(Dataset("d", queries, corpus, pl.DataFrame())).rows()
        [('en', 1), ('sw', 2)]
    """
    both = pl.concat([dataset.queries.select("lang"), dataset.corpus.select("lang")])
    return both.group_by("lang").agg(pl.len().cast(pl.Int64).alias("rows")).sort("lang")


def _reason(
    settings: ValidationSettings, ids: Sequence[str], keys: dict[str, list[str]]
) -> pl.Expr:
    reason = pl.lit(None, pl.String)
    for name, key in reversed(keys.items()):
        again = ~(pl.struct(key) if len(key) > 1 else pl.col(key[0])).is_first_distinct()
        reason = pl.when(again).then(pl.lit(name)).otherwise(reason)
    unusable = pl.any_horizontal(unusable_id(name) for name in ids)
    reason = pl.when(unusable).then(pl.lit(_UNUSABLE)).otherwise(reason)
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
