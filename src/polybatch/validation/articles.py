"""Articles that training and evaluation datasets have in common.

No leak by themselves, and so never removed: a question can be answered from another sentence of an
article that training has read. But scores on such questions are not those of unseen articles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from polybatch.core.dataset import Dataset, normalised


@dataclass(frozen=True)
class CommonArticles:
    """Of an evaluation and a training dataset. `items`: evaluated ones that they answer, of `of`.

    `articles`: their titles, normalised, or document_ids; sorted.
    """

    evaluation: str
    training: str
    articles: tuple[str, ...]
    items: int
    of: int


def common_articles(
    datasets: Mapping[str, Dataset], uses: Mapping[str, str]
) -> list[CommonArticles]:
    """Return what each evaluation dataset has in common with others, where it is anything.

    Example:
        >>> texts = {"doc_id": ["d"], "title": ["Super Bowl 50"], "document_id": [None]}
        >>> qrels = pl.DataFrame({"item_id": ["i"], "doc_id": ["d"], "relevance": [1]})
        >>> one = Dataset("one", pl.DataFrame(), pl.DataFrame(texts), qrels)
        >>> common_articles({"a": one, "b": one}, {"a": "evaluate", "b": "train"})[0].articles
        ('super bowl 50',)
    """
    names = {name: _articles(dataset.corpus) for name, dataset in datasets.items()}
    found = []
    for evaluation in (name for name in datasets if uses[name] == "evaluate"):
        judged = datasets[evaluation].qrels.filter(pl.col("relevance") > 0)
        for training in (name for name in datasets if uses[name] != "evaluate"):
            here = names[evaluation].join(names[training], on="article", how="semi")
            if here.height:
                items = judged.join(here, on="doc_id", how="semi")["item_id"].n_unique()
                articles = tuple(sorted(here["article"].unique()))
                of = judged["item_id"].n_unique()
                found.append(CommonArticles(evaluation, training, articles, items, of))
    return found


def _articles(corpus: pl.DataFrame) -> pl.DataFrame:
    """Return doc_id and article of the documents that have one.

    Example:
        >>> rows = {"doc_id": ["a", "b", "c"], "title": ["Super_Bowl_50", None, ""],
        ...         "document_id": [None, "ntrex:9", None]}
        >>> _articles(pl.DataFrame(rows)).rows()
        [('a', 'super bowl 50'), ('b', 'ntrex:9')]
    """
    title = normalised("title")
    article = pl.when(title != "").then(title).otherwise(pl.col("document_id"))
    return corpus.select("doc_id", article=article).drop_nulls()
