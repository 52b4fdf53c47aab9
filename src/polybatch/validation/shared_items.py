"""Items and groups that training and evaluation have in common, whatever their texts say.

Ids tell of two datasets of one source, or of the user's files in one folder: an item that training
reads in English and evaluation in German leaks, though no text stands in both.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.settings.config import Config
from polybatch.settings.data import NO_FOLDER, SourceSettings
from polybatch.validation.leakage import LEAKS


def one_source(config: Config, name: str, other: str) -> bool:
    """Return whether ids of two datasets name the same items: one source, or files of one folder.

    A folder inside another counts, too.
    """
    one, two = (config.datasets[each].source for each in (name, other))
    mine, theirs = (_folder(config.sources[each]) for each in (one, two))
    if one == two:
        return True
    return bool(mine and theirs and (mine.is_relative_to(theirs) or theirs.is_relative_to(mine)))


def has_own_groups(config: Config, name: str) -> bool:
    """Return whether the groups of a dataset are the user's, who is promised that they stay whole.

    Publishers' splits share articles by design; those are counted, not removed.
    """
    return _folder(config.sources[config.datasets[name].source]) is not None


def shared_items(
    train: Dataset, evaluation: Dataset, links: pl.DataFrame, groups: bool
) -> pl.DataFrame:
    """Return one row of LEAKS for each training text whose item or group evaluation has.

    `links`: (item_id, doc_id) of what answers what in `train`, of domain text, too. `groups`:
    whether a common `group_id` counts. A text with both counts as `item`. Nothing is measured, so
    `similarity` is null.

    Example:
        >>> def of(lang):
        ...     queries = {"query_id": [f"1:{lang}"], "item_id": ["1"], "lang": [lang]}
        ...     empty = {"doc_id": [], "lang": [], "text": [], "group_id": []}
        ...     corpus = pl.DataFrame(empty, dict.fromkeys(empty, pl.String))
        ...     return Dataset(lang, pl.DataFrame(queries | {"text": ["?"]}), corpus, None)
        >>> links = pl.DataFrame(schema={"item_id": pl.String, "doc_id": pl.String})
        >>> found = shared_items(of("en"), of("de"), links, groups=True)
        >>> found.select("id", "evaluation_id", "match").rows()
        [('1:en', '1:de', 'item')]
    """
    items = _named(evaluation.queries, "item_id", "query_id")
    found = [_rows(train, links, items, "item")]
    if groups:
        there = _named(evaluation.corpus.drop_nulls("group_id"), "group_id", "doc_id")
        documents = train.corpus.join(there, on="group_id").select(
            "doc_id", "evaluation_id", "evaluation_text"
        )
        of_items = links.join(documents, on="doc_id").drop("doc_id")
        of_items = of_items.sort("evaluation_id").unique("item_id", keep="first")
        found += [_rows(train, links, of_items, "group"), _documents(train, documents, "group")]
    rows = pl.concat(found).unique(["table", "id"], keep="first", maintain_order=True)
    return rows.with_columns(pl.lit(evaluation.name).alias("evaluation")).select(list(LEAKS))


def _named(frame: pl.DataFrame, key: str, name: str) -> pl.DataFrame:
    """Return each `key` once, with the first text that has it as what evaluation has."""
    first = frame.sort(name).unique(key, keep="first")
    return first.select(key, evaluation_id=name, evaluation_text="text")


def _rows(train: Dataset, links: pl.DataFrame, items: pl.DataFrame, match: str) -> pl.DataFrame:
    """Return queries and documents of `items`, which has what evaluation has for each item_id."""
    queries = train.queries.join(items, on="item_id").sort("query_id")
    answers = links.join(items, on="item_id").sort("doc_id", "item_id")
    answers = answers.unique("doc_id", keep="first", maintain_order=True)
    return pl.concat(
        [_leaks(queries, "queries", "query_id", match), _documents(train, answers, match)]
    )


def _documents(train: Dataset, documents: pl.DataFrame, match: str) -> pl.DataFrame:
    rows = train.corpus.join(documents, on="doc_id").sort("doc_id")
    return _leaks(rows, "corpus", "doc_id", match)


def _leaks(rows: pl.DataFrame, table: str, key: str, match: str) -> pl.DataFrame:
    return rows.select(
        pl.lit(table).alias("table"),
        pl.col(key).alias("id"),
        *("lang", "text", "evaluation_id", "evaluation_text"),
        pl.lit(match).alias("match"),
        pl.lit(None, pl.Float64).alias("similarity"),
    )


def _folder(source: SourceSettings) -> PurePosixPath | None:
    """Return where a source's own files are; None where it has none."""
    return None if source.folder in (None, "", NO_FOLDER) else PurePosixPath(source.folder or "")
