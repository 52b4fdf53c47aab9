"""Equal documents: one document of the user's own files that is relevant to all that ask for it.

A copy of an answer under another id would be ranked beside it and counted as wrong. Benchmarks with
a published pool are left as their publishers define them: there, copies are candidates of their
own (LAReQA), and merging them would change numbers that others have published.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from polybatch.core.dataset import REJECTED, Dataset, normalised
from polybatch.validation.split import components

MERGED = "merged with "
"""How the reason of a merged row begins; the id of the document that stands for it follows."""


@dataclass(frozen=True)
class Merged:
    """A dataset without copies. `rows`: what was merged, as REJECTED; `places`: doc_id and kept.

    `groups`: the `group_id`s that became one each, since they share an answer.
    """

    dataset: Dataset
    rows: pl.DataFrame
    places: pl.DataFrame
    groups: list[list[str]]

    def of(self, part: Dataset) -> pl.DataFrame:
        """Return `rows` whose document is in a part of the dataset."""
        kept = pl.col("reason").str.strip_prefix(MERGED)
        return self.rows.filter(kept.is_in(part.corpus["doc_id"].implode()))

    def moved(self, answers: pl.DataFrame) -> pl.DataFrame:
        """Return ANSWERS of the documents that are kept."""
        found = answers.join(self.places, on="doc_id", how="left", maintain_order="left")
        found = found.with_columns(pl.coalesce("kept", "doc_id").alias("doc_id")).drop("kept")
        return found.unique(["item_id", "doc_id"], keep="first", maintain_order=True)


def unmerged(dataset: Dataset) -> Merged:
    """Return a dataset in which copies stay: a published pool, or text never searched."""
    places = pl.DataFrame(schema={"doc_id": pl.String, "kept": pl.String})
    return Merged(dataset, REJECTED.to_frame(), places, [])


def merge_equal(dataset: Dataset) -> Merged:
    """Merge documents of one language whose text is, normalised, the same; titles are not searched.

    The document that stays is the smallest doc_id that is relevant to an item, if any is. Groups of
    relevant copies become one, named by the smallest.

    Example:
        >>> texts = {"doc_id": ["d1", "d2"], "lang": ["en", "en"], "text": ["Here", "here!"]}
        >>> corpus = pl.DataFrame(texts | {"group_id": ["g", "g"]})
        >>> qrels = pl.DataFrame({"item_id": ["i"], "doc_id": ["d2"], "relevance": [1]})
        >>> merged = merge_equal(Dataset("faq", pl.DataFrame(), corpus, qrels))
        >>> merged.places.rows(), merged.dataset.corpus["text"].to_list()
        ([('d1', 'd2')], ['here!'])
    """
    relevant = dataset.qrels.filter(pl.col("relevance") > 0).select("doc_id").unique()
    corpus = dataset.corpus.join(
        _kept(dataset.corpus, relevant), on="doc_id", maintain_order="left"
    )
    is_copy = pl.col("doc_id") != pl.col("kept")
    copies = corpus.filter(is_copy)
    qrels = dataset.qrels.join(corpus.select("doc_id", "kept"), on="doc_id", maintain_order="left")
    again = ~pl.struct("item_id", "kept").is_first_distinct()
    qrels = qrels.with_columns(
        pl.col("relevance").max().over("item_id", "kept"), again.alias("again")
    )
    names, groups = _joined(corpus.join(relevant, on="doc_id", how="semi"))
    left = corpus.filter(~is_copy).drop("kept").with_columns(pl.col("group_id").replace(names))
    judged = qrels.filter(~pl.col("again"))
    judged = judged.select("item_id", pl.col("kept").alias("doc_id"), "relevance")
    said_again = qrels.filter("again").with_columns(lang=pl.lit(None), text=pl.col("doc_id"))
    rows = [
        _rows(dataset.name, "corpus", copies.with_columns(item_id="doc_id")),
        _rows(dataset.name, "qrels", said_again),
    ]
    return Merged(
        Dataset(dataset.name, dataset.queries, left, judged),
        pl.concat(rows),
        copies.select("doc_id", "kept"),
        groups,
    )


def _kept(corpus: pl.DataFrame, relevant: pl.DataFrame) -> pl.DataFrame:
    """Return doc_id and `kept`, the document that stands for it."""
    plain = normalised("text")
    keys = corpus.select(
        "doc_id",
        "lang",
        pl.when(plain == "").then("text").otherwise(plain).alias("plain"),
        (~pl.col("doc_id").is_in(relevant["doc_id"].implode())).alias("unasked"),
    )
    first = pl.col("doc_id").sort_by("unasked", "doc_id").first()
    return keys.select("doc_id", first.over("lang", "plain").alias("kept"))


def _joined(answers: pl.DataFrame) -> tuple[dict[str, str], list[list[str]]]:
    """Return the new name of each group that shares an answer with another, and which those are."""
    shared = answers.drop_nulls("group_id").select("kept", "group_id")
    roots = components((f"d{kept}", f"g{group}") for kept, group in shared.iter_rows())
    groups: dict[str, list[str]] = {}
    for key in sorted(key for key in roots if key.startswith("g")):
        groups.setdefault(roots[key], []).append(key[1:])
    several = sorted(group for group in groups.values() if len(group) > 1)
    return {name: group[0] for group in several for name in group}, several


def _rows(name: str, what: str, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        pl.lit(name).alias("source"),
        pl.lit(what).alias("file"),
        pl.lit(None).alias("row"),
        "lang",
        "item_id",
        pl.concat_str(pl.lit(MERGED), "kept").alias("reason"),
        "text",
    ).cast(REJECTED)
