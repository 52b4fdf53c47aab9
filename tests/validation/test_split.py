"""Splitting by group: laws, with hypothesis."""

from __future__ import annotations

import hashlib
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from polybatch.core.dataset import CORPUS, QRELS, QUERIES, Dataset, table
from polybatch.validation.split import joined_groups, split_by_group

FRAMES = ("queries", "corpus", "qrels")


def _dataset(links: list[tuple[int, int]], groups: list[int | None]) -> Dataset:
    """Return items with queries in two languages; `groups`: one a document."""
    items = sorted({item for item, _ in links})
    return Dataset(
        "toy",
        table(
            [
                {
                    "query_id": f"{lang}{item}",
                    "item_id": f"{item}",
                    "lang": lang,
                    "text": "?",
                    "split": "s",
                }
                for item in items
                for lang in ("en", "sw")
            ],
            QUERIES,
        ),
        table(
            [
                {
                    "doc_id": f"{doc}",
                    "lang": "en",
                    "text": "!",
                    "title": None,
                    "group_id": None if group is None else f"{group}",
                    "document_id": None,
                    "template_id": None,
                }
                for doc, group in enumerate(groups)
            ],
            CORPUS,
        ),
        table(
            [
                {"item_id": f"{item}", "doc_id": f"{doc}", "relevance": 1}
                for item, doc in sorted(set(links))
            ],
            QRELS,
        ),
    )


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    groups = draw(st.lists(st.none() | st.integers(0, 5), min_size=1, max_size=20))
    link = st.tuples(st.integers(0, 15), st.integers(0, len(groups) - 1))
    return _dataset(draw(st.lists(link, min_size=1, max_size=20)), groups)


@settings(deadline=None)
@given(datasets(), st.floats(0, 0.9))
def test_every_row_is_in_one_part_and_no_group_in_both(dataset: Dataset, share: float) -> None:
    train, held = split_by_group(dataset, share, "stream")
    for name, keys in (
        ("queries", ["query_id"]),
        ("corpus", ["doc_id"]),
        ("qrels", ["item_id", "doc_id"]),
    ):
        both = pl.concat([getattr(train, name), getattr(held, name)])
        assert_frame_equal(both.sort(keys), getattr(dataset, name).sort(keys))
    for name, key in (
        ("queries", "item_id"),
        ("corpus", "doc_id"),
        ("corpus", "group_id"),
        ("qrels", "item_id"),
        ("qrels", "doc_id"),
    ):
        one, two = getattr(train, name)[key].drop_nulls(), getattr(held, name)[key].drop_nulls()
        assert not set(one) & set(two)
    for part in (train, held):  # whatever is judged is there
        assert set(part.qrels["doc_id"]) <= set(part.corpus["doc_id"])
        assert set(part.qrels["item_id"]) == set(part.queries["item_id"])


@settings(deadline=None)
@given(datasets(), st.floats(0, 0.9), st.randoms())
def test_the_order_of_rows_decides_nothing(dataset: Dataset, share: float, random: object) -> None:
    turned = Dataset(dataset.name, *(getattr(dataset, name).reverse() for name in FRAMES))
    one, two = split_by_group(dataset, share, "s"), split_by_group(turned, share, "s")
    assert [set(part.queries["query_id"]) for part in one] == [
        set(part.queries["query_id"]) for part in two
    ]


@settings(deadline=None)
@given(datasets())
def test_a_larger_share_holds_out_what_a_smaller_one_does(dataset: Dataset) -> None:
    small, large = (split_by_group(dataset, share, "s")[1] for share in (0.2, 0.6))
    assert set(small.queries["query_id"]) <= set(large.queries["query_id"])
    assert set(small.corpus["doc_id"]) <= set(large.corpus["doc_id"])


def test_about_the_share_of_groups_is_held_out_and_another_name_draws_anew() -> None:
    count = 2000  # standard deviation of the share: 0.0067
    dataset = _dataset([(i, i) for i in range(count)], list(range(count)))
    held = {name: split_by_group(dataset, 0.1, name)[1] for name in ("one", "two")}
    shares = [part.queries["item_id"].n_unique() / count for part in held.values()]
    assert all(0.07 < share < 0.13 for share in shares)
    assert set(held["one"].corpus["doc_id"]) != set(held["two"].corpus["doc_id"])


def test_a_group_stays_where_it_is_when_others_come() -> None:
    few = _dataset([(i, i) for i in range(50)], list(range(50)))
    many = _dataset([(i, i) for i in range(90)], list(range(90)))
    before, after = (split_by_group(each, 0.3, "s")[1] for each in (few, many))
    assert set(before.queries["item_id"]) == set(after.queries["item_id"]) & set(
        few.queries["item_id"]
    )


def test_items_link_articles_of_different_languages() -> None:
    """Item 0 answers in documents 0 and 1, whose articles also hold documents 2 and 3."""
    links = [(0, 0), (0, 1), (1, 2), (2, 3)]
    for name in map(str, range(20)):
        train, held = split_by_group(_dataset(links, [0, 1, 0, 1]), 0.5, name)
        assert {train.corpus.height, held.corpus.height} == {0, 4}


def _groups(dataset: Dataset) -> dict[str, frozenset[str]]:
    """Return, an item, all items that hang together with it: a slow, obvious search."""
    doc_group = dict(dataset.corpus.select("doc_id", "group_id").rows())
    holds: dict[str, set[str]] = {}
    for item, doc in dataset.qrels.select("item_id", "doc_id").rows():
        holds.setdefault(item, set()).update({f"d{doc}", f"g{doc_group[doc] or doc + '!'}"})
    found = {}
    for item in dataset.queries["item_id"].unique():
        members, keys = {item}, set(holds.get(item, ()))
        while more := {other for other, own in holds.items() if own & keys} - members:
            members |= more
            keys |= set().union(*(holds[each] for each in more))
        found[item] = frozenset(members)
    return found


def _held(dataset: Dataset, by: str = "item_id") -> set[str]:
    return set(split_by_group(dataset, 0.4, "s", by)[1].queries["item_id"])


@settings(deadline=None)
@given(datasets(), st.randoms(use_true_random=False), st.sets(st.integers(0, 15)))
def test_no_item_moves_whose_group_has_the_same_members(
    dataset: Dataset, random: Random, gone: set[int]
) -> None:
    """Rows are put into another order, others go, and ids made of file and row change."""
    names = [f"faq-2026.csv:{number}:en" for number in range(dataset.corpus.height)]
    random.shuffle(names)
    renamed = dict(zip(dataset.corpus["doc_id"], names, strict=True))
    left = ~pl.col("item_id").is_in([str(item) for item in gone])
    changed = Dataset(
        "toy",
        dataset.queries.filter(left).reverse(),
        dataset.corpus.with_columns(pl.col("doc_id").replace(renamed)).sort("doc_id"),
        dataset.qrels.filter(left).with_columns(pl.col("doc_id").replace(renamed)),
    )
    before, after = _groups(dataset), _groups(changed)
    same = {item for item, members in after.items() if before[item] == members}
    assert _held(dataset) & same == _held(changed) & same


@settings(deadline=None)
@given(datasets())
def test_of_groups_that_join_one_stays_where_it_was(dataset: Dataset) -> None:
    groups = set(_groups(dataset).values())
    both = dataset.corpus.with_columns(group_id=pl.lit("all"))
    joined = Dataset("toy", dataset.queries, both, dataset.qrels)
    before, after = _held(dataset), _held(joined)
    assert any((group <= before) == (group <= after) for group in groups)


@settings(deadline=None)
@given(datasets(), st.data(), st.floats(0.05, 0.9))
def test_no_article_is_in_both_parts(dataset: Dataset, data: st.DataObject, share: float) -> None:
    named = st.sampled_from([None, "a", "b", "c"])
    size = dataset.corpus.height
    articles = pl.Series(data.draw(st.lists(named, min_size=size, max_size=size)), dtype=pl.String)
    corpus = dataset.corpus.with_columns(document_id=articles)
    train, held = split_by_group(Dataset("t", dataset.queries, corpus, dataset.qrels), share, "s")
    trained, kept = (set(part.corpus["document_id"].drop_nulls()) for part in (train, held))
    assert not trained & kept


@settings(deadline=None)
@given(datasets(), st.floats(0.05, 0.9))
def test_documents_that_nobody_asks_for_are_searched_and_not_trained_on(
    dataset: Dataset, share: float
) -> None:
    more = pl.DataFrame(
        [(name, lang, text, None, group, None, None)
         for name, lang, text, group in (("x", "en", "A", None), ("y", "en", "B", "u"),
                                         ("z", "sw", "C", "u"))],
        schema=CORPUS, orient="row",
    )  # fmt: skip
    larger = Dataset("toy", dataset.queries, pl.concat([dataset.corpus, more]), dataset.qrels)
    train, held = split_by_group(larger, share, "s")
    assert set(held.corpus["doc_id"]) >= {"x", "y", "z"}
    assert not set(train.corpus["doc_id"]) & {"x", "y", "z"}
    alone = split_by_group(dataset, share, "s")
    assert train.corpus.equals(alone[0].corpus)


def test_domain_text_is_drawn_by_what_it_says() -> None:
    """Nobody asks for any of it: ids, made of file names, decide nothing."""
    texts = [f"Text number {n}." for n in range(2000)]
    parts = []
    for name in ("old.txt", "new.txt"):
        rows = [
            (f"{name}:{n}", "en", text, None, f"{name}:{n // 2}", None, None)
            for n, text in enumerate(texts)
        ]
        corpus = pl.DataFrame(rows, schema=CORPUS, orient="row")
        data = Dataset("toy", QUERIES.to_frame(), corpus, QRELS.to_frame())
        parts.append(split_by_group(data, 0.2, "s")[1].corpus["text"].to_list())
    assert parts[0] == parts[1]
    assert 0.16 < len(parts[0]) / 2000 < 0.24  # of 1,000 groups; standard deviation 0.013


@pytest.mark.parametrize("by", ["item_id", "doc_id"])
def test_items_are_held_out_in_proportion_to_the_share(by: str) -> None:
    """Groups of one to five items: of 400 names, the mean share of items; its deviation: 0.004."""
    links = [(item, item) for item in range(60)]
    data = _dataset(links, [item // (1 + item // 12) for item in range(60)])
    shares = [
        split_by_group(data, 0.2, f"{name}", by)[1].queries["item_id"].n_unique() / 60
        for name in range(400)
    ]
    assert abs(sum(shares) / 400 - 0.2) < 0.015


def test_published_data_keep_the_draw_that_results_were_made_with() -> None:
    """By the SHA-256 of `s/d<doc_id>`: its first byte decides all ten."""
    data = _dataset([(i, i) for i in range(10)], [None] * 10)
    draws = {str(i): hashlib.sha256(f"s/d{i}".encode()).digest()[0] / 256 for i in range(10)}
    assert _held(data, "doc_id") == {item for item, draw in draws.items() if draw < 0.4}


def test_groups_that_an_item_joins_are_named() -> None:
    assert joined_groups(_dataset([(0, 0), (0, 1), (1, 2), (2, 3)], [0, 1, 2, 2])) == [["0", "1"]]


def test_a_document_judged_irrelevant_to_many_ties_no_items_together() -> None:
    """Pooled judgements: fifty questions and, for each of them, one page that answers nothing."""
    answered = _dataset([(n, n) for n in range(50)], [*range(50), None])
    pooled = pl.DataFrame(
        {"item_id": [f"{n}" for n in range(50)], "doc_id": "50", "relevance": 0}
    ).cast(QRELS)
    judged = Dataset("toy", answered.queries, answered.corpus, pl.concat([answered.qrels, pooled]))
    train, held = split_by_group(judged, 0.2, "s")
    without, others = split_by_group(answered, 0.2, "s")
    assert train.queries.equals(without.queries)
    assert held.corpus.equals(others.corpus)
    assert train.qrels.equals(without.qrels)  # the page is searched where it is held out
    assert held.qrels.height == 2 * others.qrels.height
