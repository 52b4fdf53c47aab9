"""What strategies share: plans by batch settings, prefixes, exposure; and the account of it."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.batches.exposure import exposure
from polybatch.batches.invariants import check_plan
from polybatch.batches.plan import plan_batches, plan_texts
from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.reports.comparison_sections import exposure_section
from polybatch.reports.costs import budget
from polybatch.settings.batches import BatchSettings
from polybatch.settings.strategies import Strategy
from tests.helpers.plans import TRAINED, make, parallel

Exposure = Literal["pairs", "equal", "item"]
LANGS = ("am", "de", "en", "sw", "yo")


def asked(exposure: Exposure, steps: int = 20, size: int = 4) -> BatchSettings:
    return BatchSettings(steps, size, 1.0, match_budget=True, exposure=exposure)


def strategy(kind: str, start: Literal["base", "dapt"] = "base", ratio: float = 0.5) -> Strategy:
    return Strategy(start, kind, ratio if kind == "hybrid" else None)


def uneven() -> Dataset:
    """English has 60 items, each other language 12 of them."""
    return make(
        {
            f"i{i:02d}": {
                lang: (f"q{i} {lang}", f"a{i} {lang}") for lang in LANGS if lang == "en" or i < 12
            }
            for i in range(60)
        }
    )


@pytest.mark.parametrize("kind", TRAINED)
@settings(max_examples=15, deadline=None)
@given(
    short=st.integers(1, 15),
    more=st.integers(1, 15),
    seed=st.integers(0, 99),
    exposure=st.sampled_from(["pairs", "equal", "item"]),
)
def test_a_shorter_plan_is_the_beginning_of_the_longer_one(
    kind: str, short: int, more: int, seed: int, exposure: Exposure
) -> None:
    """With match_budget, `hybrid` has more steps than `dapt-hybrid`; both keep every law."""
    dataset, budgets = uneven(), (short, short + more)
    plans = []
    for steps, start in zip(budgets, ("dapt", "base"), strict=True):
        own, settings = strategy(kind, start), asked(exposure, steps)  # type: ignore[arg-type]
        plan = plan_batches([dataset], f"{start}-{kind}", own, settings, seed, budgets)
        check_plan(plan.table, [dataset], settings, own, budgets)
        assert plan.table.height == steps * 4
        plans.append(plan.table)
    assert plans[1].head(plans[0].height).equals(plans[0])


def test_the_ends_of_the_cross_ratio_are_mono_and_cross() -> None:
    for ratio, kind in ((0.0, "mono"), (1.0, "cross")):
        one = plan_batches([uneven()], "h", strategy("hybrid", "base", ratio), asked("pairs"), 0)
        other = plan_batches([uneven()], "k", strategy(kind), asked("pairs"), 0)
        assert one.table.equals(other.table)


@pytest.mark.parametrize("kind", ["x-x", "mono", "x-y", "cross", "hybrid"])
def test_equal_exposure_asks_every_language_equally_often(kind: str) -> None:
    """100 questions of 5 languages: 20 each, give or take less than a batch of 4."""
    plan = plan_batches([uneven()], "s", strategy(kind), asked("equal", 25), 1).table
    times = Counter(plan["query_lang"])
    assert set(times) == set(LANGS)
    assert all(abs(n - 20) < 4 for n in times.values())
    if kind != "cross":  # where all pairs of languages have 12 items
        by_pairs = plan_batches([uneven()], "s", strategy(kind), asked("pairs", 25), 1).table
        assert Counter(by_pairs["query_lang"])["en"] > times["en"]


def test_equal_exposure_where_a_language_is_answered_in_few_others() -> None:
    """By hand: `yo` is answered in English alone, so all its questions are yo>en."""
    items = {f"i{i}": {"en": (f"q{i} en", f"a{i} en"), "de": (f"q{i} de", f"a{i} de"),
                       "yo": (f"q{i} yo", None)} for i in range(9)}  # fmt: skip
    items |= {f"j{i}": {"en": (None, f"b{i} en"), "yo": (f"p{i} yo", None)} for i in range(9)}
    counts = Counter(
        plan_batches([make(items)], "s", strategy("cross"), asked("equal", 12, 3), 0)
        .table.select("query_lang", "doc_lang")
        .iter_rows()
    )
    questions: Counter[str] = Counter()
    for (query, _), n in counts.items():
        questions[query] += n
    assert questions == {"de": 12, "en": 12, "yo": 12}
    assert counts["de", "en"] == counts["en", "de"] == 12
    assert counts["yo", "en"] + counts["yo", "de"] == 12


def test_item_exposure_gives_all_strategies_the_same_items_at_the_same_steps() -> None:
    plans = {
        kind: plan_batches([uneven()], kind, strategy(kind), asked("item"), 5).table
        for kind in TRAINED
    }
    items = {tuple(plan["item_id"]) for plan in plans.values()}
    assert len(items) == 1
    assert len(set(next(iter(items)))) == 12  # those in every language, each equally often
    langs = {tuple(plan.select("query_lang", "doc_lang").rows()) for plan in plans.values()}
    assert len(langs) == len(plans)
    mono, cross = (plans[kind]["query_lang"] for kind in ("mono", "cross"))
    assert mono.equals(cross)  # 4 of 20 batches ask in each language: at the same steps
    for kind, plan in plans.items():
        check_plan(plan, [uneven()], asked("item"), strategy(kind))


def test_an_item_that_is_not_in_every_language_is_caught() -> None:
    plan = plan_batches([uneven()], "s", strategy("en-en"), asked("pairs", 5), 0).table
    with pytest.raises(InputError, match=r"every item is in every language.* 5 languages"):
        check_plan(plan, [uneven()], asked("item", 5), strategy("en-en"))


def test_item_exposure_without_items_in_every_language_is_refused() -> None:
    apart = make(
        {f"i{i}{lang}": {lang: (f"q{i}", f"a{i} {lang}")} for i in range(9) for lang in LANGS}
    )
    with pytest.raises(InputError, match=r"found 0 pairs .*of 0 items.*exposure: equal"):
        plan_batches([apart], "s", strategy("mono"), asked("item"), 0)
    assert plan_batches([apart], "s", strategy("mono"), asked("equal"), 0).table.height == 80


def test_a_mix_that_is_wrong_at_one_of_two_lengths_is_caught() -> None:
    """All Yoruba in the second half: the mix is right over 20 steps and wrong over 10."""
    settings, own = asked("equal", 20), strategy("mono")
    plan = plan_batches([parallel(40, LANGS)], "s", own, settings, 0, [10]).table
    check_plan(plan, [parallel(40, LANGS)], settings, own, [10])
    whole = plan.partition_by("step")
    late = sorted(whole, key=lambda batch: batch["query_lang"][0] == "yo")
    moved = pl.concat(late).with_columns(plan["step"], plan["slot"])
    check_plan(moved, [parallel(40, LANGS)], settings, own)
    with pytest.raises(InputError, match=r"law 'the mix .* by language pair'"):
        check_plan(moved, [parallel(40, LANGS)], settings, own, [10])


def test_the_account_by_hand() -> None:
    items = {
        f"i{i}": {"en": (f"Who {i}?", f"One {i}. Two."), "sw": (f"Nani {i}?", f"Moja {i}.")}
        for i in range(4)
    }
    dataset = make(items)
    plan = plan_batches([dataset], "s", strategy("cross"), asked("equal", 2), 0)
    account = exposure(plan.table, plan_texts(plan.table, [dataset]))
    assert account == {
        "questions": {"en": 4, "sw": 4},
        "documents": {"en": 4, "sw": 4},
        "characters": {"query": 4 * len("Who 0?") + 4 * len("Nani 0?"),
                       "document": 4 * len("One 0. Two.") + 4 * len("Moja 0.")},
        "one_sentence_targets": 0.5,
    }  # fmt: skip
    assert plan.summary["language_pairs"] == {"requested": 2, "drawn": 2, "never_drawn": 0}
    training = {"steps": 2, "pairs": 8, "distinct_pairs": 8, "query_tokens": 30,
                "document_tokens": 40, "truncated_documents": 2}  # fmt: skip
    assert budget(plan.summary | account, training) == {
        "steps": 2, "pairs": 8, "distinct_pairs": 8, "query_tokens": 30, "document_tokens": 40,
        "items": 4, "language_pairs": 2, "language_pairs_never_drawn": 0,
        "cut_documents": "25.0%", "one_sentence_targets": "50.0%",
    }  # fmt: skip


def test_compare_says_how_many_pairs_of_languages_were_never_drawn() -> None:
    dataset, settings = parallel(40, LANGS), asked("equal", 8)
    plan = plan_batches([dataset], "cross", strategy("cross"), settings, 0)
    drawn = plan.table.select("query_lang", "doc_lang").unique().height
    summary = plan.summary | exposure(plan.table, plan_texts(plan.table, [dataset]))
    text = exposure_section({"zero-shot": {"steps": 0, "pairs": 0}, "cross": summary})
    assert f"8 batches, 20 ordered pairs of languages, of which {20 - drawn} were" in text
    assert "zero-shot" not in text
    assert "| strategy | am | de | en | sw | yo |" in text
    assert exposure_section({"zero-shot": {"steps": 0, "pairs": 0}}) == "No strategy was trained."
