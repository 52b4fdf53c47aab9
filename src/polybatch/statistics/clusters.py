"""Which questions are not independent: those of one article, document or passage.

A source declares what its documents come from: `group_id` (a passage) and, where there is one,
`document_id` (an article, a document, a template). The coarsest declared level counts. Items that
share a value of it, through any of their relevant documents, are one cluster. Where they share
templates with items of other clusters, both levels count, crossed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from polybatch.core.dataset import Dataset
from polybatch.core.vectors import Int64

LEVELS = ("document_id", "group_id")
"""Columns of a corpus that may declare clusters, the coarsest first."""

ITEM = "item_id"
FEW, LEAST = 10, 5
"""Clusters below which an interval is flagged, and below which there is none."""


TEMPLATE = "template_id"
"""The column of what the texts of other clusters share as well."""


@dataclass(frozen=True)
class Clusters:
    """`level`: the column that declares them, `item_id` where no source does. `of`: item_id,
    cluster (a number from 0).

    `crossed`: where items of one cluster share templates with those of another, each cluster is
    what they have both in common, and these are the numbers of its passage and of its template
    (2, clusters); else None.
    """

    level: str
    of: pl.DataFrame
    crossed: Int64 | None = None


@dataclass(frozen=True)
class Pool:
    """How hard a dataset's search is. `distractors`: documents that answer no question."""

    documents: int
    distractors: int
    languages: int

    def __str__(self) -> str:
        if not self.distractors:
            kind = "gold only: every document answers a question"
        else:
            kind = f"{self.distractors:,} of them distractors, which answer no question"
        return f"{self.documents:,} documents in {self.languages} languages, {kind}"


def clusters_of(dataset: Dataset) -> Clusters:
    """Return the clusters of a dataset's items.

    Example:
        >>> corpus = pl.DataFrame({"doc_id": ["a", "b", "c"], "group_id": ["x", "x", None]})
        >>> qrels = pl.DataFrame({"item_id": ["1", "2", "3"], "doc_id": ["a", "b", "c"],
        ...                       "relevance": [1, 1, 1]})
        >>> found = clusters_of(Dataset("d", pl.DataFrame(), corpus, qrels))
        >>> found.level, found.of["cluster"].to_list()
        ('group_id', [0, 0, 1])
    """
    corpus = dataset.corpus
    declared = [name for name in LEVELS if name in corpus.columns]
    level = next((name for name in declared if corpus[name].is_not_null().any()), ITEM)
    one = _by(dataset, declared)
    if TEMPLATE not in corpus.columns or not corpus[TEMPLATE].is_not_null().any():
        return Clusters(level, one)
    return _crossed(level, one, _by(dataset, [TEMPLATE]))


def _by(dataset: Dataset, levels: Sequence[str]) -> pl.DataFrame:
    """Return item_id and cluster, by the first level that a document has."""
    links = dataset.qrels.filter(pl.col("relevance") > 0).select("item_id", "doc_id")
    links = links.join(dataset.corpus.select("doc_id", *levels), on="doc_id", how="left")
    # a document whose origin is not declared joins nothing: its item stands for itself
    names = [pl.lit(f"{name} ") + pl.col(name) for name in (*levels, ITEM)]
    return _components(links.select("item_id", group=pl.coalesce(names)).unique())


def _crossed(level: str, one: pl.DataFrame, other: pl.DataFrame) -> Clusters:
    """Return the clusters that two levels make; the coarser one's where it holds the other."""
    pairs = one.join(other, on="item_id", suffix="_other", validate="1:1").sort("item_id")
    cells = pairs.select("cluster", "cluster_other").unique().sort("cluster", "cluster_other")
    if cells.height == cells["cluster_other"].n_unique():
        return Clusters(level, one)
    if cells.height == cells["cluster"].n_unique():
        return Clusters(TEMPLATE, other)
    numbered = cells.with_row_index("cell")
    of = pairs.join(numbered, on=["cluster", "cluster_other"], maintain_order="left")
    found = of.select("item_id", cluster=pl.col("cell").cast(pl.Int64))
    return Clusters(f"{level} x {TEMPLATE}", found, cells.to_numpy().T.astype(np.int64))


def _components(links: pl.DataFrame) -> pl.DataFrame:
    """Return item_id and cluster: items linked through any chain of groups are together."""
    items = links["item_id"].unique().sort()
    item = links["item_id"].rank("dense").to_numpy().astype(np.int64) - 1
    group = links["group"].rank("dense").to_numpy().astype(np.int64) - 1
    size = len(items) + int(group.max(initial=-1)) + 1
    graph = coo_matrix((np.ones(len(item)), (item, len(items) + group)), (size, size))
    _, label = connected_components(graph, directed=False)
    _, cluster = np.unique(label[: len(items)], return_inverse=True)
    return pl.DataFrame({"item_id": items, "cluster": cluster.astype(np.int64)})


def pool_of(dataset: Dataset) -> Pool:
    """Return how many documents the pool holds, and how many of them answer no question.

    Example:
        >>> corpus = pl.DataFrame({"doc_id": ["a", "b"], "lang": ["en", "sw"]})
        >>> qrels = pl.DataFrame({"item_id": ["i"], "doc_id": ["a"], "relevance": [1]})
        >>> pool_of(Dataset("d", pl.DataFrame(), corpus, qrels)) == Pool(2, 1, 2)
        True
    """
    relevant = dataset.qrels.filter(pl.col("relevance") > 0)["doc_id"].n_unique()
    documents = dataset.corpus.height
    return Pool(documents, documents - relevant, dataset.corpus["lang"].n_unique())
