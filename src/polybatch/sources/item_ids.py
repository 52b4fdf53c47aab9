"""Whether items of a user's files have the same `item_id` in every language."""

from __future__ import annotations

import unicodedata

import polars as pl

from polybatch.core.errors import InputError


def item_id_notes(
    name: str, queries: pl.DataFrame, corpus: pl.DataFrame, qrels: pl.DataFrame
) -> list[str]:
    """Return notes about ids that differ by language only in how they are written (1 and 1.0).

    InputError where for that reason no item is in two languages.

    Example:
        >>> rows = [("1:en", "1", "en", "Why?", "all"), ("1.0:de", "1.0", "de", "Warum?", "all")]
        >>> from polybatch.core.dataset import CORPUS, QRELS, QUERIES
        >>> queries = pl.DataFrame(rows, schema=QUERIES, orient="row")
        >>> item_id_notes("mine", queries, CORPUS.to_frame(), QRELS.to_frame())
        Traceback (most recent call last):
        polybatch.core.errors.InputError: sources.mine: found item_id '1' (en) and '1.0' (de), \
expected the same item_id for an item in every language. Write them alike in all files; \
spreadsheets make 1 or 1.0 of 001 unless the column is text.
    """
    judged = qrels.join(corpus.select("doc_id", "lang"), on="doc_id").select("item_id", "lang")
    items = pl.concat([queries.select("item_id", "lang"), judged]).unique(maintain_order=True)
    if items["lang"].n_unique() < 2:
        return []
    shared = bool(items["item_id"].is_duplicated().any())
    apart = _written_apart(items)
    if apart.is_empty():
        none_shared = "no item_id stands in two languages, so that nothing is searched across them"
        return [] if shared else [f"{name}: {none_shared}"]
    _, ids, langs = apart.row(0)
    pairs = " and ".join(f"{_shown(item)} ({lang})" for item, lang in zip(ids, langs, strict=True))
    more = f", and {apart.height - 1} more such items" if apart.height > 1 else ""
    found = f"item_id {pairs}{more}"
    if shared:
        return [f"{name}: {found} are taken for different items"]
    raise InputError(
        f"sources.{name}",
        found,
        "the same item_id for an item in every language",
        "Write them alike in all files; spreadsheets make 1 or 1.0 of 001 unless the column is"
        " text",
    )


def _written_apart(items: pl.DataFrame) -> pl.DataFrame:
    """Return the ids and languages of items that only the spelling of their id keeps apart."""
    same = items.with_columns(_spelling().alias("key")).group_by("key", maintain_order=True)
    item, lang = pl.col("item_id").list, pl.col("lang").list
    return same.agg("item_id", "lang").filter(
        (item.n_unique() > 1) & (lang.n_unique() == lang.len())
    )


def _shown(item: str) -> str:
    """Return an id in quotation marks, with what cannot be seen as escapes."""
    marks = (mark if unicodedata.category(mark) != "Cf" else f"\\u{ord(mark):04x}" for mark in item)
    return f"'{''.join(marks)}'"


def _spelling() -> pl.Expr:
    """Return what an id is but for case, width, unseen marks and how a number is written."""
    plain = pl.col("item_id").str.normalize("NFKC").str.to_lowercase()
    plain = plain.str.replace_all(r"\p{Cf}", "")
    return plain.str.replace(r"^[+]?0*(\d+)(\.0*)?$", "$1")
