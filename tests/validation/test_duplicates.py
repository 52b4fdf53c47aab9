"""Equal documents become one: laws, with hypothesis, and a perfect encoder's scores."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.dataset import (
    ANSWERS,
    CORPUS,
    QRELS,
    QUERIES,
    REJECTED,
    Dataset,
    check_dataset,
    table,
)
from polybatch.validation.duplicates import MERGED, merge_equal

Doc = tuple[str, str, str | None]  # language, text, group


def dataset(documents: list[Doc], links: set[tuple[int, int, int]]) -> Dataset:
    """Return documents d0, d1, … and what items (item, document, relevance) are linked to."""
    items = sorted({item for item, _, relevance in links if relevance})
    queries = [
        {"query_id": f"q{i}{lang}", "item_id": f"i{i}", "lang": lang, "text": f"{i}?", "split": "s"}
        for i in items
        for lang in ("de", "en")
    ]
    corpus = [
        {
            "doc_id": f"d{n}",
            "lang": lang,
            "text": text,
            "title": None,
            "group_id": group,
            "document_id": None,
            "template_id": None,
        }
        for n, (lang, text, group) in enumerate(documents)
    ]
    judged = {(item, doc): relevance for item, doc, relevance in sorted(links) if item in items}
    qrels = [
        {"item_id": f"i{item}", "doc_id": f"d{doc}", "relevance": relevance}
        for (item, doc), relevance in judged.items()
    ]
    return Dataset("toy", table(queries, QUERIES), table(corpus, CORPUS), table(qrels, QRELS))


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    text = st.sampled_from(["Yes.", "yes", "YES!", "No.", "?!", "…", "Ja"])
    group = st.sampled_from([None, "a", "b", "c", "d"])
    documents = draw(st.lists(st.tuples(st.sampled_from(["de", "en"]), text, group), min_size=1))
    link = st.tuples(st.integers(0, 6), st.integers(0, len(documents) - 1), st.integers(0, 2))
    return dataset(documents, draw(st.sets(link)))


def plain(text: str) -> str:
    """Return what is compared; by hand for the few texts above."""
    return {"Yes.": "yes", "YES!": "yes", "No.": "no", "Ja": "ja"}.get(text, text)


def perfect(data: Dataset) -> list[tuple[float, float]]:
    """Return (AP, R@1) of each query and document language with an answer, by an encoder that
    knows all answers' texts, but cannot tell equal texts apart; ties by doc_id, descending."""
    found = []
    text = dict(data.corpus.select("doc_id", "text").rows())
    for lang in ("de", "en"):
        pool = data.corpus.filter(lang=lang)["doc_id"].to_list()
        for item in data.queries["item_id"].unique():
            right = set(
                data.qrels.filter((pl.col("item_id") == item) & (pl.col("relevance") > 0))["doc_id"]
            )
            right &= set(pool)
            if right:
                texts = {plain(text[doc]) for doc in right}
                ranked = sorted(
                    sorted(pool, reverse=True), key=lambda d: plain(text[d]) not in texts
                )
                places = [place for place, doc in enumerate(ranked, 1) if doc in right]
                precision = [n / place for n, place in enumerate(places, 1)]
                found.append((sum(precision) / len(right), float(ranked[0] in right)))
    return found


def test_two_questions_an_answer_in_two_languages() -> None:
    """As people write a FAQ: before, half of the answers are copies that count as wrong."""
    documents = [(lang, text, None) for text in ("Yes.", "No.") for lang in ("de", "en")] * 2
    data = dataset(documents, {(i // 2 % 2 + 2 * (i // 4), i, 1) for i in range(8)})
    assert sorted({ap for ap, _ in perfect(data)}) == [0.5, 1.0]
    found = merge_equal(data)
    assert {*perfect(found.dataset)} == {(1.0, 1.0)}
    assert found.dataset.corpus["doc_id"].to_list() == ["d0", "d1", "d2", "d3"]
    assert found.rows.filter(file="corpus").select("item_id", "reason").rows() == [
        ("d4", "merged with d0"), ("d5", "merged with d1"),
        ("d6", "merged with d2"), ("d7", "merged with d3"),
    ]  # fmt: skip


@settings(deadline=None)
@given(datasets())
def test_nothing_is_lost_and_a_perfect_encoder_scores_one(data: Dataset) -> None:
    found = merge_equal(data)
    kept, rows = found.dataset, found.rows
    check_dataset(kept)
    assert all(score == (1.0, 1.0) for score in perfect(kept))
    assert rows.schema == REJECTED
    assert rows["reason"].str.starts_with(MERGED).all()
    for name, frame in (("corpus", data.corpus), ("qrels", data.qrels)):
        assert frame.height == getattr(kept, name).height + rows.filter(file=name).height
    assert kept.queries.equals(data.queries)
    texts = [(lang, plain(text)) for lang, text in kept.corpus.select("lang", "text").rows()]
    assert len(texts) == len(set(texts))  # no two documents of a language are the same
    before = {(row[1], plain(row[2])) for row in data.corpus.rows()}
    assert before == set(texts)


@settings(deadline=None)
@given(datasets())
def test_an_item_keeps_all_its_answers_with_the_highest_relevance(data: Dataset) -> None:
    def answers(each: Dataset) -> dict[tuple[str, str, str], int]:
        best: dict[tuple[str, str, str], int] = {}
        rows = each.qrels.join(each.corpus, on="doc_id").select(
            "item_id", "lang", "text", "relevance"
        )
        for item, lang, text, relevance in rows.rows():
            key = item, lang, plain(text)
            best[key] = max(best.get(key, 0), relevance)
        return best

    assert answers(data) == answers(merge_equal(data).dataset)


@settings(deadline=None)
@given(datasets(), st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(data: Dataset, random: object) -> None:
    turned = Dataset("toy", data.queries, data.corpus.reverse(), data.qrels.reverse())
    one, other = merge_equal(data), merge_equal(turned)
    assert one.dataset.corpus.sort("doc_id").equals(other.dataset.corpus.sort("doc_id"))
    assert one.groups == other.groups


def test_groups_of_one_answer_are_one_and_named_and_others_stay() -> None:
    documents: list[Doc] = [
        ("en", "Yes.", "b"), ("en", "yes", "a"), ("en", "No.", "b"),
        ("en", "Ja", "c"), ("en", "Ja", "d"),
    ]  # fmt: skip
    found = merge_equal(dataset(documents, {(0, 0, 1), (1, 1, 1), (2, 4, 1)}))
    assert found.groups == [["a", "b"]]  # nobody asks for c's copy of d's answer
    assert found.dataset.corpus.select("doc_id", "group_id").rows() == [
        ("d0", "a"), ("d2", "a"), ("d4", "d"),
    ]  # fmt: skip


def test_the_words_that_answer_follow_their_document() -> None:
    data = dataset([("en", "Yes.", None), ("en", "yes", None)], {(0, 0, 1), (1, 1, 1)})
    marked = [("i0", "d0", "Yes"), ("i1", "d1", "yes"), ("i1", "gone", "x")]
    answers = pl.DataFrame(marked, schema=ANSWERS, orient="row")
    assert merge_equal(data).moved(answers)["doc_id"].to_list() == ["d0", "d0", "gone"]


def test_answers_that_differ_by_marks_that_nobody_sees_are_one() -> None:
    given = dataset(
        [("km", "ក\u200bខ", None), ("km", "កខ", None), ("km", "ក ខ", None)],
        {(1, 0, 1), (2, 1, 1), (3, 2, 1)},
    )
    assert merge_equal(given).places.rows() == [("d1", "d0")]
