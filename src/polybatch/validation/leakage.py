"""Texts of an evaluation dataset in training data: equal, near-duplicates, or one in the other."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from polybatch.core.dataset import REJECTED, Dataset, normalised
from polybatch.settings.data import ValidationSettings
from polybatch.validation.containment import Contained, Containment
from polybatch.validation.near_duplicates import similar

LEAKS = pl.Schema(
    {
        "table": pl.String,
        "id": pl.String,
        "lang": pl.String,
        "text": pl.String,
        "evaluation": pl.String,
        "evaluation_id": pl.String,
        "evaluation_text": pl.String,
        "match": pl.String,
        "similarity": pl.Float64,
    }
)
"""A training text, and an evaluation text that says the same. `match`: how; similarity: how much.

`equal`: once normalised. `similar`: by the Jaccard of trigrams. `inside`, `around`: the training
text stands in the evaluation text, or has it within; how much of the shorter one's shingles.
`item`, `group`: not the text, but what it belongs to is in evaluation; no similarity.
"""

MATCH_WORDS = {
    "equal": "the same text",
    "similar": "nearly the same text",
    "inside": "a part of a text",
    "around": "a text that has one within",
    "item": "the same item",
    "group": "the same group",
}


def leaks(
    train: Dataset, evaluation: Dataset, threshold: float, contained: Contained | None = None
) -> pl.DataFrame:
    """Return one row of LEAKS for each training text that an evaluation dataset holds.

    Queries and documents of one are held against both of the other. `threshold`: Jaccard of the
    sets of character trigrams of normalised texts; 1 finds equal texts only. `contained`: when
    a text stands inside another.

    Example:
        >>> queries = pl.DataFrame({"query_id": ["q"], "lang": ["en"], "text": ["Where is it?"]})
        >>> corpus = pl.DataFrame({"doc_id": ["d"], "lang": ["en"], "text": ["where is it"]})
        >>> train = Dataset("train", queries, corpus.clear(), pl.DataFrame())
        >>> test = Dataset("test", queries.clear(), corpus, pl.DataFrame())
        >>> leaks(train, test, threshold=1).select("id", "evaluation_id", "match").rows()
        [('q', 'd', 'equal')]
    """
    theirs, parts = _texts(evaluation).sort("table", "id"), []
    theirs = theirs.unique("plain", keep="first", maintain_order=True)
    index = contained and Containment(theirs["plain"], contained)
    for what in ("queries", "corpus"):  # in turn, so that one table's normalised texts are held
        ours = _texts(train, what).drop("text")
        equal = _equal(ours, theirs)
        parts.append(equal)
        if threshold < 1:
            ours = _without_found(ours, equal)
            parts.append(_pairs(ours, theirs, similar(ours["plain"], theirs["plain"], threshold)))
        if index:
            rest = _without_found(ours, parts[-1])
            del ours
            parts.append(_contained(rest, theirs, index))
    found = _with_texts(pl.concat(parts), train).with_columns(
        pl.lit(evaluation.name).alias("evaluation")
    )
    return found.select(list(LEAKS)).cast(LEAKS).sort("table", "id")


def looked_for(rules: ValidationSettings) -> str:
    """Return in words which texts `rules` take for leaks: no others are found."""
    kinds = ["equal texts"]
    if rules.near_duplicate < 1:
        share = f"{100 * rules.near_duplicate:g} % of their character trigrams"
        kinds.append(f"texts that have {share} in common")
    if rules.contained_characters <= rules.max_characters:
        long_enough = f"texts of {rules.contained_characters} characters or more"
        kinds.append(f"{long_enough} of which {100 * rules.contained:g} % stand inside another")
    if len(kinds) > 1:
        return f"Looked for: {', '.join(kinds)}."
    cure = "validation.near_duplicate and contained_characters, such as 0.8 and 30, find more"
    return f"Looked for: equal texts only ({cure})."


def without(
    train: Dataset, found: pl.DataFrame, links: pl.DataFrame | None = None
) -> tuple[Dataset, pl.DataFrame]:
    """Return `train` without the items that leak, in every language, and what left as REJECTED.

    A translation of a leaking text says the same, so an item goes as a whole, with its documents;
    so does a document without an item, when its text leaks. A document that is judged not to
    answer an item ties nothing to it. `links`: (item_id, doc_id) of domain text, whose documents
    answer items without queries; None: the relevant ones of qrels.
    """
    links = train.qrels.filter(pl.col("relevance") > 0) if links is None else links
    by_table = {what: found.filter(table=what) for what in ("queries", "corpus")}
    documents = by_table["corpus"].select(pl.col("id").alias("doc_id"))
    queries = by_table["queries"].select(pl.col("id").alias("query_id"))
    items = pl.concat(
        [
            train.queries.join(queries, on="query_id", how="semi").select("item_id"),
            links.join(documents, on="doc_id", how="semi").select("item_id"),
        ]
    ).unique()
    documents = pl.concat(
        [documents, links.join(items, on="item_id", how="semi").select("doc_id")]
    ).unique()
    qrels = train.qrels.join(documents, on="doc_id", how="anti", maintain_order="left")
    judged = qrels.filter(pl.col("relevance") > 0)
    kept = train.queries.join(items, on="item_id", how="anti", maintain_order="left")
    kept = kept.join(judged, on="item_id", how="semi", maintain_order="left")
    qrels = qrels.join(kept, on="item_id", how="semi", maintain_order="left")
    corpus = train.corpus.join(documents, on="doc_id", how="anti", maintain_order="left")
    gone = [
        _gone(train, "queries", "query_id", kept, by_table["queries"]),
        _gone(train, "corpus", "doc_id", corpus, by_table["corpus"]),
    ]
    return Dataset(train.name, kept, corpus, qrels), pl.concat(gone)


def _gone(
    train: Dataset, what: str, key: str, kept: pl.DataFrame, found: pl.DataFrame
) -> pl.DataFrame:
    rows: pl.DataFrame = getattr(train, what).with_row_index("row")
    rows = rows.join(kept.select(key), on=key, how="anti", maintain_order="left")
    kind = pl.when(pl.col("match").is_in(["item", "group"])).then("match").otherwise(pl.lit("text"))
    reason = pl.concat_str(
        kind, pl.lit(" of evaluation dataset "), "evaluation", pl.lit(", "), "evaluation_id"
    )
    named = found.select(pl.col("id").alias(key), reason.alias("reason")).unique(key, keep="any")
    rows = rows.join(named, on=key, how="left", maintain_order="left")
    return rows.select(
        pl.lit(train.name).alias("source"),
        pl.lit(what).alias("file"),
        pl.col("row").cast(pl.Int64),
        "lang",
        pl.col("item_id" if what == "queries" else key).alias("item_id"),
        pl.col("reason").fill_null("its item has a text of an evaluation dataset"),
        "text",
    ).cast(REJECTED)


def _texts(dataset: Dataset, *tables: str) -> pl.DataFrame:
    """Return table, id, lang, text and normalised text of what has letters.

    `tables`: queries or corpus; both where none is named.
    """
    parts = [
        frame.select(
            pl.lit(what).alias("table"),
            pl.col(key).alias("id"),
            "lang",
            "text",
            normalised("text").alias("plain"),
        )
        for what, key, frame in (
            ("queries", "query_id", dataset.queries),
            ("corpus", "doc_id", dataset.corpus),
        )
        if what in (tables or ("queries", "corpus"))
    ]
    return pl.concat(parts).filter(pl.col("plain") != "")


def _with_texts(found: pl.DataFrame, train: Dataset) -> pl.DataFrame:
    parts = [
        found.filter(table=what).join(frame.select(pl.col(key).alias("id"), "text"), on="id")
        for what, key, frame in (
            ("queries", "query_id", train.queries),
            ("corpus", "doc_id", train.corpus),
        )
    ]
    return pl.concat(parts)


def _equal(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    other = theirs.select("plain", evaluation_id="id", evaluation_text="text")
    found = ours.join(other, on="plain").with_columns(match=pl.lit("equal"), similarity=pl.lit(1.0))
    return found.select([name for name in LEAKS if name not in ("evaluation", "text")])


def _without_found(ours: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    return ours.join(found, on=["table", "id"], how="anti", maintain_order="left")


def _contained(ours: pl.DataFrame, theirs: pl.DataFrame, index: Containment) -> pl.DataFrame:
    rows = index.found(ours["plain"])
    found = _pairs(ours, theirs, rows)
    own = ours[[row for row, _, _ in rows]]["plain"].str.len_chars()
    other = theirs[[row for _, row, _ in rows]]["plain"].str.len_chars()
    longer = pl.Series(own > other, dtype=pl.Boolean)
    match = pl.when(longer).then(pl.lit("around")).otherwise(pl.lit("inside"))
    return found.with_columns(match.alias("match"))


def _pairs(
    ours: pl.DataFrame, theirs: pl.DataFrame, rows: Sequence[tuple[int, int, float]]
) -> pl.DataFrame:
    """Return LEAKS, without evaluation and text, of (row of `ours`, of `theirs`, similarity)."""
    left = ours[[row for row, _, _ in rows]]
    right = theirs[[candidate for _, candidate, _ in rows]]
    return pl.DataFrame(
        {
            **left.select("table", "id", "lang").to_dict(),
            "evaluation_id": right["id"],
            "evaluation_text": right["text"],
            "match": pl.Series(["similar"] * len(rows), dtype=pl.String),
            "similarity": pl.Series([value for _, _, value in rows], dtype=pl.Float64),
        }
    )
