"""The language-bias panel by hand on five documents, against a slow version, and its laws."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.vectors import Float32, Int64
from polybatch.evaluation.alignment import alignment_and_uniformity
from polybatch.evaluation.language_bias import PANEL, Bias, language_bias
from polybatch.retrieval.ranks import rank, rank_documents
from polybatch.retrieval.score_rows import ScoreRow


def _bias(dataset: Dataset, queries: Float32, documents: Float32) -> Bias:
    found = rank_documents(dataset, queries, documents, 10)
    bias = language_bias(dataset, found.relevant, found.top)
    assert bias is not None
    return bias


def _five() -> tuple[Dataset, Float32, Float32]:
    """Two questions, five documents.

    en "q1": scores  d1 en .9, d2 sw .7, d3 en .8, d4 sw .1, d5 de .2 -> ranks 1 3 2 5 4
    sw "q2": scores  d1 en .3, d2 sw .9, d3 en .5, d4 sw .6, d5 de .1 -> ranks 4 1 3 2 5
    Item one (q1) is answered by d1 en, d2 sw, d5 de; item two (q2) by d3 en and d4 sw.
    """
    dataset = Dataset(
        "five",
        pl.DataFrame({"query_id": ["q1", "q2"], "item_id": ["1", "2"], "lang": ["en", "sw"]}),
        pl.DataFrame(
            {"doc_id": ["d1", "d2", "d3", "d4", "d5"], "lang": ["en", "sw", "en", "sw", "de"]}
        ),
        pl.DataFrame(
            {"item_id": list("11122"), "doc_id": ["d1", "d2", "d5", "d3", "d4"], "relevance": 1}
        ),
    )
    documents = np.array([[0.9, 0.3], [0.7, 0.9], [0.8, 0.5], [0.1, 0.6], [0.2, 0.1]], np.float32)
    return dataset, np.eye(2, dtype=np.float32), documents


def test_five_documents_by_hand() -> None:
    bias = _bias(*_five())
    # q1: answers at 1, 3, 4. q2: at 3 (en) and 2 (sw).
    assert bias.by_query_lang["en"] == pytest.approx(
        {
            "RankDistance": 3,
            "Max@R": 4,
            "MedianMax@R": 4,
            "Complete@10": 1,
            "Complete@100": 1,
            "LanguagePreference": 1,  # d1 is above d2 and above d5
            "SameLanguage@10": 2 / 5,
            "PoolShare": 2 / 5,
        }
    )
    assert bias.panel == pytest.approx(
        {
            "RankDistance": (3 + 1) / 2,
            "Max@R": (4 + 3) / 2,
            "MedianMax@R": 3.5,
            "Complete@10": 1,
            "Complete@100": 1,
            "LanguagePreference": 1,
            "SameLanguage@10": 2 / 5,
            "PoolShare": 2 / 5,
        }
    )
    assert bias.matrix == {lang: {"de": 0.2, "en": 0.4, "sw": 0.4} for lang in ("en", "sw")}
    assert bias.pool == {"de": 0.2, "en": 0.4, "sw": 0.4}
    assert bias.counts == {
        "queries": 2,
        "one_language_only": 0,
        "no_answer_in_own_language": 0,
    }
    assert tuple(bias.panel) == PANEL


def _of_scores(rows: list[list[float]]) -> Bias:
    """Return the bias of scores of d1 to d5 for q1 and q2 of `_five`; -inf: not ranked."""
    dataset = _five()[0]
    scores = np.array(rows, np.float32)

    class Source:
        columns = np.arange(5)

        def of(self, queries: Int64) -> Iterator[ScoreRow]:
            return (ScoreRow(int(n), scores[n], scores[n]) for n in queries)

    found = rank(dataset, Source(), 10)
    bias = language_bias(dataset, found.relevant, found.top)
    assert bias is not None
    return bias


def test_answers_that_were_never_ranked_are_not_found() -> None:
    none = -np.inf
    # q1 (en; answers d1 en, d2 sw, d5 de): only d1 is ranked; the pool has five, so d2 is at 5.
    # q2 (sw; answers d3 en, d4 sw): neither is, nor d5; ties go to the larger id: d4 at 4, d3 at 5.
    bias = _of_scores([[0.9, none, 0.8, none, none], [0.3, 0.9, none, none, none]])
    en, sw = bias.by_query_lang["en"], bias.by_query_lang["sw"]
    assert en["Complete@10"] == sw["Complete@10"] == bias.panel["Complete@100"] == 0
    assert en["LanguagePreference"] == 1  # d1 is above both
    assert sw["LanguagePreference"] == 0.5
    assert (en["Max@R"], en["RankDistance"]) == (5, 4)
    assert (sw["Max@R"], sw["RankDistance"]) == (5, 1)
    # d1, the only one in English, is not ranked, d2 is and d5 is not: of two pairs, 0 and a half
    lost = _of_scores([[none, 0.7, 0.8, none, none], [0.3, 0.9, 0.5, 0.6, 0.1]])
    assert lost.by_query_lang["en"]["LanguagePreference"] == 0.25
    assert lost.by_query_lang["sw"]["Complete@10"] == 1


def test_a_language_whose_queries_found_nothing_has_no_row() -> None:
    bias = _of_scores([[0.9, 0.7, 0.8, 0.1, 0.2], [-np.inf] * 5])
    assert bias.matrix == {"en": {"de": 0.2, "en": 0.4, "sw": 0.4}}
    assert "SameLanguage@10" not in bias.by_query_lang["sw"]
    json.dumps(bias.as_json(), allow_nan=False)


def test_a_query_in_a_language_without_answers_has_no_preference() -> None:
    dataset, queries, documents = _five()
    asked = dataset.queries.with_columns(lang=pl.Series(["fr", "sw"]))
    bias = _bias(Dataset("five", asked, dataset.corpus, dataset.qrels), queries, documents)
    assert bias.counts["no_answer_in_own_language"] == 1
    assert "LanguagePreference" not in bias.by_query_lang["fr"]
    assert bias.by_query_lang["fr"]["SameLanguage@10"] == 0
    assert bias.by_query_lang["fr"]["PoolShare"] == 0


def test_answers_in_one_language_say_nothing_of_languages() -> None:
    dataset, queries, documents = _five()
    qrels = dataset.qrels.filter(~pl.col("doc_id").is_in(["d4"]))
    bias = _bias(Dataset("five", dataset.queries, dataset.corpus, qrels), queries, documents)
    assert bias.counts["one_language_only"] == 1
    assert bias.panel["RankDistance"] == 3
    assert set(bias.by_query_lang["sw"]) == {"SameLanguage@10", "PoolShare"}


def test_one_language_has_no_panel() -> None:
    dataset, queries, documents = _five()
    corpus = dataset.corpus.with_columns(lang=pl.lit("en"))
    one = Dataset("five", dataset.queries, corpus, dataset.qrels)
    found = rank_documents(one, queries, documents, 10)
    assert language_bias(one, found.relevant, found.top) is None


def _world(seed: int, items: int = 12) -> tuple[Dataset, Float32, Float32]:
    """Return items in three languages with one or two answers a language, some lacking."""
    chance = np.random.default_rng(seed)
    asked, docs, judged = [], [], []
    for item in range(items):
        for lang in ("aa", "bb", "cc"):
            if chance.random() < 0.8:
                asked.append((f"q{item}{lang}", f"i{item}", lang))
            for part in range(chance.integers(0, 3)):
                docs.append((f"d{item}{lang}{part}", lang))
                judged.append((f"i{item}", docs[-1][0], 1))
    dataset = Dataset(
        "world",
        pl.DataFrame(asked, ["query_id", "item_id", "lang"], orient="row"),
        pl.DataFrame(docs, ["doc_id", "lang"], orient="row"),
        pl.DataFrame(judged, ["item_id", "doc_id", "relevance"], orient="row"),
    )
    queries = chance.standard_normal((len(asked), 6), np.float32)
    return dataset, queries, chance.standard_normal((len(docs), 6), np.float32)


def _slow(dataset: Dataset, queries: Float32, documents: Float32) -> dict[str, float]:
    """Return the panel from a sorted list a query, in plain Python."""
    lang_of = dict(dataset.corpus.rows())
    distance, worst, preference, same, share = [], [], [], [], []
    for row, (_, item, lang) in enumerate(dataset.queries.rows()):
        scores = (queries[row].astype(float) * documents.astype(float)).sum(axis=1)
        order = [dataset.corpus["doc_id"][int(n)] for n in np.argsort(-scores)]
        same.append(np.mean([lang_of[doc] == lang for doc in order[:10]]))
        share.append(np.mean([other == lang for other in lang_of.values()]))
        answers = [doc for i, doc, _ in dataset.qrels.rows() if i == item]
        if len({lang_of[doc] for doc in answers}) < 2:
            continue
        ranks = {doc: order.index(doc) + 1 for doc in answers}
        distance.append(max(ranks.values()) - min(ranks.values()))
        worst.append(max(ranks.values()))
        pairs = [
            ranks[mine] < ranks[other]
            for mine in answers
            for other in answers
            if lang_of[mine] == lang != lang_of[other]
        ]
        if pairs:
            preference.append(np.mean(pairs))
    return {
        "RankDistance": float(np.mean(distance)),
        "Max@R": float(np.mean(worst)),
        "MedianMax@R": float(np.median(worst)),
        "Complete@10": float(np.mean([rank <= 10 for rank in worst])),
        "Complete@100": float(np.mean([rank <= 100 for rank in worst])),
        "LanguagePreference": float(np.mean(preference)),
        "SameLanguage@10": float(np.mean(same)),
        "PoolShare": float(np.mean(share)),
    }


@pytest.mark.parametrize("seed", range(4))
def test_the_panel_is_that_of_sorted_lists(seed: int) -> None:
    world = _world(seed)
    assert _bias(*world).panel == pytest.approx(_slow(*world), abs=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_rows_mixed_and_ids_renamed_change_no_bit(seed: int) -> None:
    dataset, queries, documents = _world(1)
    chance = np.random.default_rng(seed)
    q, d = chance.permutation(len(queries)), chance.permutation(len(documents))
    new = {
        name: {old: f"x{n}" for old, n in zip(ids, chance.permutation(len(ids)), strict=True)}
        for name, ids in (
            ("query_id", dataset.queries["query_id"].to_list()),
            ("item_id", sorted(set(dataset.queries["item_id"]) | set(dataset.qrels["item_id"]))),
            ("doc_id", dataset.corpus["doc_id"].to_list()),
        )
    }

    def renamed(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(
            pl.col(name).replace_strict(ids) for name, ids in new.items() if name in frame.columns
        )

    mixed = Dataset(
        "world",
        renamed(dataset.queries)[q],
        renamed(dataset.corpus)[d],
        renamed(dataset.qrels)[::-1],
    )
    before = _bias(dataset, queries, documents).as_json()
    assert _bias(mixed, queries[q], documents[d]).as_json() == before
    unit = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    assert alignment_and_uniformity(mixed, unit[q]) == pytest.approx(
        alignment_and_uniformity(dataset, unit), abs=2e-6
    )


def test_all_ties_go_to_the_larger_doc_id() -> None:
    dataset, queries, _ = _five()
    bias = _bias(dataset, queries, np.ones((5, 2), np.float32))
    # d5 d4 d3 d2 d1: item one at 5, 4 and 1; item two at 3 and 2.
    assert (bias.panel["Max@R"], bias.panel["RankDistance"]) == ((5 + 3) / 2, (4 + 1) / 2)
    assert bias.by_query_lang["en"]["LanguagePreference"] == 0


def test_alignment_and_uniformity_by_hand() -> None:
    """Two questions in two languages, on the axes of a plane.

    en: 1 = (1, 0), 2 = (0, 1); sw: 1 = (0, 1), 2 = (0, -1). Squared distances of one question: 2
    and 4, so alignment is 3. Inside: en 2, sw 4. Across, of different questions: en 1 - sw 2 is 2,
    en 2 - sw 1 is 0.
    """
    dataset = Dataset(
        "plane",
        pl.DataFrame(
            {"query_id": list("abcd"), "item_id": list("1212"), "lang": ["en", "en", "sw", "sw"]}
        ),
        pl.DataFrame(),
        pl.DataFrame(),
    )
    vectors = np.array([[1, 0], [0, 1], [0, 1], [0, -1]], np.float32)
    assert alignment_and_uniformity(dataset, vectors) == pytest.approx(
        {
            "alignment": 3.0,
            "uniformity": np.log((np.exp(-4) + np.exp(-8)) / 2),
            "cross_uniformity": np.log((np.exp(-4) + 1) / 2),
        },
        abs=2e-6,
    )
    one = dataset.queries[:1]
    assert alignment_and_uniformity(Dataset("o", one, one, one), vectors[:1]) == {}
    with pytest.raises(InputError, match=r"1 vectors with NaN or infinity \(b\)"):
        alignment_and_uniformity(dataset, np.array([[1, 0], [np.nan, 0], [0, 1], [0, 1]]))
