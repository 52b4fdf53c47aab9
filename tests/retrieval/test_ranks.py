"""Ranks in bulk against a slow obvious version, and laws: order of rows, names, copies."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polybatch.retrieval.score_rows
from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.vectors import inner_products
from polybatch.retrieval.ranks import TOP, Ranking, rank_documents
from tests.helpers.worlds import LANGUAGES, World, make_world


def slow_lists(world: World) -> dict[tuple[str, str], list[tuple[float, str]]]:
    """Return every (query_id, doc_lang) list as one would by hand: sort (score, doc_id)."""
    dataset, queries, documents = world
    scores = inner_products(queries, documents).tolist()
    lists = {}
    for row, query_id in enumerate(dataset.queries["query_id"]):
        for lang in (*LANGUAGES, "mul"):
            lists[query_id, lang] = sorted(
                (
                    (score, doc_id)
                    for score, (doc_id, own) in zip(scores[row], dataset.corpus.rows(), strict=True)
                    if lang in (own, "mul")
                ),
                reverse=True,
            )
    return lists


def by_name(world: World, ranking: Ranking) -> list[tuple[str, str, int, int, int]]:
    """Return (query_id, doc_id, grade, rank in language, rank in pool), sorted."""
    dataset, found = world[0], ranking.relevant
    return sorted(
        zip(
            dataset.queries["query_id"].gather(found.query),
            dataset.corpus["doc_id"].gather(found.document),
            found.relevance.tolist(),
            found.in_language.tolist(),
            found.in_pool.tolist(),
            strict=True,
        )
    )


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), copies=st.booleans())
def test_ranks_and_runs_are_those_of_a_plain_sort(seed: int, copies: bool) -> None:
    world = make_world(seed, copies)
    lists, langs = slow_lists(world), dict(world[0].corpus.rows())
    grades = {row[:2]: row[2] for row in world[0].qrels.rows()}
    ranking = rank_documents(*world, depth=4)
    found = by_name(world, ranking)
    asked = world[0].queries.select("query_id", "item_id").rows()
    expected = {(q, d) for q, i in asked for (item, d), g in grades.items() if item == i and g > 0}
    assert {row[:2] for row in found} == expected
    for query_id, doc_id, grade, in_language, in_pool in found:
        assert grade == grades[query_id.split("-")[0], doc_id]
        assert lists[query_id, langs[doc_id]][in_language - 1][1] == doc_id
        assert lists[query_id, "mul"][in_pool - 1][1] == doc_id
    for (query_id, lang), part in ranking.top.group_by("query_id", "doc_lang"):
        part = part.sort("rank")
        assert part["rank"].to_list() == list(range(1, part.height + 1))
        assert part.select("score", "doc_id").rows() == lists[query_id, lang][:4]
    own = {(q, lang) for q, _, lang in world[0].queries.rows() if lang in langs.values()}
    pool = {(q, "mul") for q, _ in asked}
    assert set(ranking.top.select("query_id", "doc_lang").rows()) == own | pool


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), copies=st.booleans())
def test_the_order_of_rows_changes_nothing(seed: int, copies: bool) -> None:
    dataset, queries, documents = world = make_world(seed, copies)
    chance = np.random.default_rng(seed)
    q, d = chance.permutation(len(queries)), chance.permutation(len(documents))
    qrels = dataset.qrels.sample(fraction=1, shuffle=True, seed=seed)
    mixed = (
        Dataset("toy", dataset.queries[q], dataset.corpus[d], qrels),
        queries[q],
        documents[d],
    )
    one, other = rank_documents(*world, depth=3), rank_documents(*mixed, depth=3)
    assert by_name(world, one) == by_name(mixed, other)
    assert one.top.equals(other.top)


def test_copies_of_a_vector_tie_wherever_they_stand() -> None:
    """700 copies over odd places of a product whose edges take other kernels."""
    chance = np.random.default_rng(0)
    documents = chance.standard_normal((1003, 100), np.float32)
    documents[chance.permutation(1003)[:700]] = documents[0]
    queries = np.repeat(chance.standard_normal((3, 100), np.float32), 7, axis=0)
    names = [f"d{n:04}" for n in range(1003)]
    dataset = Dataset(
        "copies",
        pl.DataFrame({"query_id": [f"q{n}" for n in range(21)], "item_id": "i", "lang": "en"}),
        pl.DataFrame({"doc_id": names, "lang": "en"}),
        pl.DataFrame({"item_id": "i", "doc_id": names, "relevance": 1}),
    )
    ranks = rank_documents(dataset, queries, documents, 0).relevant.in_pool.reshape(21, 1003)
    same = np.flatnonzero((documents == documents[0]).all(axis=1))
    assert (np.diff(ranks[:, same], axis=1) == -1).all()  # consecutive, doc_id descending
    assert (ranks[:7] == ranks[0]).all()


def test_blocks_of_one_query_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(3, copies=False)
    whole = rank_documents(*world, depth=3)
    monkeypatch.setattr(polybatch.retrieval.score_rows, "BLOCK_QUERIES", 1)
    single = rank_documents(*world, depth=3)
    assert by_name(world, whole) == by_name(world, single)
    assert whole.top.equals(single.top)


@pytest.mark.parametrize("count", [1, 3, 100, 250])
def test_long_runs_are_those_of_a_plain_sort(count: int) -> None:
    """4,001 documents, of scores that tie often, so that groups and their rest are used."""
    chance = np.random.default_rng(count)
    names = [f"d{n:04}" for n in chance.permutation(4001)]
    dataset = Dataset(
        "long",
        pl.DataFrame({"query_id": ["q"], "item_id": ["i"], "lang": ["en"]}),
        pl.DataFrame({"doc_id": names, "lang": "sw"}),
        pl.DataFrame({"item_id": ["i"], "doc_id": names[:1], "relevance": [1]}),
    )
    documents = chance.integers(-4, 5, (4001, 3)).astype(np.float32)
    top = rank_documents(dataset, np.array([[1, 2, 3]], np.float32), documents, count).top
    truth = sorted(zip((documents @ [1, 2, 3]).tolist(), names, strict=True), reverse=True)
    assert top.select("score", "doc_id").rows() == truth[:count]


def test_the_shape_of_empty_runs_is_the_same() -> None:
    assert rank_documents(*make_world(0, copies=False), depth=0).top.schema == TOP


def test_vectors_that_do_not_fit_are_refused() -> None:
    dataset, queries, documents = make_world(0, copies=False)
    with pytest.raises(InputError, match="toy/corpus: found vectors of shape"):
        rank_documents(dataset, queries, documents[1:], 0)
    with pytest.raises(InputError, match="toy/queries: found vectors of shape"):
        rank_documents(dataset, queries[1:], documents, 0)
    with pytest.raises(InputError, match="16 dimensions, expected 15"):
        rank_documents(dataset, queries, documents[:, 1:], 0)
    queries[2] = np.inf
    with pytest.raises(InputError, match="1 vectors with NaN or infinity"):
        rank_documents(dataset, queries, documents, 0)
