"""Intervals and decisions of whole tables, against scipy and slow obvious versions."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from polybatch.core.errors import InputError
from polybatch.evaluation.scores import SCORES
from polybatch.statistics.arms import ArmKind, Scored, read_arms
from polybatch.statistics.breakdowns import language_views, setting_views
from polybatch.statistics.clusters import Clusters
from polybatch.statistics.contrasts import contrast_table
from polybatch.statistics.decisions import Rule
from polybatch.statistics.family import holm
from polybatch.statistics.significance import SIGNIFICANCE, assess

LANGS = ("aa", "bb", "cc")
RULE = Rule(0.005, 0.95)


def _all(lists: pl.DataFrame, _: str) -> list:
    return [*setting_views(lists), *language_views(lists)]


def _scores(seed: int, items: int = 12, lacking: float = 0.0, gain: float = 0.0) -> pl.DataFrame:
    """Return scores of all settings; which queries are judged does not depend on the seed."""
    there = np.random.default_rng(items).random((items, len(LANGS), len(LANGS) + 1)) >= lacking
    values = np.random.default_rng(seed).random(there.shape).round(3)
    rows = [
        ("d", _setting(a, b), a, b, f"i{n:02}", "AP", min(1.0, values[n, x, y] + gain))
        for n in range(items)
        for x, a in enumerate(LANGS)
        for y, b in enumerate((*LANGS, "mul"))
        if there[n, x, y]
    ]
    return pl.DataFrame(rows, SCORES, orient="row")


def _setting(a: str, b: str) -> str:
    return "multi" if b == "mul" else "mono" if a == b else "cross"


def _read(
    frames: dict[str, pl.DataFrame],
    clusters: dict[str, int] | None = None,
    kinds: dict[str, ArmKind] | None = None,
) -> list[Scored]:
    items = next(iter(frames.values()))["item_id"].unique().sort().to_list()
    of = clusters or {name: n for n, name in enumerate(items)}
    table = pl.DataFrame({"item_id": list(of), "cluster": list(of.values())})
    kinds = kinds or {name: ArmKind((name,), trained=False) for name in frames}
    return read_arms(kinds, frames.__getitem__, {"d": Clusters("group_id", table)}, _all)


def _assess(frames: dict[str, pl.DataFrame], **options: object) -> pl.DataFrame:
    return assess(_read(frames, **options), next(iter(frames)), RULE)  # type: ignore[arg-type]


def _slow_mean(rows: list[tuple], setting: str) -> float:
    lists: dict[tuple, list[float]] = {}
    for _, kind, a, b, _, _, score in rows:
        if kind == setting:
            lists.setdefault((a, b), []).append(score)
    means = [sum(values) / len(values) for values in lists.values()]
    return sum(means) / len(means)


@pytest.mark.parametrize("lacking", [0.0, 0.4])
def test_values_are_means_over_queries_then_over_lists(lacking: float) -> None:
    frame = _scores(1, lacking=lacking)
    found = _assess({"s": frame}).filter(kind="setting")
    for setting, value in found.select("setting", "value").rows():
        assert value == pytest.approx(_slow_mean(frame.rows(), setting), abs=1e-7)


@pytest.mark.parametrize("lacking", [0.0, 0.4])
def test_the_error_is_the_jackknife_over_clusters(lacking: float) -> None:
    """The slow version leaves out one cluster at a time (Efron 1982); equal to first order."""
    one, other = (_scores(seed, 60, lacking) for seed in (1, 2))
    of = {f"i{n:02}": n // 2 for n in range(60)}
    (scored,) = _read({"a": one, "b": other}, of)
    found = contrast_table([scored], [("b", "a")], RULE, 1_000, 0)
    for row in found.filter(kind="setting").iter_rows(named=True):
        values = []
        for left_out in range(30):
            kept = [
                [each for each in frame.rows() if of[each[4]] != left_out] for frame in (other, one)
            ]
            first, second = (_slow_mean(rows, row["setting"]) for rows in kept)
            values.append(first - second)
        spread = np.var(values) * 29
        assert row["error"] == pytest.approx(spread**0.5, rel=0.02)


def test_items_of_one_cluster_are_one_observation() -> None:
    """Each cluster's items have the same scores: the t-test over clusters, not over items."""
    chance = np.random.default_rng(3)
    a, b = chance.random((2, 8))
    frames = {
        name: pl.DataFrame(
            [("d", "mono", "en", "en", f"i{n:02}", "AP", values[n // 5]) for n in range(40)],
            SCORES,
            orient="row",
        )
        for name, values in (("a", a), ("b", b))
    }
    of = {f"i{n:02}": n // 5 for n in range(40)}
    found = _assess(frames, clusters=of).filter(strategy="b", kind="setting").row(0, named=True)
    truth = stats.ttest_rel(b, a)
    assert found["p"] == pytest.approx(truth.pvalue, abs=1e-6)
    low, high = truth.confidence_interval(0.95)
    assert (found["difference_low"], found["difference_high"]) == pytest.approx(
        (low, high), abs=1e-6
    )
    assert (found["items"], found["clusters"]) == (40, 8)


def test_seeds_widen_the_interval_and_arms_of_one_plan_are_paired() -> None:
    frames = {"a": _scores(1, 30), "b": _scores(1, 30, gain=0.0)}
    trials = {
        f"{name}/{seed}": frames[name].with_columns(
            score=(pl.col("score") + 0.03 * (seed - 1)).clip(0, 2)
        )
        for name in frames
        for seed in range(3)
    }

    def kinds(plan: str | None) -> dict[str, ArmKind]:
        return {
            name: ArmKind(tuple(f"{name}/{seed}" for seed in range(3)), True, plan)
            for name in frames
        }

    reads = {plan: _read(trials, kinds=kinds(plan)) for plan in ("p", None)}
    paired, unpaired = (
        contrast_table(reads[plan], [("b", "a")], RULE, 1_000, 0).row(0, named=True)
        for plan in ("p", None)
    )
    assert paired["margin"] == pytest.approx(0, abs=1e-6)  # both move alike: no chance is left
    assert unpaired["from_seeds"] == pytest.approx(2 * 0.03**2 / 3, rel=1e-4)
    assert unpaired["seeds"] == 3
    assert (paired["seed_freedom"], unpaired["seed_freedom"]) == (2, 4)  # of one difference, of two


@pytest.mark.parametrize(("seeds", "known"), [(1, False), (2, False), (3, True)])
def test_what_no_number_of_trainings_decides_has_no_smallest_difference(
    seeds: int, known: bool
) -> None:
    frames = {f"{name}/{n}": _scores(n + 5 * place) for n in range(seeds)
              for place, name in enumerate("ab")}  # fmt: skip
    kinds = {name: ArmKind(tuple(f"{name}/{n}" for n in range(seeds)), True) for name in "ab"}
    found = contrast_table(_read(frames, kinds=kinds), [("b", "a")], RULE, 1_000, 0)
    assert found["detectable"].is_not_null().to_list() == [known] * 3
    assert found["margin"].null_count() == 0


def test_equal_arms_are_never_decided_and_p_is_1() -> None:
    same = _assess({"a": _scores(1), "b": _scores(1)}).filter(strategy="b", kind="setting")
    assert same["p"].to_list() == same["p_holm"].to_list() == [1.0, 1.0, 1.0]
    assert same["outcome"].to_list() == ["equal within"] * 3


def test_fewer_than_five_clusters_have_no_interval() -> None:
    of = {f"i{n:02}": n % 4 for n in range(12)}
    frames = {"a": _scores(1), "b": _scores(2)}
    found = _assess(frames, clusters=of)
    assert found.select("low", "high", "difference_low", "p", "p_holm").null_count().row(0) == (
        (found.height,) * 5
    )
    assert found["value"].null_count() == 0
    assert set(found["outcome"].drop_nulls()) == {"no interval"}
    claims = contrast_table(_read(frames, of), [("b", "a")], RULE, 1_000, 0)
    assert claims["outcome"].to_list() == ["no interval"] * 3
    assert claims["difference"].null_count() == 0
    assert claims.select("low", "p_corrected", "detectable").null_count().row(0) == (3, 3, 3)


def test_holm_is_over_all_comparisons_of_a_table() -> None:
    found = _assess({name: _scores(seed) for seed, name in enumerate("abc")})
    for _, part in found.group_by("measure", "kind", "setting"):
        p = part["p"].drop_nulls().to_numpy()
        assert part["p_holm"].drop_nulls().to_list() == pytest.approx(list(holm(p)), abs=1e-6)


def test_another_untrained_arm_changes_no_number_of_the_others() -> None:
    two = _assess({"a": _scores(1), "b": _scores(2)})
    three = _assess({"a": _scores(1), "b": _scores(2), "c": _scores(3)})
    rest = ["p_holm", "outcome"]
    assert two.drop(rest).equals(three.filter(pl.col("strategy") != "c").drop(rest))
    assert two.schema == SIGNIFICANCE


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(9)), st.randoms(use_true_random=False))
def test_items_renamed_and_rows_mixed_change_no_number(names: list[int], chance: object) -> None:
    first, second = _scores(1, 9, lacking=0.3), _scores(2, 9, lacking=0.3)
    before = _assess({"a": first, "b": second})
    new = {f"i{n:02}": f"x{names[n]}" for n in range(9)}
    rows = list(range(first.height))
    chance.shuffle(rows)  # type: ignore[attr-defined]
    mixed = [frame.with_columns(pl.col("item_id").replace(new))[rows] for frame in (first, second)]
    assert _assess({"a": mixed[0], "b": mixed[1]}).equals(before)


def test_gaps_and_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match=r"b, d, AP: found 143 scores, 1 of the first strategy's"):
        _assess({"a": _scores(1), "b": _scores(2)[1:]})
    bad = _scores(2).with_columns(
        score=pl.when(pl.col("item_id") == "i03").then(float("nan")).otherwise(pl.col("score"))
    )
    with pytest.raises(InputError, match=r"12 scores that are no numbers \(cross aa bb i03"):
        _assess({"a": _scores(1), "b": bad})


def test_scores_of_a_dataset_that_params_no_longer_name_are_refused() -> None:
    scores = _scores(1).with_columns(dataset=pl.lit("gone"))
    with pytest.raises(
        InputError, match=r"found those of gone, expected the study's datasets \(d\)"
    ):
        _assess({"a": scores})
