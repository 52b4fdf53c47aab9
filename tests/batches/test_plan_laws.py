"""The laws of a batch plan, and a slow obvious planner that they are held against."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.batches.invariants import check_plan
from polybatch.batches.pairs import pair_table
from polybatch.batches.plan import KINDS, plan_batches
from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.settings.batches import BatchSettings
from tests.helpers.plans import TRAINED, datasets, strategy_of


# The slow obvious version: Python dictionaries and sets, every pair of items compared.
def plain(text: str) -> str:
    """Normalise a text character by character."""
    text = unicodedata.normalize("NFKC", text).lower()
    spaced = "".join(" " if unicodedata.category(c)[0] in "PZC" else c for c in text)
    return " ".join(spaced.split())


class Reference:
    """What may be paired and who must not meet, by brute force."""

    def __init__(self, dataset: Dataset) -> None:
        texts = dict(dataset.corpus.select("doc_id", "text").iter_rows())
        langs = dict(dataset.corpus.select("doc_id", "lang").iter_rows())
        self.documents: dict[str, set[str]] = {}
        for item, doc_id in dataset.qrels.select("item_id", "doc_id").iter_rows():
            self.documents.setdefault(item, set()).add(doc_id)
        self.asked: dict[str, dict[str, str]] = {}
        for item, lang, text in dataset.queries.select("item_id", "lang", "text").iter_rows():
            self.asked.setdefault(item, {})[lang] = text
        self.items = sorted(set(self.documents) & set(self.asked))
        self.texts = {
            item: {plain(text) for text in self.asked[item].values()}
            | {plain(texts[doc_id]) for doc_id in self.documents[item]}
            for item in self.items
        }
        self.answered = {i: Counter(langs[d] for d in self.documents[i]) for i in self.items}

    def counts(self) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for item in self.items:
            for asked, (answered, n) in itertools.product(
                self.asked[item], self.answered[item].items()
            ):
                found[asked, answered] += n
        return found

    def may_meet(self, one: str, other: str) -> bool:
        return one != other and not (
            self.documents[one] & self.documents[other] or self.texts[one] & self.texts[other]
        )

    def can_fill(self, pair: tuple[str, str], size: int) -> bool:
        """Whether any `size` items of the pair may all meet (every subset tried)."""
        pool = [i for i in self.items if pair[0] in self.asked[i] and pair[1] in self.answered[i]]

        def extend(chosen: list[str], rest: list[str]) -> bool:
            if len(chosen) == size:
                return True
            return any(
                extend([*chosen, item], [o for o in rest[k + 1 :] if self.may_meet(item, o)])
                for k, item in enumerate(rest)
            )

        return extend([], pool)


@pytest.mark.parametrize("kind", TRAINED)
@settings(max_examples=40, deadline=None)
@given(
    dataset=datasets(),
    steps=st.integers(1, 9),
    size=st.integers(2, 4),
    exponent=st.sampled_from([0.0, 0.5, 1.0]),
    ratio=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    exposure=st.sampled_from(["pairs", "equal", "item"]),
    budgets=st.lists(st.integers(1, 12), max_size=2),
)
def test_a_plan_keeps_every_law_or_says_who_cannot_fill_a_batch(
    kind: str,
    dataset: Dataset,
    steps: int,
    size: int,
    exponent: float,
    ratio: float,
    exposure: Literal["pairs", "equal", "item"],
    budgets: list[int],
) -> None:
    asked, strategy = (
        BatchSettings(steps, size, exponent, match_budget=False, exposure=exposure),
        strategy_of(kind, ratio),
    )
    try:
        plan = plan_batches([dataset], "s", strategy, asked, 3, budgets).table
    except InputError:  # who could not be served is tested apart
        return
    reference = Reference(dataset)
    check_plan(plan, [dataset], asked, strategy, budgets)
    assert plan.height == steps * size
    rows = plan.to_dicts()
    for begin in range(0, len(rows), size):
        batch = rows[begin : begin + size]
        for one, other in itertools.combinations(batch, 2):
            assert reference.may_meet(one["item_id"], other["item_id"])
        if kind != "x-y":
            assert len({row["kind"] for row in batch}) == 1
        if KINDS[kind].unit == "batch":
            assert len({(row["query_lang"], row["doc_lang"]) for row in batch}) == 1
    for row in rows:
        assert row["doc_id"] in reference.documents[row["item_id"]]
        assert row["query_lang"] in reference.asked[row["item_id"]]
        assert row["kind"] == ("mono" if row["query_lang"] == row["doc_lang"] else "cross")
    if kind == "hybrid" and not budgets:
        crossed = sum(row["kind"] == "cross" for row in rows) / size
        assert abs(crossed - ratio * steps) <= 1
    if kind in ("mono", "cross", "en-en") and exposure == "pairs" and not budgets:
        _holds_asked_mix(rows, reference, kind, steps, size, exponent)


def _holds_asked_mix(
    rows: list[dict[str, str]],
    reference: Reference,
    kind: str,
    steps: int,
    size: int,
    exponent: float,
) -> None:
    wanted = {
        pair: n**exponent
        for pair, n in reference.counts().items()
        if {"mono": pair[0] == pair[1], "cross": pair[0] != pair[1], "en-en": pair == ("en", "en")}[
            kind
        ]
    }
    found = Counter((row["query_lang"], row["doc_lang"]) for row in rows)
    for pair, weight in wanted.items():
        assert abs(found[pair] / size - steps * weight / sum(wanted.values())) < 1 + 1e-9


@settings(max_examples=60, deadline=None)
@given(dataset=datasets(), size=st.integers(2, 4))
def test_one_batch_is_refused_only_where_greed_can_fail(dataset: Dataset, size: int) -> None:
    """A refused pair truly cannot fill a batch, or items exclude each other in chains."""
    reference = Reference(dataset)
    counts = reference.counts()
    assert (
        {(p.query, p.document): n for p, n in pair_table([dataset]).counts().items()} == counts
        if counts
        else True
    )
    if ("en", "en") not in counts:
        return
    try:
        plan_batches(
            [dataset],
            "s",
            strategy_of("en-en"),
            BatchSettings(1, size, 1.0, match_budget=False, exposure="pairs"),
            0,
        )
        assert reference.can_fill(("en", "en"), size)
    except InputError:
        pool = [
            i
            for i in reference.items
            if "en" in reference.asked[i] and "en" in reference.answered[i]
        ]
        excluded = any(not reference.may_meet(a, b) for a, b in itertools.combinations(pool, 2))
        assert len(pool) < size or excluded


@settings(max_examples=20, deadline=None)
@given(dataset=datasets(), kind=st.sampled_from(TRAINED), order=st.randoms())
def test_the_order_of_rows_changes_nothing(dataset: Dataset, kind: str, order: object) -> None:
    def shuffled(frame: pl.DataFrame) -> pl.DataFrame:
        rows = list(range(frame.height))
        order.shuffle(rows)  # type: ignore[attr-defined]
        return frame[rows]

    other = Dataset("toy", *map(shuffled, (dataset.queries, dataset.corpus, dataset.qrels)))
    asked = BatchSettings(3, 2, 1.0, match_budget=False, exposure="pairs")
    try:
        one = plan_batches([dataset], "s", strategy_of(kind), asked, 0)
    except InputError:
        return
    assert plan_batches([other], "s", strategy_of(kind), asked, 0).table.equals(one.table)
