"""Which questions are not independent: those of one article, document or passage.

A source declares what its documents come from: `group_id` (a passage) and, where there is one,
`document_id` (an article, a document, a template). The coarsest declared level counts. Items that
share a value of it, through any of their relevant documents, are one cluster.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from polybatch.dataset import Dataset

LEVELS = ("document_id", "group_id")
"""Columns of a corpus that may declare clusters, the coarsest first."""

ITEM = "item_id"
FEW, LEAST = 10, 5
"""Clusters below which an interval is flagged, and below which there is none."""


@dataclass(frozen=True)
class Clusters:
    """`level`: the column that declares them, `item_id` where no source does. `of`: item_id,
    cluster (a number from 0).
    """

    level: str
    of: pl.DataFrame


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
    declared = (name for name in LEVELS if name in corpus.columns)
    level = next((name for name in declared if corpus[name].is_not_null().any()), ITEM)
    links = dataset.qrels.filter(pl.col("relevance") > 0).select("item_id", "doc_id")
    levels = [name for name in LEVELS if name in corpus.columns]
    links = links.join(corpus.select("doc_id", *levels), on="doc_id", how="left")
    # a document whose origin is not declared joins nothing: its item stands for itself
    names = [pl.lit(f"{name} ") + pl.col(name) for name in (*levels, ITEM)]
    links = links.select("item_id", group=pl.coalesce(names)).unique()
    return Clusters(level, _components(links))


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
