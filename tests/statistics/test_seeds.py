"""Means and spreads over seeds, by hand."""

from __future__ import annotations

import polars as pl
import pytest

from polybatch.core.errors import InputErrorList
from polybatch.evaluation.scores import SCORES
from polybatch.statistics.seeds import (
    mean_numbers,
    mean_scores,
    seeds_section,
    spread_over_seeds,
)


def _summaries(**values: list[float]) -> dict[str, list[dict[str, dict[str, dict[str, float]]]]]:
    return {
        name: [{"d": {"mono": {"AP": value}, "cross": {"AP": value / 2}}} for value in found]
        for name, found in values.items()
    }


def test_the_spread_is_the_one_computed_by_hand() -> None:
    table = spread_over_seeds(_summaries(mono=[0.5, 0.6, 0.7], hybrid=[0.62, 0.62, 0.68]))
    row = table.row(
        by_predicate=(pl.col("strategy") == "hybrid") & (pl.col("setting") == "mono"), named=True
    )
    assert row["mean"] == pytest.approx(0.64)
    # (0.02² + 0.02² + 0.04²) / 2 = 0.0012
    assert row["spread"] == pytest.approx(0.0012**0.5)
    assert (row["lowest"], row["highest"], row["seeds"]) == (0.62, 0.68, 3)
    assert table.row(0, named=True)["spread"] == pytest.approx(0.1)
    assert "| hybrid | d | mono | 3 | 64.0 ± 3.5 | 62.0 to 68.0 |" in seeds_section(table, "AP")


def test_one_seed_has_no_spread_and_says_how_to_have_one() -> None:
    table = spread_over_seeds(_summaries(mono=[0.5], hybrid=[0.6]))
    assert table["spread"].null_count() == table.height
    assert "study.seeds: [0, 1, 2]" in seeds_section(table, "AP")


def _scores(values: list[float]) -> pl.DataFrame:
    rows = [("d", "multi", "sw", "*", f"i{n}", "AP", value) for n, value in enumerate(values)]
    return pl.DataFrame(rows, schema=SCORES, orient="row")


def test_scores_are_averaged_query_by_query_whatever_the_order_of_rows() -> None:
    one, other = _scores([0.0, 0.5, 1.0]), _scores([1.0, 0.5, 0.5])
    mean = mean_scores([one, other[::-1]])
    assert mean["score"].to_list() == [0.5, 0.5, 0.75]
    assert mean.schema == SCORES
    assert mean_scores([one]) is one


def test_trees_are_averaged_number_by_number_and_null_stays_null() -> None:
    trees = [{"a": {"b": [1, None]}, "c": "x"}, {"a": {"b": [4, 2.0]}, "c": "y"}]
    assert mean_numbers(trees) == {"a": {"b": [2.5, None]}, "c": "x"}


def test_seeds_scored_on_other_data_are_refused() -> None:
    from polybatch.reports.comparison import refuse_different_revisions

    with pytest.raises(InputErrorList, match="strategies mono-0 and mono-1, dataset d"):
        refuse_different_revisions({"mono-0": {"d": "1f"}, "mono-1": {"d": "2e"}}, "mono-0")
