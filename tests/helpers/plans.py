"""Small datasets to plan batches of, by hand and at random."""

from __future__ import annotations

from hypothesis import strategies as st

from polybatch.batches.plan import KINDS
from polybatch.core.dataset import CORPUS, QRELS, QUERIES, Dataset, table
from polybatch.settings.strategies import Strategy

TRAINED = [kind for kind in KINDS if kind != "none"]


def strategy_of(kind: str, ratio: float = 0.5) -> Strategy:
    return Strategy("base", kind, ratio if kind == "hybrid" else None)


def make(items: dict[str, dict[str, tuple[str | None, str | None]]], name: str = "toy") -> Dataset:
    """Build a dataset from {item: {lang: (question or None, answer or None)}}.

    Equal answers in a language are one document, which several items then share.
    """
    queries, corpus, qrels = [], {}, []
    for item, wordings in items.items():
        for lang, (question, answer) in wordings.items():
            if question is not None:
                queries.append(
                    {
                        "query_id": f"{item}?{lang}",
                        "item_id": item,
                        "lang": lang,
                        "text": question,
                        "split": "train",
                    }
                )
            if answer is not None:
                doc_id = f"{lang}:{answer}"
                corpus[doc_id] = {
                    "doc_id": doc_id,
                    "lang": lang,
                    "text": answer,
                    "title": None,
                    "group_id": None,
                    "document_id": None,
                    "template_id": None,
                }
                qrels.append({"item_id": item, "doc_id": doc_id, "relevance": 1})
    return Dataset(
        name, table(queries, QUERIES), table(list(corpus.values()), CORPUS), table(qrels, QRELS)
    )


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Items in up to three languages, with shared answers and repeated texts among them."""
    items = {}
    for i in range(draw(st.integers(1, 24))):
        wordings = {}
        for lang in draw(st.sets(st.sampled_from(["de", "en", "sw"]), min_size=1)):
            question = draw(st.sampled_from([f"Q{i} {lang}", f"Q{i} {lang}", "Same?", None]))
            answer = draw(st.sampled_from([f"A{i} {lang}", f"A{i} {lang}", f"A{i // 2}", None]))
            wordings[lang] = (question, answer)
        items[f"item{i:02d}"] = wordings
    return make(items)


def parallel(items: int, langs: tuple[str, ...] = ("de", "en", "sw"), name: str = "toy") -> Dataset:
    return make(
        {
            f"i{i:03d}": {lang: (f"q{i} {lang}", f"a{i} {lang}") for lang in langs}
            for i in range(items)
        },
        name,
    )
