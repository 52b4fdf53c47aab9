"""Splitting by group: laws, with hypothesis."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from polybatch.split import split_by_group
from polybatch.tables import CORPUS, QRELS, QUERIES, Dataset, table

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


@given(datasets(), st.floats(0, 0.9), st.randoms())
def test_the_order_of_rows_decides_nothing(dataset: Dataset, share: float, random: object) -> None:
    turned = Dataset(dataset.name, *(getattr(dataset, name).reverse() for name in FRAMES))
    one, two = split_by_group(dataset, share, "s"), split_by_group(turned, share, "s")
    assert [set(part.queries["query_id"]) for part in one] == [
        set(part.queries["query_id"]) for part in two
    ]


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
