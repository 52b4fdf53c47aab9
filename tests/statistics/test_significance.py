"""Intervals and p-values against slow obvious versions, scipy, and simulated truth."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test

from benchmarks.interval_coverage import coverage
from polybatch.errors import InputError
from polybatch.evaluation.scores import SCORES
from polybatch.randomness import stream
from polybatch.statistics.breakdowns import language_views, setting_views
from polybatch.statistics.resampling import Resampling, bootstrap_weights, holm, item_order
from polybatch.statistics.significance import SIGNIFICANCE, assess

LANGS = ("aa", "bb", "cc")
FEW = Resampling(300, 0.95, 0)


def _settings(lists: pl.DataFrame, _: str) -> list:
    return setting_views(lists)


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


def _slow_mean(rows: list[tuple], drawn: list[str], setting: str) -> float | None:
    """Return the mean over queries, then over lists, of the drawn items' queries."""
    lists: dict[tuple, list[float]] = {}
    for item in drawn:
        for _, kind, a, b, name, _, score in rows:
            if kind == setting and name == item:
                lists.setdefault("all" if kind == "multi" else (a, b), []).append(score)
    means = [sum(values) / len(values) for values in lists.values()]
    return sum(means) / len(means) if means else None


@pytest.mark.parametrize("lacking", [0.0, 0.4])
def test_every_resample_is_a_mean_over_queries_then_over_lists(lacking: float) -> None:
    """Against plain lists: the same draws, of the items in the order the scores give them."""
    frame = _scores(1, items=7, lacking=lacking)
    one = Resampling(40, 0.9, 0)
    found = assess({"s": frame}, "s", _settings, one)
    rows, items = frame.rows(), sorted(frame["item_id"].unique())
    draws = np.concatenate(list(bootstrap_weights(stream(0, "bootstrap", "d"), 7, 40)))
    for setting, value in found.select("setting", "value").rows():
        assert value == pytest.approx(_slow_mean(rows, items, setting), abs=1e-12)
    # Which item is which row is not ours to know here: intervals are the same in distribution,
    # and exactly so once the rows are in the order that `assess` chose.
    orders = _orders(frame, items)
    for setting, low, high in found.select("setting", "low", "high").rows():
        values = []
        for counts in draws.astype(int):
            drawn = [items[row] for row, n in zip(orders, counts, strict=True) for _ in range(n)]
            values.append(_slow_mean(rows, drawn, setting))
        kept = [value for value in values if value is not None]
        assert (low, high) == pytest.approx(tuple(np.quantile(kept, [0.05, 0.95])), abs=1e-12)


def _orders(frame: pl.DataFrame, items: list[str]) -> list[int]:
    from polybatch.statistics.breakdowns import lay_out

    rows = frame.sort("setting", "query_lang", "doc_lang", "item_id")
    layout = lay_out(rows)
    return item_order(layout.counts, layout.sums(rows["score"].to_numpy())).tolist()


def test_without_clusters_p_is_scipys() -> None:
    """One query an item: scipy's permutation_test over samples, all 2 ** 10 of them."""
    chance = np.random.default_rng(3)
    for shift in (0.0, 0.1, 0.25):
        a, b = chance.random(10), chance.random(10) + shift
        frames = {
            name: pl.DataFrame(
                [("d", "mono", "en", "en", f"i{n}", "AP", s) for n, s in enumerate(values)],
                SCORES,
                orient="row",
            )
            for name, values in (("a", a), ("b", b))
        }
        found = assess(frames, "a", _settings, Resampling(20_000, 0.95, 0)).filter(strategy="b")
        truth = permutation_test(
            (b, a),
            lambda x, y, axis: (x - y).mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf,
        )
        assert found["p"].item() == pytest.approx(truth.pvalue, abs=0.012)
        assert found["difference"].item() == pytest.approx(truth.statistic, abs=1e-12)


def test_the_clustered_interval_covers_and_the_other_one_does_not() -> None:
    """100 items in 8 languages, 60% of the variance common to an item's translations."""
    assert 0.93 <= coverage(0.6, clustered=True, worlds=1000) <= 0.97
    assert coverage(0.6, clustered=False, worlds=100) < 0.75


def test_p_is_never_0_and_1_when_nothing_differs() -> None:
    far = assess({"a": _scores(1, 40), "b": _scores(1, 40, gain=1.0)}, "a", _settings, FEW)
    assert far["p"].min() == pytest.approx(1 / 301)
    same = assess({"a": _scores(1), "b": _scores(1)}, "a", _settings, FEW).filter(strategy="b")
    assert same["p"].to_list() == same["p_holm"].to_list() == [1.0, 1.0, 1.0]
    assert same.select("difference", "difference_low", "difference_high").rows() == [(0, 0, 0)] * 3


def test_one_item_has_no_interval() -> None:
    found = assess({"a": _scores(1, 1), "b": _scores(2, 1)}, "a", _settings, FEW)
    assert found["items"].to_list() == [1] * 6
    assert found.select("low", "high", "difference_low", "p", "p_holm").null_count().row(0) == (
        (6,) * 5
    )
    assert found["value"].null_count() == 0


def test_holm_by_hand() -> None:
    """Holm 1979: 4 x 0.005, 3 x 0.01, 2 x 0.03, and the last no smaller than that."""
    found = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert found.tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).tolist() == []


def test_holm_is_over_all_comparisons_of_a_table() -> None:
    frames = {name: _scores(seed) for seed, name in enumerate("abc")}
    found = assess(frames, "a", _all, FEW)
    for (_, kind), part in found.group_by("measure", "kind"):
        p = part["p"].drop_nulls()
        assert len(p) == part.filter(pl.col("strategy") != "a").height, kind
        assert part["p_holm"].drop_nulls().to_list() == holm(p.to_numpy()).tolist()


def test_a_new_strategy_changes_no_number_of_another() -> None:
    two = assess({"a": _scores(1), "b": _scores(2)}, "a", _all, FEW)
    three = assess({"a": _scores(1), "b": _scores(2), "c": _scores(3)}, "a", _all, FEW)
    assert two.drop("p_holm").equals(three.filter(pl.col("strategy") != "c").drop("p_holm"))
    assert two.schema == SIGNIFICANCE


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(9)), st.randoms(use_true_random=False))
def test_items_renamed_and_rows_mixed_change_no_bit(names: list[int], chance: object) -> None:
    first, second = _scores(1, 9, lacking=0.3), _scores(2, 9, lacking=0.3)
    before = assess({"a": first, "b": second}, "a", _all, FEW)
    new = {f"i{n:02}": f"x{names[n]}" for n in range(9)}
    rows = list(range(first.height))
    chance.shuffle(rows)  # type: ignore[attr-defined]
    mixed = [frame.with_columns(pl.col("item_id").replace(new))[rows] for frame in (first, second)]
    assert assess({"a": mixed[0], "b": mixed[1]}, "a", _all, FEW).equals(before)


def test_gaps_and_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(InputError, match=r"b, d, AP: found 143 scores, 1 of the baseline's"):
        assess({"a": _scores(1), "b": _scores(2)[1:]}, "a", _settings, FEW)
    bad = _scores(2).with_columns(
        score=pl.when(pl.col("item_id") == "i03").then(float("nan")).otherwise(pl.col("score"))
    )
    with pytest.raises(InputError, match=r"12 scores that are no numbers \(cross aa bb i03"):
        assess({"a": _scores(1), "b": bad}, "a", _settings, FEW)


@pytest.mark.parametrize("lacking", [0.0, 0.4])
def test_sums_are_exact_so_threads_and_blas_change_no_bit(lacking: float) -> None:
    """Weighted by whole numbers, in another order, the resampled sums are the same bits."""
    from polybatch.statistics.resampling import _side_by_side

    chance = np.random.default_rng(0)
    table = chance.random((500, 6)) * (chance.random((500, 6)) >= lacking)
    exact, cuts = _side_by_side([table[:, :2], table[:, 2:] / 500])
    assert cuts.tolist() == [2]
    assert np.allclose(exact[:, :2], table[:, :2], atol=1e-12)
    weights = next(bootstrap_weights(chance, 500, 50))
    order = chance.permutation(500)
    slow = [
        [sum(w * x for w, x in zip(row, col, strict=True)) for col in exact.T] for row in weights
    ]
    assert (weights @ exact == slow).all()
    assert (weights[:, order] @ exact[order] == slow).all()
