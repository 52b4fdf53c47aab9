"""A dataset of rows by hand, and rules to hold it against."""

from __future__ import annotations

from polybatch.core.dataset import CORPUS, QRELS, QUERIES, Dataset, table
from polybatch.settings.data import ValidationSettings

RULES = ValidationSettings("remove", 0.8, 0.8, 30, 1, 1, 2, 40, 0.5, 1.0, 1.0, 0.2, 0.0, 0.0, 100)


def dataset(*rows: tuple[str, str, str, str], name: str = "d") -> Dataset:
    """Rows are (item_id, lang, question, answer); '' for none."""
    queries, corpus, qrels = [], [], []
    for number, (item, lang, question, answer) in enumerate(rows):
        if question:
            queries.append(
                {"query_id": f"q{number}", "item_id": item, "lang": lang, "text": question,
                 "split": "all"}
            )  # fmt: skip
        if answer:
            corpus.append(
                {"doc_id": f"d{number}", "lang": lang, "text": answer, "title": None,
                 "group_id": None, "document_id": None, "template_id": None}
            )  # fmt: skip
            if item:
                qrels.append({"item_id": item, "doc_id": f"d{number}", "relevance": 1})
    return Dataset(name, table(queries, QUERIES), table(corpus, CORPUS), table(qrels, QRELS))
