"""Tables of strategies, by hand."""

from __future__ import annotations

import polars as pl
import pytest

from polybatch.core.errors import InputError, InputErrorList
from polybatch.evaluation.scores import SCORES
from polybatch.reports.comparison import (
    COMPARISON,
    budget_table,
    comparison,
    escape,
    markdown,
    measure_table,
    refuse_different_queries,
    report,
)
from polybatch.reports.contrasts import contrast_section, known_section
from polybatch.statistics.contrasts import CONTRASTS
from polybatch.statistics.decisions import Rule

SUMMARIES = {
    "zero-shot": {
        "xquad-r": {
            "mono": {"AP": 0.501, "R@1": 0.4},
            "cross": {"AP": 0.3, "R@1": 0.2},
            "multi": {"AP": 0.25, "R@1": 0.05},
        },
        "cldr": {"mono": {"AP": 0.9, "R@1": 0.8}},
    },
    "mono": {
        "xquad-r": {
            "mono": {"AP": 0.6124, "R@1": 0.5},
            "cross": {"AP": 0.2999, "R@1": 0.2},
            "multi": {"AP": 0.2, "R@1": 0.04},
        },
        "cldr": {"mono": {"AP": 0.91, "R@1": 0.8}},
    },
    "hybrid_x|y": {
        "xquad-r": {
            "mono": {"AP": 0.6121, "R@1": 0.51},
            "cross": {"AP": 0.45, "R@1": 0.3},
            "multi": {"AP": 0.4, "R@1": 0.06},
        }
    },
}


def _scores(items: int, measures: tuple[str, ...] = ("AP", "R@1")) -> pl.DataFrame:
    rows = [
        ("xquad-r", "mono", "en", "en", f"i{item}", measure, 0.5)
        for measure in measures
        for item in range(items)
    ]
    return pl.DataFrame(rows, schema=SCORES, orient="row")


def test_the_table_of_a_measure_by_hand() -> None:
    table = comparison(SUMMARIES, "mono")
    assert table.schema == COMPARISON
    shown = measure_table(table, "AP", bold=[("hybrid_x|y", "xquad-r", "cross")])
    assert shown.columns == [
        "strategy", "xquad-r mono", "xquad-r cross", "xquad-r multi", "cldr mono",
    ]  # fmt: skip
    assert shown.rows() == [
        ("zero-shot", "50.1 (-11.1)", "30.0 (+0.0)", "25.0 (+5.0)", "90.0 (-1.0)"),
        ("mono", "61.2", "30.0", "20.0", "91.0"),
        ("hybrid\\_x\\|y", "61.2 (+0.0)", "45.0 (**+15.0**)", "40.0 (+20.0)", "–"),
    ]
    plain = measure_table(table, "R@1")
    assert plain["xquad-r mono"].to_list() == ["40.0 (-10.0)", "50.0", "51.0 (+1.0)"]


def test_csv_keeps_all_digits_and_says_nothing_of_the_baseline_itself() -> None:
    table = comparison(SUMMARIES, "mono")
    lines = table.write_csv().splitlines()
    assert lines[0] == "strategy,dataset,setting,measure,value,difference,spread"
    assert "mono,xquad-r,mono,AP,0.6124,," in lines
    assert table.height == 8 + 8 + 6


def test_a_baseline_that_was_not_evaluated_is_refused() -> None:
    with pytest.raises(InputError, match="found cross, expected one of zero-shot, mono"):
        comparison(SUMMARIES, "cross")


def test_strategies_scored_on_the_same_queries_pass() -> None:
    refuse_different_queries({"mono": _scores(5), "hybrid": _scores(5)[::-1]}, "mono")


def test_strategies_scored_on_different_queries_are_named_with_the_numbers() -> None:
    more = _scores(5).with_columns(pl.col("item_id").replace("i0", "i9"))
    per_query = {
        "mono": _scores(5),
        "hybrid": more,
        "cross": _scores(3),
        "x-x": _scores(5, ("AP",)),
        "x-y": _scores(0),
        "same": _scores(5),
    }
    with pytest.raises(InputErrorList) as caught:
        refuse_different_queries(per_query, "mono")
    found = [(error.where, error.found) for error in caught.value.errors]
    assert found == [
        (
            "strategies mono and hybrid, dataset xquad-r",
            "1 judged queries only in the first and 1 only in the second",
        ),
        (
            "strategies mono and cross, dataset xquad-r",
            "2 judged queries only in the first and 0 only in the second",
        ),
        ("strategies mono and x-x, dataset xquad-r", "measures in one only: R@1"),
        (
            "strategies mono and x-y, dataset xquad-r",
            "5 judged queries only in the first and 0 only in the second",
        ),
    ]


def test_budgets_by_hand() -> None:
    budgets = {
        "zero-shot": {},
        "a_b": {"steps": 400, "tokens": 1234567, "share": 0.5, "kind": "x|y"},
    }
    assert budget_table(budgets).rows() == [
        ("zero-shot", "–", "–", "–", "–"),
        ("a\\_b", "400", "1,234,567", "0.5", "x\\|y"),
    ]


def test_the_report_holds_all_its_parts_in_order() -> None:
    text = report(
        comparison(SUMMARIES, "mono"),
        "mono",
        {"mono": {"steps": 400}},
        {"seed": 0, "xquad-r revision": "abc_1"},
        {"Significance": "| a |\n|---|\n"},
    )
    order = [
        "# Strategies compared",
        "| mono | 61.2 |",
        "## Significance",
        "## R@1",
        "## Training data of each strategy",
        "## How the numbers are made",
        "- **seed**: 0",
        "- **xquad-r revision**: abc\\_1",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert text.endswith("\n")
    assert text == report(
        comparison(SUMMARIES, "mono"),
        "mono",
        {"mono": {"steps": 400}},
        {"seed": 0, "xquad-r revision": "abc_1"},
        {"Significance": "| a |\n|---|\n"},
    )


def test_every_row_of_a_markdown_table_has_as_many_cells() -> None:
    lines = markdown(measure_table(comparison(SUMMARIES, "mono"), "AP")).splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert lines[1] == "|:---|---:|---:|---:|---:|"


def test_marks_are_escaped_and_lines_joined() -> None:
    assert escape("a|b\n*c* <d> `e`") == "a\\|b \\*c\\* \\<d\\> \\`e\\`"


def test_without_declared_contrasts_their_sections_say_that_alone() -> None:
    """The encoder's languages are known all the same, and stand in the section above."""
    none = CONTRASTS.to_frame()
    sections = (
        contrast_section(none, Rule(0.005, 0.95)),
        known_section(none, "language of the encoder", "AP"),
    )
    assert all(section.startswith("None is declared") for section in sections)
