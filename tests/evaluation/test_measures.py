"""Measures against trec_eval (through pytrec_eval-terrier 0.5) and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval

from polybatch.core.errors import InputError
from polybatch.evaluation.measures import MEASURES, Found, Measure, parse, score_all

OURS_TO_TREC = {
    "AP": "map",
    "AP@5": "map_cut_5",
    "AP@20": "map_cut_20",
    "nDCG@10": "ndcg_cut_10",
    "nDCG@20": "ndcg_cut_20",
    "R@1": "recall_1",
    "R@10": "recall_10",
    "R@100": "recall_100",
}


def _random_lists(seed: int) -> tuple[dict, dict]:
    """Return a run with many ties over whole pools, and qrels with grades, some of them 0."""
    chance = np.random.default_rng(seed)
    run, qrels = {}, {}
    for query in map(str, range(30)):
        docs = [f"d{n}" for n in range(int(chance.integers(3, 150)))]
        scores = chance.integers(0, 12, len(docs)) / 8
        run[query] = dict(zip(docs, scores.tolist(), strict=True))
        judged = chance.choice(len(docs), min(len(docs), 9), replace=False)
        qrels[query] = {docs[n]: int(chance.integers(0, 4)) for n in judged}
        qrels[query][docs[0]] = 2
    return run, qrels


def _found(run: dict, qrels: dict) -> Found:
    rows = []
    for owner, query in enumerate(run):
        ranked = sorted(run[query], key=lambda doc: (run[query][doc], doc), reverse=True)
        rows += [
            (owner, ranked.index(doc) + 1, grade)
            for doc, grade in qrels[query].items()
            if grade > 0
        ]
    owner, rank, relevance = np.array(rows, np.int64)[::-1].T  # in no order that helps
    return Found.of(owner, rank, relevance)


@pytest.mark.parametrize("seed", range(5))
def test_every_measure_agrees_with_trec_eval_ties_and_grades_included(seed: int) -> None:
    run, qrels = _random_lists(seed)
    ours = score_all(_found(run, qrels), [*OURS_TO_TREC, "RR@10", "RR@3"])
    wanted = {"map", "map_cut.5,20", "ndcg_cut.10,20", "recall.1,10,100"}
    truth = pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(run)
    for name, theirs in OURS_TO_TREC.items():
        np.testing.assert_allclose(
            ours[name], [truth[query][theirs] for query in run], atol=1e-12, err_msg=name
        )
    for k in (3, 10):  # trec_eval's recip_rank has no cut-off: give it the run cut at k
        cut = {
            query: dict(sorted(docs.items(), key=lambda doc: doc[::-1], reverse=True)[:k])
            for query, docs in run.items()
        }
        truth = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(cut)
        np.testing.assert_allclose(ours[f"RR@{k}"], [truth[q]["recip_rank"] for q in run])


def test_a_list_by_hand() -> None:
    """Grades 1, 3, 1 at ranks 2, 5, 30 of a pool."""
    found = Found.of(np.array([0, 0, 0]), np.array([30, 2, 5]), np.array([1, 1, 3]))
    scores = score_all(found, ["AP", "AP@5", "nDCG@10", "RR@10", "RR@1", "R@1", "R@10", "R@30"])
    best = 3 + 1 / np.log2(3) + 1 / np.log2(4)
    expected = {
        "AP": (1 / 2 + 2 / 5 + 3 / 30) / 3,
        "AP@5": (1 / 2 + 2 / 5) / 3,
        "nDCG@10": (1 / np.log2(3) + 3 / np.log2(6)) / best,
        "RR@10": 0.5,
        "RR@1": 0.0,
        "R@1": 0.0,
        "R@10": 2 / 3,
        "R@30": 1.0,
    }
    assert {name: values.tolist() for name, values in scores.items()} == {
        name: [pytest.approx(value)] for name, value in expected.items()
    }


def test_scores_are_within_0_and_1_and_one_a_query() -> None:
    chance = np.random.default_rng(0)
    owner = np.repeat(np.arange(50), 3)
    rank = np.concatenate([chance.choice(40, 3, replace=False) + 1 for _ in range(50)])
    found = Found.of(owner, rank, chance.integers(1, 5, 150))
    for name, scores in score_all(found, ["AP", "AP@7", "nDCG@7", "RR@7", "R@7"]).items():
        assert scores.shape == (50,), name
        assert ((scores >= 0) & (scores <= 1)).all(), name


def test_a_new_measure_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    success = Measure(lambda found, k: (found.first_rank <= k).astype(float), "any within k")
    monkeypatch.setitem(MEASURES, "Success", success)
    found = Found.of(np.array([0, 0, 1]), np.array([3, 9, 6]), np.array([1, 1, 1]))
    assert score_all(found, ["Success@5"])["Success@5"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("name", ["MAP", "nDCG", "R", "AP@0", "AP@", "AP@x", "ap", "", "AP@05"])
def test_unknown_names_are_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match="expected one of AP, AP@k, nDCG@k, RR@k, R@k"):
        parse(name)


def test_the_settings_know_the_same_measures() -> None:
    from polybatch.settings.evaluation import MEASURES as ALLOWED

    for name in ALLOWED:
        parse(name.replace("@k", "@7"))
    assert {name.split("@")[0] for name in ALLOWED} == set(MEASURES)
