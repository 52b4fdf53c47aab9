"""A batch plan: its budget, seed and texts, and what cannot be planned."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from polybatch.batches.invariants import check_plan
from polybatch.batches.plan import KINDS, PLAN, plan_batches, plan_texts
from polybatch.core.dataset import Dataset, write_table
from polybatch.core.errors import InputError
from polybatch.settings.batches import BatchSettings
from polybatch.settings.strategies import BATCH_KINDS, Strategy
from tests.helpers.plans import TRAINED, make, parallel, strategy_of


def test_the_same_seed_gives_the_same_bytes_and_another_another(tmp_path: Path) -> None:
    files = []
    for i, seed in enumerate([0, 0, 1]):
        plan = plan_batches(
            [parallel(40)],
            "hybrid",
            strategy_of("hybrid"),
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
        kind: plan_batches([parallel(40)], kind, strategy_of(kind), asked, 0) for kind in TRAINED
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
        strategy_of("en-en"),
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
        strategy_of("none"),
        BatchSettings(5, 4, 1.0, match_budget=False, exposure="pairs"),
        0,
    )
    assert plan.table.height == 0
    assert plan.table.schema == PLAN
    check_plan(
        plan.table,
        [parallel(3)],
        BatchSettings(5, 4, 1.0, match_budget=False, exposure="pairs"),
        strategy_of("none"),
    )


def test_equal_ids_of_two_datasets_are_two_items() -> None:
    both = [parallel(6, name="one"), parallel(6, name="two")]
    plan = plan_batches(
        both,
        "s",
        strategy_of("mono"),
        BatchSettings(4, 6, 1.0, match_budget=False, exposure="pairs"),
        0,
    )
    assert set(plan.table["dataset"]) == {"one", "two"}
    check_plan(
        plan.table,
        both,
        BatchSettings(4, 6, 1.0, match_budget=False, exposure="pairs"),
        strategy_of("mono"),
    )
    texts = plan_texts(plan.table, both)
    assert (
        texts["query_text"]
        .str.extract(r"^q(\d+)")
        .equals(texts["doc_text"].str.extract(r"^a(\d+)").rename("query_text"))
    )


def _apart(items: int) -> list[Dataset]:
    """Return a source's items in two datasets, one of a language each."""
    return [parallel(items, (lang,), f"mlqa-{lang}") for lang in ("de", "en")]


@pytest.mark.parametrize("kind", ["x-x", "x-y"])
def test_an_item_that_two_datasets_have_is_once_in_a_batch(kind: str) -> None:
    asked = BatchSettings(20, 8, 0.5, match_budget=False, exposure="equal")
    table = plan_batches(_apart(30), kind, strategy_of(kind), asked, 0).table
    check_plan(table, _apart(30), asked, strategy_of(kind))
    assert set(table["dataset"]) == {"mlqa-de", "mlqa-en"}
    assert all(len(set(batch["item_id"])) == 8 for _, batch in table.group_by("step"))
    first = table.filter(pl.col("step") == 0)
    item = first.filter(query_lang="de")["item_id"][0]
    twin = parallel(30, ("en",)).qrels.filter(item_id=item)["doc_id"][0]
    place = (pl.col("step") == 0) & (pl.col("slot") == first.filter(query_lang="en")["slot"][0])
    new = {"item_id": item, "query_id": f"{item}?en", "doc_id": twin}
    english = table.with_columns(
        pl.when(place).then(pl.lit(value)).otherwise(name).alias(name)
        for name, value in new.items()
    )
    with pytest.raises(InputError, match="no two pairs of a batch share an item"):
        check_plan(english, _apart(30), asked, strategy_of(kind))


@pytest.mark.parametrize("kind", ["mono", "x-x", "x-y"])
def test_names_of_datasets_decide_nothing_where_no_id_is_in_two(kind: str) -> None:
    """Each batch of two datasets without a common id is that of both in one."""
    both = [parallel(20, name="one"), make(
        {f"j{i:03d}": {lang: (f"r{i} {lang}", f"b{i} {lang}") for lang in ("de", "en", "sw")}
         for i in range(20)}, "two")]  # fmt: skip
    joined = Dataset("one", *(pl.concat([getattr(each, name) for each in both])
                              for name in ("queries", "corpus", "qrels")))  # fmt: skip
    asked = BatchSettings(20, 8, 0.5, match_budget=False, exposure="equal")
    apart = plan_batches(both, kind, strategy_of(kind), asked, 0).table
    one = plan_batches([joined], kind, strategy_of(kind), asked, 0).table
    assert apart.drop("dataset").equals(one.drop("dataset"))


def test_texts_are_those_of_the_plan_in_its_order() -> None:
    dataset = parallel(20)
    plan = plan_batches(
        [dataset],
        "s",
        strategy_of("cross"),
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
            strategy_of(kind),
            BatchSettings(2, 4, 1.0, match_budget=False, exposure="pairs"),
            0,
        )
    assert f"strategies.{kind}" in str(caught.value)


def test_languages_of_two_datasets_make_no_pair() -> None:
    asked = BatchSettings(2, 4, 1.0, match_budget=False, exposure="pairs")
    says = "in mlqa-de, mlqa-en, expected .*; a pair is of one dataset. Give one training dataset"
    with pytest.raises(InputError, match=says):
        plan_batches(_apart(9), "cross", strategy_of("cross"), asked, 0)


def test_a_pair_that_cannot_fill_a_batch_is_named_with_what_there_is() -> None:
    shared = make({f"i{i}": {"en": (f"q{i}", "the one answer")} for i in range(9)})
    with pytest.raises(InputError, match=r"en>en: found 1 pairs .*of 9 items.* expected 4"):
        plan_batches(
            [shared],
            "mono",
            strategy_of("mono"),
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
            strategy_of("en-en"),
            BatchSettings(1, 2, 1.0, match_budget=False, exposure="pairs"),
            0,
        )


def test_texts_are_compared_after_normalisation() -> None:
    items = {"a": {"en": ("Who?", "x")}, "b": {"en": (" ＷＨＯ ", "y")}, "c": {"en": ("Why?", "z")}}
    plan = plan_batches(
        [make(items)],
        "s",
        strategy_of("en-en"),
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
    plan = plan_batches([dataset], "s", strategy_of("mono"), asked, 0).table
    check_plan(plan, [dataset], asked, strategy_of("mono"))
    with pytest.raises(InputError, match=law):
        check_plan(change(plan), [dataset], asked, strategy_of("mono"))


def test_meeting_twice_and_a_wrong_mix_are_caught() -> None:
    dataset, asked = parallel(20), BatchSettings(4, 4, 1.0, match_budget=False, exposure="pairs")
    plan = plan_batches([dataset], "s", strategy_of("en-en"), asked, 0).table
    with pytest.raises(InputError, match=r"every kind whose share is .* takes part.*0 pairs of cr"):
        check_plan(plan, [dataset], asked, strategy_of("cross"))
    mixed = plan_batches([dataset], "s", strategy_of("hybrid"), asked, 0).table
    with pytest.raises(InputError, match="the mix is the requested one, by kind"):
        check_plan(mixed, [dataset], asked, strategy_of("mono"))
    columns = ["dataset", "item_id", "query_id", "doc_id"]
    twice = plan.with_columns(
        pl.when(pl.col("slot") == 1).then(pl.col(c).shift(1)).otherwise(pl.col(c)).alias(c)
        for c in columns
    )
    with pytest.raises(InputError, match=r"share an item.*step 0"):
        check_plan(twice, [dataset], asked, strategy_of("en-en"))


def test_every_kind_that_params_may_name_has_its_row() -> None:
    assert tuple(KINDS) == BATCH_KINDS
