"""Scores of every query against pytrec_eval run list by list, and means by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.dataset import Dataset, write_table
from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of
from polybatch.core.vectors import Float32, inner_products
from polybatch.evaluation.scores import (
    HEATMAP,
    SCORES,
    evaluate,
    judged_queries,
    refuse_missing,
)

MEASURES = ["AP", "AP@20", "nDCG@10", "R@1", "R@10"]
TREC = ["map", "map_cut_20", "ndcg_cut_10", "recall_1", "recall_10"]


def _parallel(languages: int, items: int, lacking: float = 0.0) -> tuple[Dataset, Float32, Float32]:
    """Return items asked in each language, with two documents a language; some may lack."""
    chance = np.random.default_rng(languages)
    langs = [f"{chr(97 + n)}{chr(97 + n)}" for n in range(languages)]
    asked, docs, judged = [], [], []
    for item in range(items):
        for n, lang in enumerate(langs):
            if n == item % languages or chance.random() >= lacking:
                asked.append((f"{item}-{lang}", f"i{item}", lang))
                for part in (1, 2):
                    docs.append((f"d{item}-{lang}-{part}", lang))
                    judged.append((f"i{item}", docs[-1][0], part))
    dataset = Dataset(
        "toy",
        pl.DataFrame(asked, schema=["query_id", "item_id", "lang"], orient="row"),
        pl.DataFrame(docs, schema=["doc_id", "lang"], orient="row"),
        pl.DataFrame(judged, schema=["item_id", "doc_id", "relevance"], orient="row"),
    )
    # Small whole numbers: scores are exact, and many of them tie.
    queries = chance.integers(-2, 3, (len(asked), 5)).astype(np.float32)
    return dataset, queries, chance.integers(-2, 3, (len(docs), 5)).astype(np.float32)


def _trec_eval(dataset: Dataset, queries: Float32, documents: Float32) -> dict[tuple, list]:
    """Return {(query_lang, doc_lang, item_id): scores}, one run per list, by pytrec_eval."""
    scores = inner_products(queries, documents).tolist()
    truth = {}
    for doc_lang in [*sorted(dataset.corpus["lang"].unique()), "mul"]:
        pool = [
            (n, doc)
            for n, (doc, lang) in enumerate(dataset.corpus.rows())
            if doc_lang in (lang, "mul")
        ]
        inside = {doc for _, doc in pool}
        run, qrels = {}, {}
        for row, (query_id, item, _) in enumerate(dataset.queries.rows()):
            judged = {d: g for i, d, g in dataset.qrels.rows() if i == item and d in inside}
            if judged:
                run[query_id] = {doc: scores[row][n] for n, doc in pool}
                qrels[query_id] = judged
        wanted = {"map", "map_cut.20", "ndcg_cut.10", "recall.1,10"}
        found = pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(run)
        for query_id, item, lang in dataset.queries.rows():
            if query_id in found:
                truth[lang, doc_lang, item] = [found[query_id][name] for name in TREC]
    return truth


@pytest.mark.parametrize("lacking", [0.0, 0.5])
def test_every_score_is_trec_evals(lacking: float) -> None:
    world = _parallel(4, 15, lacking)
    scores = evaluate(*world, MEASURES)
    assert scores.per_query.schema == SCORES
    truth = _trec_eval(*world)
    ours = scores.per_query.pivot(
        "measure", index=["query_lang", "doc_lang", "item_id"], values="score"
    )
    assert ours.height == len(truth)
    for query_lang, doc_lang, item, *values in ours.rows():
        np.testing.assert_allclose(values, truth[query_lang, doc_lang, item], atol=1e-12)


def test_means_are_over_queries_then_over_lists() -> None:
    world = _parallel(3, 12, lacking=0.4)
    scores = evaluate(*world, MEASURES)
    lists: dict[tuple, list] = {}
    for (query_lang, doc_lang, _), values in _trec_eval(*world).items():
        lists.setdefault((query_lang, doc_lang), []).append(values[0])
    means = {key: np.mean(values) for key, values in lists.items()}
    mono = [value for (a, b), value in means.items() if a == b]
    cross = [value for (a, b), value in means.items() if b not in (a, "mul")]
    multi = [value for (_, b), value in means.items() if b == "mul"]
    found = {setting: values["AP"] for setting, values in scores.summary["toy"].items()}
    assert found == {
        "mono": pytest.approx(np.mean(mono)),
        "cross": pytest.approx(np.mean(cross)),
        "multi": pytest.approx(np.mean(multi)),
    }
    assert scores.heatmap.schema == HEATMAP
    assert set(scores.heatmap["measure"]) == {"AP"}
    assert {(a, b): v for _, _, a, b, v in scores.heatmap.rows()} == {
        key: pytest.approx(value) for key, value in means.items() if key[1] != "mul"
    }


@pytest.mark.parametrize(("languages", "lists"), [(11, (11, 110, 11)), (7, (7, 42, 7))])
def test_lists_are_as_many_as_lareqa_has(languages: int, lists: tuple[int, int, int]) -> None:
    """XQuAD-R: 11 languages, all parallel; MLQA-R: 7."""
    counts = evaluate(*_parallel(languages, 5), ["AP"]).counts["toy"]
    assert tuple(counts[setting]["lists"] for setting in ("mono", "cross", "multi")) == lists
    judged = (5 * languages, 5 * languages * (languages - 1), 5 * languages)
    assert tuple(counts[s]["judged"] for s in ("mono", "cross", "multi")) == judged
    assert {row["not_judged"] for row in counts.values()} == {0}


def test_queries_not_judged_in_a_language_are_counted_and_left_out() -> None:
    """One item in a and b, one in a only: a>b holds one query of two."""
    dataset = Dataset(
        "toy",
        pl.DataFrame(
            [("1a", "i1", "aa"), ("1b", "i1", "bb"), ("2a", "i2", "aa")],
            schema=["query_id", "item_id", "lang"],
            orient="row",
        ),
        pl.DataFrame({"doc_id": ["1a", "1b", "2a"], "lang": ["aa", "bb", "aa"]}),
        pl.DataFrame({"item_id": ["i1", "i1", "i2"], "doc_id": ["1a", "1b", "2a"], "relevance": 1}),
    )
    vectors = np.eye(3, dtype=np.float32)
    scores = evaluate(dataset, vectors, vectors, ["AP"])
    assert scores.counts["toy"] == {
        "mono": {"lists": 2, "judged": 3, "not_judged": 0},
        "cross": {"lists": 2, "judged": 2, "not_judged": 1},
        "multi": {"lists": 2, "judged": 3, "not_judged": 0},
    }
    assert scores.summary["toy"]["mono"] == {"AP": 1.0}


def test_one_language_has_no_cross_and_no_pool() -> None:
    scores = evaluate(*_parallel(1, 5), ["AP"])
    assert list(scores.summary["toy"]) == ["mono"]
    assert scores.counts["toy"]["cross"] == {"lists": 0, "judged": 0, "not_judged": 0}
    assert scores.counts["toy"]["multi"]["lists"] == 0


def test_the_heat_map_is_ap_whatever_else_is_measured() -> None:
    world = _parallel(3, 8)
    found, whole = (evaluate(*world, measures) for measures in (["R@1"], ["AP", "R@1"]))
    assert set(found.heatmap["measure"]) == {"AP"}
    assert found.heatmap.equals(whole.heatmap)
    assert {name for each in found.summary["toy"].values() for name in each} == {"R@1"}
    assert set(found.per_query["measure"]) == {"R@1"}


def test_queries_in_a_language_without_documents_are_cross_only() -> None:
    """As AfriQA: questions in African languages, documents in English or French."""
    dataset, queries, documents = _parallel(2, 5)
    english = (dataset.corpus["lang"] == "aa").to_numpy()
    corpus = dataset.corpus.filter(english)
    qrels = dataset.qrels.join(corpus.select("doc_id"), on="doc_id")
    asked = (dataset.queries["lang"] == "bb").to_numpy()
    part = Dataset("toy", dataset.queries.filter(asked), corpus, qrels)
    scores = evaluate(part, queries[asked], documents[english], ["AP"])
    assert list(scores.summary["toy"]) == ["cross"]
    assert scores.counts["toy"]["cross"] == {"lists": 1, "judged": 5, "not_judged": 0}


def test_rows_in_another_order_give_the_same_bytes(tmp_path: Path) -> None:
    dataset, queries, documents = _parallel(4, 12, lacking=0.4)
    chance = np.random.default_rng(0)
    q, d = chance.permutation(len(queries)), chance.permutation(len(documents))
    mixed = Dataset("toy", dataset.queries[q], dataset.corpus[d], dataset.qrels[::-1])
    one = evaluate(dataset, queries, documents, MEASURES, 5)
    other = evaluate(mixed, queries[q], documents[d], MEASURES, 5)
    for name, scores in (("one", one), ("other", other)):
        write_table(scores.per_query, tmp_path / name)
        write_table(scores.runs, tmp_path / f"{name}-runs")
    assert sha256_of(tmp_path / "one") == sha256_of(tmp_path / "other")
    assert sha256_of(tmp_path / "one-runs") == sha256_of(tmp_path / "other-runs")
    assert (one.summary, one.counts) == (other.summary, other.counts)
    assert one.heatmap.equals(other.heatmap)


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(12)), st.integers(0, 99))
def test_other_names_give_the_same_means_bit_by_bit(names: list[int], seed: int) -> None:
    """Vectors without ties: among equal scores the doc_id decides, so names do count there."""
    dataset, queries, documents = _parallel(3, 12, lacking=0.3)
    chance = np.random.default_rng(0)
    queries = chance.standard_normal(queries.shape, np.float32)
    documents = chance.standard_normal(documents.shape, np.float32)
    before = evaluate(dataset, queries, documents, MEASURES)
    order = np.random.default_rng(seed).permutation(documents.shape[0])
    new = dict(zip(dataset.corpus["doc_id"], (f"x{n}" for n in order), strict=True))
    item = pl.col("item_id").replace({f"i{n}": f"y{m}" for n, m in enumerate(names)})
    doc = pl.col("doc_id").replace(new)
    renamed = Dataset(
        dataset.name,
        dataset.queries.with_columns(item, query_id=pl.format("z{}", "query_id")),
        dataset.corpus.with_columns(doc),
        dataset.qrels.with_columns(item, doc),
    )
    after = evaluate(renamed, queries, documents, MEASURES)
    assert (after.summary, after.counts) == (before.summary, before.counts)
    assert after.heatmap.equals(before.heatmap)


def test_the_best_vectors_score_1_and_the_worst_nearly_0() -> None:
    dataset, _, _ = _parallel(3, 6)
    item_of = dict(dataset.qrels.select("doc_id", "item_id").rows())
    axes = np.eye(6, dtype=np.float32)
    queries = axes[[int(item[1:]) for item in dataset.queries["item_id"]]]
    documents = axes[[int(item_of[doc][1:]) for doc in dataset.corpus["doc_id"]]]
    best = evaluate(dataset, queries, documents, ["AP", "nDCG@10", "RR@10"])
    assert best.summary["toy"]["mono"]["AP"] == best.summary["toy"]["multi"]["AP"] == 1.0
    worst = evaluate(dataset, -queries, documents, ["RR@10"])
    assert worst.summary["toy"]["mono"]["RR@10"] == 0.0
    assert worst.counts == best.counts  # found nothing, yet judged


def test_a_judged_query_without_a_score_is_an_error() -> None:
    dataset, queries, documents = _parallel(2, 4)
    scores = evaluate(dataset, queries, documents, ["AP", "R@1"]).per_query
    refuse_missing(dataset, scores)
    with pytest.raises(InputError, match=r"toy, R@1: found 1 judged queries without a score"):
        refuse_missing(dataset, scores[:-1])
    with pytest.raises(InputError, match="any measure: found 24 judged queries"):
        refuse_missing(dataset, scores.clear())
    assert judged_queries(dataset).height == scores.height // 2


def test_bad_vectors_and_measures_are_refused() -> None:
    dataset, queries, documents = _parallel(2, 4)
    with pytest.raises(InputError, match="expected one of AP"):
        evaluate(dataset, queries, documents, ["mAP"])
    with pytest.raises(InputError, match="one row for each of 8 ids"):
        evaluate(dataset, queries[1:], documents, ["AP"])
    queries[0, 0] = np.nan
    with pytest.raises(InputError, match=r"1 vectors with NaN or infinity \(0-aa\)"):
        evaluate(dataset, queries, documents, ["AP"])
