"""Clusters by hand: the coarsest declared level, joined through shared documents."""

from __future__ import annotations

import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.statistics.clusters import clusters_of, pool_of


def _dataset(groups: list[str | None], documents: list[str | None] | None = None) -> Dataset:
    ids = [f"d{n}" for n in range(len(groups))]
    corpus = pl.DataFrame({"doc_id": ids, "lang": "en", "group_id": groups})
    if documents is not None:
        corpus = corpus.with_columns(document_id=pl.Series(documents, dtype=pl.String))
    qrels = pl.DataFrame(
        {"item_id": [f"i{n}" for n in range(4)], "doc_id": ids[:4], "relevance": 1}
    )
    return Dataset("d", pl.DataFrame(), corpus, qrels)


def _of(dataset: Dataset) -> tuple[str, list[int]]:
    found = clusters_of(dataset)
    return found.level, found.of.sort("item_id")["cluster"].to_list()


def test_the_coarsest_declared_level_counts() -> None:
    passages = ["p1", "p1", "p2", "p3"]
    assert _of(_dataset([None] * 4)) == ("item_id", [0, 1, 2, 3])
    assert _of(_dataset(passages)) == ("group_id", [0, 0, 1, 2])
    assert _of(_dataset(passages, [None] * 4)) == ("group_id", [0, 0, 1, 2])
    assert _of(_dataset(passages, ["a", "a", "a", "b"])) == ("document_id", [0, 0, 0, 1])
    assert _of(_dataset(["p1", "p1", None, None])) == ("group_id", [0, 0, 1, 2])


def test_where_the_coarsest_level_is_not_said_the_next_one_counts() -> None:
    mixed = _dataset(["p1", "p2", "p3", "p3"], ["a", "a", None, None])
    assert _of(mixed) == ("document_id", [0, 0, 1, 1])
    named_alike = _dataset(["a", "p2", "p3", "p4"], [None, "a", None, None])
    assert _of(named_alike) == ("document_id", [0, 1, 2, 3])  # a passage a is no document a


def test_an_item_with_documents_of_two_groups_joins_them() -> None:
    dataset = _dataset(["p1", "p2", "p3", "p4"])
    more = pl.DataFrame({"item_id": ["i0"], "doc_id": ["d1"], "relevance": [1]})
    wrong = pl.DataFrame({"item_id": ["i2"], "doc_id": ["d3"], "relevance": [0]})
    qrels = pl.concat([dataset.qrels.cast({"relevance": pl.Int64}), more, wrong])
    joined = Dataset("d", dataset.queries, dataset.corpus, qrels)
    assert _of(joined) == ("group_id", [0, 0, 1, 2])


def _with_templates(groups: list[str], templates: list[str | None]) -> Dataset:
    found = _dataset(list(groups))
    corpus = found.corpus.with_columns(template_id=pl.Series(templates, dtype=pl.String))
    return Dataset("d", found.queries, corpus, found.qrels)


def test_templates_that_lie_across_the_passages_are_a_level_of_their_own() -> None:
    found = clusters_of(_with_templates(["p", "p", "q", "q"], ["t", "u", "t", "t"]))
    assert found.level == "group_id x template_id"
    assert found.of.sort("item_id")["cluster"].to_list() == [0, 1, 2, 2]
    assert found.crossed is not None
    assert found.crossed.tolist() == [[0, 0, 1], [0, 1, 0]]


def test_of_two_levels_of_which_one_holds_the_other_the_coarser_counts() -> None:
    within = _with_templates(["p", "p", "q", "r"], ["t", "t", "t", "u"])  # passages in templates
    assert _of(within) == ("template_id", [0, 0, 0, 1])
    holding = _with_templates(["p", "p", "q", "q"], ["t", "u", "v", "v"])
    assert _of(holding) == ("group_id", [0, 0, 1, 1])
    assert _of(_with_templates(["p", "p", "q", "r"], [None] * 4)) == ("group_id", [0, 0, 1, 2])


def test_pools_say_how_many_documents_answer_nothing() -> None:
    assert str(pool_of(_dataset(["p"] * 7))) == (
        "7 documents in 1 languages, 3 of them distractors, which answer no question"
    )
    assert "gold only" in str(pool_of(_dataset(["p"] * 4)))
