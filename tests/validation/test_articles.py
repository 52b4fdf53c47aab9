"""Articles in common, by hand."""

from __future__ import annotations

import polars as pl

from polybatch.core.dataset import CORPUS, QRELS, QUERIES, Dataset
from polybatch.validation.articles import CommonArticles, common_articles


def dataset(name: str, *documents: tuple[str | None, str | None]) -> Dataset:
    """Return a dataset of (title, document_id) documents, an item each, and one nobody asks for."""
    rows = [
        (f"d{number}", "en", "Text.", title, None, document, None)
        for number, (title, document) in enumerate((*documents, ("Nobody asks", None)))
    ]
    queries = [(f"q{n}", f"i{n}", "en", "Who?", "all") for n in range(len(documents))]
    qrels = [(f"i{n}", f"d{n}", 1) for n in range(len(documents))]
    return Dataset(
        name,
        pl.DataFrame(queries, QUERIES, orient="row"),
        pl.DataFrame(rows, CORPUS, orient="row"),
        pl.DataFrame(qrels, QRELS, orient="row"),
    )


def test_articles_are_the_same_by_title_or_where_there_is_none_by_id() -> None:
    asked = dataset(
        "asked", ("Super_Bowl_50", "x:1"), ("Warsaw", "x:2"), (None, "n:1"), (None, "n:2"),
        (None, None),
    )  # fmt: skip
    read = dataset("read", ("super bowl 50", "y:7"), (None, "n:2"), (None, "x:2"), (None, None))
    text = dataset("text", ("Warsaw (film)", None))
    uses = {"asked": "evaluate", "read": "train", "text": "text"}
    both = common_articles({"asked": asked, "read": read, "text": text}, uses)
    assert both == [
        CommonArticles("asked", "read", ("n:2", "nobody asks", "super bowl 50"), 2, 5),
        CommonArticles("asked", "text", ("nobody asks",), 0, 5),
    ]
    assert common_articles({"asked": asked}, uses) == []
