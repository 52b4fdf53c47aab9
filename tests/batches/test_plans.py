"""The laws of a batch plan, and a slow obvious planner that they are held against."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.batches.invariants import check_plan
from polybatch.batches.pairs import pair_table
from polybatch.batches.plan import KINDS, PLAN, plan_batches, plan_texts
from polybatch.core.dataset import CORPUS, QRELS, QUERIES, Dataset, table, write_table
from polybatch.core.errors import InputError
from polybatch.settings.batches import BatchSettings
from polybatch.settings.strategies import BATCH_KINDS, Strategy

TRAINED = [kind for kind in KINDS if kind != "none"]


def _strategy(kind: str, ratio: float = 0.5) -> Strategy:
    return Strategy("base", kind, ratio if kind == "hybrid" else None)


def make(items: dict[str, dict[str, tuple[str | None, str | None]]], name: str = "toy") -> Dataset:
    """Build a dataset from {item: {lang: (question or None, answer or None)}}.

    Equal answers in a language are one document, which several items then share.
    """
    queries, corpus, qrels = [], {}, []
    for item, wordings in items.items():
        for lang, (question, answer) in wordings.items():
            if question is not None:
                queries.append(
                    {
                        "query_id": f"{item}?{lang}",
                        "item_id": item,
                        "lang": lang,
                        "text": question,
                        "split": "train",
                    }
                )
            if answer is not None:
                doc_id = f"{lang}:{answer}"
                corpus[doc_id] = {
                    "doc_id": doc_id,
                    "lang": lang,
                    "text": answer,
                    "title": None,
                    "group_id": None,
                    "document_id": None,
                    "template_id": None,
                }
                qrels.append({"item_id": item, "doc_id": doc_id, "relevance": 1})
    return Dataset(
        name, table(queries, QUERIES), table(list(corpus.values()), CORPUS), table(qrels, QRELS)
    )


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Items in up to three languages, with shared answers and repeated texts among them."""
    items = {}
    for i in range(draw(st.integers(1, 24))):
        wordings = {}
        for lang in draw(st.sets(st.sampled_from(["de", "en", "sw"]), min_size=1)):
            question = draw(st.sampled_from([f"Q{i} {lang}", f"Q{i} {lang}", "Same?", None]))
            answer = draw(st.sampled_from([f"A{i} {lang}", f"A{i} {lang}", f"A{i // 2}", None]))
            wordings[lang] = (question, answer)
        items[f"item{i:02d}"] = wordings
    return make(items)


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
        _strategy(kind, ratio),
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
            _strategy("en-en"),
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
        one = plan_batches([dataset], "s", _strategy(kind), asked, 0)
    except InputError:
        return
    assert plan_batches([other], "s", _strategy(kind), asked, 0).table.equals(one.table)


def parallel(items: int, langs: tuple[str, ...] = ("de", "en", "sw"), name: str = "toy") -> Dataset:
    return make(
        {
            f"i{i:03d}": {lang: (f"q{i} {lang}", f"a{i} {lang}") for lang in langs}
            for i in range(items)
        },
        name,
    )


def test_the_same_seed_gives_the_same_bytes_and_another_another(tmp_path: Path) -> None:
    files = []
    for i, seed in enumerate([0, 0, 1]):
        plan = plan_batches(
            [parallel(40)],
            "hybrid",
            _strategy("hybrid"),
            BatchSettings(10, 8, 1.0, match_budget=False, exposure="pairs"),
            seed,
        )
        write_table(plan.table, tmp_path / f"{i}.parquet")
        files.append((tmp_path / f"{i}.parquet").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_all_strategies_have_the_same_budget_and_the_same_batches_the_same_plan() -> None:
    """Streams are named after the seed and the batch settings, not after the strategy."""
    asked = BatchSettings(12, 6, 1.0, match_budget=False, exposure="pairs")
    plans = {
        kind: plan_batches([parallel(40)], kind, _strategy(kind), asked, 0) for kind in TRAINED
    }
    assert {plan.table.height for plan in plans.values()} == {72}
    for kind, plan in plans.items():
        adapted = Strategy("dapt", kind, 0.5 if kind == "hybrid" else None)
        twin = plan_batches([parallel(40)], f"dapt-{kind}", adapted, asked, 0)
        assert twin.table.equals(plan.table)
        assert twin.summary == plan.summary


def test_items_come_without_replacement_until_all_were_used() -> None:
    plan = plan_batches(
        [parallel(12, ("en",))],
        "s",
        _strategy("en-en"),
        BatchSettings(6, 4, 1.0, match_budget=False, exposure="pairs"),
        0,
    ).table
    times = Counter(plan["item_id"])
    assert set(times.values()) == {2}
    assert set(plan.head(12)["item_id"]) == set(times)


def test_no_strategy_none_and_its_plan() -> None:
    plan = plan_batches(
        [parallel(3)],
        "zero-shot",
        _strategy("none"),
        BatchSettings(5, 4, 1.0, match_budget=False, exposure="pairs"),
        0,
    )
    assert plan.table.height == 0
    assert plan.table.schema == PLAN
    check_plan(
        plan.table,
        [parallel(3)],
        BatchSettings(5, 4, 1.0, match_budget=False, exposure="pairs"),
        _strategy("none"),
    )


def test_equal_ids_of_two_datasets_are_two_items() -> None:
    both = [parallel(6, name="one"), parallel(6, name="two")]
    plan = plan_batches(
        both,
        "s",
        _strategy("mono"),
        BatchSettings(4, 6, 1.0, match_budget=False, exposure="pairs"),
        0,
    )
    assert set(plan.table["dataset"]) == {"one", "two"}
    check_plan(
        plan.table,
        both,
        BatchSettings(4, 6, 1.0, match_budget=False, exposure="pairs"),
        _strategy("mono"),
    )
    texts = plan_texts(plan.table, both)
    assert (
        texts["query_text"]
        .str.extract(r"^q(\d+)")
        .equals(texts["doc_text"].str.extract(r"^a(\d+)").rename("query_text"))
    )


def test_texts_are_those_of_the_plan_in_its_order() -> None:
    dataset = parallel(20)
    plan = plan_batches(
        [dataset],
        "s",
        _strategy("cross"),
        BatchSettings(5, 4, 1.0, match_budget=False, exposure="pairs"),
        0,
    ).table
    questions = dict(dataset.queries.select("query_id", "text").iter_rows())
    texts = plan_texts(plan, [dataset])
    assert texts["query_text"].to_list() == [questions[i] for i in plan["query_id"]]


@pytest.mark.parametrize(
    ("kind", "langs", "says"),
    [
        ("en-en", ("de", "sw"), "no pair of languages"),
        ("cross", ("en",), "no pair of languages"),
        ("hybrid", ("en",), "no pair of languages"),
        ("mono", ("en",), "en>en"),
    ],
)
def test_what_cannot_be_planned_is_told(kind: str, langs: tuple[str, ...], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        plan_batches(
            [parallel(3, langs)],
            kind,
            _strategy(kind),
            BatchSettings(2, 4, 1.0, match_budget=False, exposure="pairs"),
            0,
        )
    assert f"strategies.{kind}" in str(caught.value)


def test_a_pair_that_cannot_fill_a_batch_is_named_with_what_there_is() -> None:
    shared = make({f"i{i}": {"en": (f"q{i}", "the one answer")} for i in range(9)})
    with pytest.raises(InputError, match=r"en>en: found 1 pairs .*of 9 items.* expected 4"):
        plan_batches(
            [shared],
            "mono",
            _strategy("mono"),
            BatchSettings(1, 4, 1.0, match_budget=False, exposure="pairs"),
            0,
        )


def test_translations_of_a_shared_document_are_no_negatives() -> None:
    """Two questions share their German answer; their English ones differ, and must not meet."""
    items = {f"i{i}": {"en": (f"q{i}", f"a{i}"), "de": (f"f{i}", "dieselbe")} for i in range(2)}
    with pytest.raises(InputError, match="en>en"):
        plan_batches(
            [make(items)],
            "s",
            _strategy("en-en"),
            BatchSettings(1, 2, 1.0, match_budget=False, exposure="pairs"),
            0,
        )


def test_texts_are_compared_after_normalisation() -> None:
    items = {"a": {"en": ("Who?", "x")}, "b": {"en": (" ＷＨＯ ", "y")}, "c": {"en": ("Why?", "z")}}
    plan = plan_batches(
        [make(items)],
        "s",
        _strategy("en-en"),
        BatchSettings(4, 2, 1.0, match_budget=False, exposure="pairs"),
        0,
    ).table
    for step in range(4):
        assert set(plan.filter(step=step)["item_id"]) != {"a", "b"}


@pytest.mark.parametrize(
    ("change", "law"),
    [
        (lambda f: f.head(f.height - 1), "full"),
        (lambda f: f.with_columns(item_id=pl.lit(f["item_id"][0])), "training pair"),
        (lambda f: f.with_columns(doc_lang=pl.lit("de")), "training pair"),
        (lambda f: f.with_columns(slot=pl.lit(0, pl.Int64)), "full"),
        (lambda f: f.with_columns(kind=pl.lit("cross")), "kind says"),
        (lambda f: f.drop("kind"), "columns"),
    ],
)
def test_a_plan_that_was_tampered_with_is_caught(change, law: str) -> None:  # type: ignore[no-untyped-def]
    dataset, asked = parallel(20), BatchSettings(4, 4, 1.0, match_budget=False, exposure="pairs")
    plan = plan_batches([dataset], "s", _strategy("mono"), asked, 0).table
    check_plan(plan, [dataset], asked, _strategy("mono"))
    with pytest.raises(InputError, match=law):
        check_plan(change(plan), [dataset], asked, _strategy("mono"))


def test_meeting_twice_and_a_wrong_mix_are_caught() -> None:
    dataset, asked = parallel(20), BatchSettings(4, 4, 1.0, match_budget=False, exposure="pairs")
    plan = plan_batches([dataset], "s", _strategy("en-en"), asked, 0).table
    with pytest.raises(InputError, match=r"every kind whose share is .* takes part.*0 pairs of cr"):
        check_plan(plan, [dataset], asked, _strategy("cross"))
    mixed = plan_batches([dataset], "s", _strategy("hybrid"), asked, 0).table
    with pytest.raises(InputError, match="the mix is the requested one, by kind"):
        check_plan(mixed, [dataset], asked, _strategy("mono"))
    columns = ["dataset", "item_id", "query_id", "doc_id"]
    twice = plan.with_columns(
        pl.when(pl.col("slot") == 1).then(pl.col(c).shift(1)).otherwise(pl.col(c)).alias(c)
        for c in columns
    )
    with pytest.raises(InputError, match=r"share an item.*step 0"):
        check_plan(twice, [dataset], asked, _strategy("en-en"))


def test_every_kind_that_params_may_name_has_its_row() -> None:
    assert tuple(KINDS) == BATCH_KINDS
