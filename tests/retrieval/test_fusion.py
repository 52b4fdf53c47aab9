"""Reciprocal rank fusion by hand, against a slow obvious version, and laws."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.dataset import Dataset
from polybatch.core.vectors import Float32, Int64
from polybatch.evaluation.scores import evaluate_source
from polybatch.retrieval.fusion import FusedScores
from polybatch.retrieval.score_rows import UNSCORED, ScoreRow, VectorScores
from tests.helpers.worlds import LANGUAGES, make_world


class Given:
    """Scores of one table (Q, N) for the pool, and another for the lists by language."""

    def __init__(self, pool: Float32, by_language: Float32) -> None:
        self.pool, self.by_language = pool, by_language
        self.columns: Int64 = np.arange(pool.shape[1])

    def of(self, queries: Int64) -> object:
        for query in reversed(queries.tolist()):  # any order is allowed
            yield ScoreRow(query, self.pool[query], self.by_language[query])


def slow(one: list[float], other: list[float], names: list[str]) -> list[float]:
    """Rank both lists by (score, doc_id), descending, and add 1 / (60 + rank)."""
    total = dict.fromkeys(names, 0.0)
    for scores in (one, other):
        ranked = sorted(zip(scores, names, strict=True), reverse=True)
        for rank, (score, name) in enumerate(ranked, 1):
            if score > -np.inf:
                total[name] += 1 / (60 + rank)
    return [total[name] or -np.inf for name in names]


def _tables(seed: int, shape: tuple[int, int], values: int) -> Float32:
    chance = np.random.default_rng(seed)
    table = chance.integers(-values, values, shape).astype(np.float32)
    table[chance.random(shape) < 0.2] = UNSCORED
    table[table == 1] = -0.0
    return table


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), values=st.sampled_from([2, 4, 10**6]))
def test_fusion_is_the_slow_one_in_every_list(seed: int, values: int) -> None:
    dataset = make_world(seed, copies=False)[0]
    names = dataset.corpus["doc_id"].to_list()
    langs = dataset.corpus["lang"].to_list()
    shape = dataset.queries.height, len(names)
    tables = [_tables(seed + n, shape, values) for n in range(4)]
    fused = FusedScores.of_sources(dataset, Given(*tables[:2]), Given(*tables[2:]))
    rows = {row.query: row for row in fused.of(np.arange(shape[0]))}
    assert rows.keys() == set(range(shape[0]))
    for query, row in rows.items():
        expected = slow(tables[0][query].tolist(), tables[2][query].tolist(), names)
        np.testing.assert_array_equal(row.pool, np.float32(expected))
        for lang in LANGUAGES:
            own = [n for n, each in enumerate(langs) if each == lang]
            parts = (tables[n][query][own].tolist() for n in (1, 3))
            expected = slow(*parts, [names[n] for n in own])
            np.testing.assert_array_equal(row.by_language[own], np.float32(expected))


def test_a_list_by_hand() -> None:
    """Ranks 1 2 3 and 3 - 1: b is second once, c third and first."""
    dataset = Dataset(
        "toy",
        pl.DataFrame({"query_id": ["q"], "item_id": ["i"], "lang": ["en"]}),
        pl.DataFrame({"doc_id": ["a", "b", "c"], "lang": "en"}),
        pl.DataFrame({"item_id": ["i"], "doc_id": ["c"], "relevance": [1]}),
    )
    one = np.array([[0.9, 0.5, 0.1]], np.float32)
    other = np.array([[1, UNSCORED, 7]], np.float32)
    fused = FusedScores.of_sources(dataset, Given(one, one), Given(other, other))
    row = next(fused.of(np.array([0])))
    np.testing.assert_allclose(row.pool, [1 / 61 + 1 / 62, 1 / 62, 1 / 63 + 1 / 61], rtol=1e-6)
    runs = evaluate_source(dataset, fused, ["AP"], 3).runs
    assert runs.filter(doc_lang="mul")["doc_id"].to_list() == ["a", "c", "b"]


def test_a_source_fused_with_itself_keeps_its_ranks() -> None:
    dataset, queries, documents = make_world(5, copies=True)
    source = VectorScores.between(dataset, queries, documents)
    fused = FusedScores.of_sources(dataset, source, source)
    one, other = (evaluate_source(dataset, each, ["AP"]) for each in (source, fused))
    assert (one.relevant.in_pool == other.relevant.in_pool).all()
    assert (one.relevant.in_language == other.relevant.in_language).all()


def test_which_source_is_first_changes_nothing() -> None:
    dataset = make_world(6, copies=False)[0]
    shape = dataset.queries.height, dataset.corpus.height
    one, other = (Given(*(_tables(n + m, shape, 5) for m in (0, 1))) for n in (0, 10))
    rows = [
        {row.query: row for row in FusedScores.of_sources(dataset, *both).of(np.arange(shape[0]))}
        for both in ((one, other), (other, one))
    ]
    for query in range(shape[0]):
        np.testing.assert_array_equal(rows[0][query].pool, rows[1][query].pool)
        np.testing.assert_array_equal(rows[0][query].by_language, rows[1][query].by_language)


def test_xquad_rs_size_is_fused_in_about_a_minute() -> None:
    """200 of its 13,090 queries over 13,000 documents, by processor time."""
    chance = np.random.default_rng(0)
    names = [f"d{n:05}" for n in chance.permutation(13_000)]
    dataset = Dataset(
        "large",
        pl.DataFrame({"query_id": [f"q{n}" for n in range(200)], "item_id": "i", "lang": "aa"}),
        pl.DataFrame({"doc_id": names, "lang": [f"l{n % 11:02}" for n in range(13_000)]}),
        pl.DataFrame({"item_id": ["i"], "doc_id": names[:1], "relevance": [1]}),
    )
    tables = [chance.standard_normal((200, 13_000), np.float32) for _ in range(3)]
    one, other = Given(tables[0], tables[0]), Given(tables[1], tables[2])
    fused = FusedScores.of_sources(dataset, one, other)
    begun = time.process_time()
    assert sum(1 for _ in fused.of(np.arange(200))) == 200
    assert (time.process_time() - begun) * 13_090 / 200 < 180
