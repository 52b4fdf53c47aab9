"""The report: sentences and plots by hand, and the whole page in a headless browser."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polybatch.core.dataset import CORPUS, QRELS, QUERIES, Dataset, table
from polybatch.evaluation.language_bias import Bias
from polybatch.reports.contrasts import decided, headlines
from polybatch.reports.html.charts import curves, gains, heatmap, language_gains, trade_off
from polybatch.reports.html.dvc_page import dvc_page
from polybatch.reports.html.explorer import Question, QuestionSet, explorer, questions
from polybatch.reports.html.page import Report, page
from polybatch.reports.html.shape import (
    bias_tables,
    budget_table,
    contrast_tables,
    heat_cells,
    retrieved_cells,
    score_rows,
)
from polybatch.statistics.contrasts import CONTRASTS
from polybatch.statistics.decisions import Rule
from polybatch.statistics.significance import SIGNIFICANCE
from tests.helpers.browser import chromium, visit

ROOT = Path(__file__).parents[2]
NAMES = ["mono", "<b>hybrid</b>"]
EVIL = (
    "</script><script>document.title='evil'</script><img src=x onerror=\"document.title='evil'\">"
)


def _sure(**changes: tuple[float, float, float]) -> pl.DataFrame:
    """Return rows of significance for the second strategy: difference and its interval."""
    rows = []
    for setting, (difference, low, high) in changes.items():
        for name in NAMES:
            base = name == "mono"
            row: dict[str, Any] = dict.fromkeys(SIGNIFICANCE.names())
            row |= {"dataset": "d", "measure": "AP", "kind": "setting", "setting": setting}
            row |= {"group": "all", "strategy": name, "items": 9, "value": 0.5}
            row |= {"low": 0.4, "high": 0.6}
            if not base:
                row |= {"value": 0.5 + difference, "difference": difference}
                row |= {"difference_low": low, "difference_high": high, "p": 0.5, "p_holm": 0.5}
                row |= {"outcome": "undecided"}
            rows.append(row)
            if not base:
                rows.append(row | {"kind": "query language", "group": "sw"})
    return pl.DataFrame(rows, schema=SIGNIFICANCE)


def _contrasts() -> pl.DataFrame:
    """Return a decided contrast and an undecided one, of three trainings."""
    row: dict[str, Any] = dict.fromkeys(CONTRASTS.names())
    row |= {"dataset": "d", "kind": "setting", "group": "all", "measure": "AP", "seeds": 3}
    row |= {"first": NAMES[1], "second": "mono", "clusters": 48, "p_corrected": 0.001}
    cross = {"setting": "cross", "difference": 0.012, "low": 0.008, "high": 0.016}
    mono = {"setting": "mono", "difference": -0.004, "low": -0.006, "high": 0.002}
    rows = [row | mono | {"outcome": "undecided"}, row | cross | {"outcome": "better"}]
    return pl.DataFrame(rows, CONTRASTS)


def _dataset() -> Dataset:
    query = {"split": "test"}
    queries = [
        {"query_id": "q1", "item_id": "i1", "lang": "en", "text": "Who wrote it?"} | query,
        {"query_id": "q2", "item_id": "i1", "lang": "ar", "text": "من كتبه؟"} | query,
        {"query_id": "q3", "item_id": "i2", "lang": "sw", "text": EVIL} | query,
    ]
    document = {"title": "", "group_id": None, "document_id": None, "template_id": None}
    corpus = [
        {"doc_id": "d1", "lang": "en", "text": "She wrote it."} | document,
        {"doc_id": "d2", "lang": "ar", "text": "هي كتبته."} | document,
        {"doc_id": "d3", "lang": "sw", "text": EVIL} | document,
    ]
    qrels = [
        {"item_id": "i1", "doc_id": "d1", "relevance": 1},
        {"item_id": "i1", "doc_id": "d2", "relevance": 1},
        {"item_id": "i2", "doc_id": "d3", "relevance": 1},
    ]
    return Dataset("d", table(queries, QUERIES), table(corpus, CORPUS), table(qrels, QRELS))


def _asked() -> QuestionSet:
    keys = ("item_id", "query_lang", "score")
    scores = {
        "mono": pl.DataFrame(
            [("i1", "en", 1.0), ("i1", "ar", 0.2), ("i2", "sw", 0.0)], keys, orient="row"
        ),
        NAMES[1]: pl.DataFrame(
            [("i1", "en", 1.0), ("i1", "ar", 0.9), ("i2", "sw", 0.1)], keys, orient="row"
        ),
    }
    ranked = [(q, d, r) for q in ("q1", "q2", "q3") for r, d in ((2, "d1"), (1, "d3"), (3, "d2"))]
    run = pl.DataFrame(ranked, ["query_id", "doc_id", "rank"], orient="row")
    return QuestionSet(
        _dataset(), "multi", questions(_dataset(), scores, dict.fromkeys(scores, run))
    )


def test_questions_carry_scores_best_documents_and_english() -> None:
    packed, shown = explorer([_asked()], NAMES, "AP", 10_000)
    part = json.loads(gzip.decompress(packed))["datasets"]["d"]
    assert shown == {"d": (3, 3)}
    lang, text, item, scores, tops = part["questions"][1]
    assert (lang, text, scores) == ("ar", "من كتبه؟", [20, 90])
    documents = part["documents"]
    assert [documents[number][1] for number in tops[0]] == [EVIL, "She wrote it.", "هي كتبته."]
    english, answer, relevant = part["items"][item]
    assert english == "Who wrote it?"
    assert documents[answer][1] == "She wrote it."
    assert [documents[number][0] for number in relevant] == ["en", "ar"]
    arabic = documents[tops[0][2]]
    assert documents[arabic[2]][1] == "She wrote it."
    assert documents[tops[0][0]][2] == -1  # Swahili alone: no English of it


def test_what_does_not_fit_is_left_out_and_counted() -> None:
    many = tuple(
        Question(f"q{n}", "i1", "en", f"text {n * 7919 % 1000}", (0.0, n / 500), ((), ()))
        for n in range(500)
    )
    packed, shown = explorer([QuestionSet(_dataset(), "multi", many)], NAMES, "AP", 1500)
    assert len(packed) <= 1500
    held, there = shown["d"]
    assert 10 < held < there == 500
    rows = json.loads(gzip.decompress(packed))["datasets"]["d"]["questions"]
    assert max(row[3][1] for row in rows) == 100  # where they disagree most
    assert min(row[3][1] for row in rows) == 0  # and evenly spread


def _report() -> Report:
    sure = _sure(mono=(-0.004, -0.006, -0.002), cross=(0.012, 0.008, 0.016))
    comparison = pl.DataFrame(
        {
            "strategy": [*NAMES, *NAMES],
            "dataset": ["d"] * 4,
            "setting": ["mono", "mono", "cross", "cross"],
            "measure": ["AP"] * 4,
            "value": [0.5, 0.496, 0.5, 0.512],
            "difference": [None, -0.004, None, 0.012],
            "spread": [None] * 4,
        },
        schema_overrides={"spread": pl.Float64},
    )
    data, shown = explorer([_asked()], NAMES, "AP", 10_000)
    loss = pl.DataFrame({"step": [1, 2], "loss": [2.0, 1.0]})
    cells = {"d": {name: [["sw", "en", 50.0], ["en", "en", 90.0]] for name in NAMES}}
    bias = {name: {"d": Bias(panel={"Max@R": 3.0})} for name in NAMES}
    return Report(
        study=EVIL,
        focus=NAMES[1],
        baseline="mono",
        headlines=headlines(_contrasts(), Rule(0.005, 0.95), 3),
        scores=score_rows(
            comparison, sure, "AP", (NAMES[1], "mono"), decided(_contrasts(), "mono")
        ),
        plots={
            "measure": "R@1",  # of a study without AP, of which heat maps are all the same
            "focus": NAMES[1],
            "baseline": "mono",
            "trade_offs": {"d": trade_off(sure, "AP", "d", NAMES)},
            "heat": {
                "cells": cells,
                "retrieved": cells,
                "values": heatmap(differences=False),
                "differences": heatmap(differences=True),
            },
            "gains": {"d": language_gains(sure, "AP", "d", ["sw"])},
            "gain": gains(),
            "curves": curves(dict.fromkeys(NAMES, loss), NAMES),
            "adaptation": None,
        },
        tables={
            "contrasts": contrast_tables(_contrasts()),
            "bias": bias_tables(bias),
            "training": [budget_table({name: {"steps": 2} for name in NAMES})],
        },
        facts={"made": [("notes", EVIL)]},
        explorer=data,
        shown=shown,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chromium()
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(page(_report()), encoding="utf-8")
    return path


def test_the_page_loads_nothing_and_runs_no_text(written: Path) -> None:
    with visit(written) as found:
        assert found.requests == [written.as_uri()]
        assert found.said == []
        assert "evil" not in found.page.title().split(":")[0].replace("'evil'", "")
        assert found.page.locator("#trade-offs svg").count() == 1
        assert found.page.locator("#heat svg").count() == 1
        for kind, said in (("values", "AP in percent of"), ("differences", "AP of")):
            found.page.select_option("#heat-kind", kind)
            assert found.page.inner_text("#heat-caption").startswith(f"{said} {NAMES[1]}")
        assert found.page.locator("img").count() == 0
        assert NAMES[1] in found.page.inner_text("#score-table")


def test_scores_are_written_as_in_compare_md_and_decided_ones_are_bold(written: Path) -> None:
    with visit(written) as found:
        row = found.page.locator("#score-table tbody tr").nth(1)
        assert row.locator("td").all_inner_texts() == [
            "49.6 -0.4 [-0.6, -0.2]", "51.2 +1.2 [0.8, 1.6]",
        ]  # fmt: skip
        assert row.locator("td.decided").all_inner_texts() == ["51.2 +1.2 [0.8, 1.6]"]
        words = found.page.inner_text("main section")
        assert "beats mono by 1.2 points of cross-lingual AP [0.8, 1.6]" in words


def test_languages_that_the_encoder_does_not_know_are_marked(written: Path) -> None:
    frame = pl.DataFrame({"dataset": "d", "query_lang": "am", "doc_lang": "en", "AP": [0.5]})
    assert heat_cells({"mono": frame}, "AP", ["am"]) == {"d": {"mono": [["am †", "en", 50.0]]}}
    bias = {"mono": {"d": Bias(matrix={"en": {"am": 0.25}})}}
    assert retrieved_cells(bias, ["am"]) == {"d": {"mono": [["en", "am †", 25.0]]}}
    with visit(written) as found:
        assert found.page.locator("#gain svg", has_text="sw †").count() == 1


def test_questions_are_searched_filtered_ordered_and_opened(written: Path) -> None:
    with visit(written) as found:
        open_page = found.page
        assert "3 questions" in open_page.inner_text("#q-count")
        assert "those that the first one found" in open_page.inner_text("#questions .note")
        assert (
            open_page.locator("#q-list bdi").first.inner_text() == "من كتبه؟"
        )  # most disagreed on
        open_page.fill("#q-text", "WROTE who")
        assert "2 questions" in open_page.inner_text("#q-count")  # English and its Arabic parallel
        open_page.select_option("#q-lang", "ar")
        assert "1 questions" in open_page.inner_text("#q-count")
        button = open_page.locator("#q-list button").first
        button.focus()
        open_page.keyboard.press("Enter")
        assert button.get_attribute("aria-expanded") == "true"
        detail = open_page.inner_text(".detail")
        assert "English: Who wrote it?" in detail
        assert EVIL in detail
        assert "✓ right" in detail
        arabic = open_page.locator(".found bdi[lang=ar]").first
        assert arabic.get_attribute("dir") == "rtl"
        assert found.said == []


def test_tables_sort(written: Path) -> None:
    with visit(written) as found:
        rows = found.page.locator("#score-table tbody tr th")
        assert rows.all_inner_texts() == NAMES
        head = found.page.locator("#score-table thead th", has_text="d cross")
        for way, names in (("ascending", NAMES), ("descending", NAMES[::-1])):
            head.click()
            found.page.wait_for_selector(f"#score-table th[aria-sort={way}]")
            assert rows.all_inner_texts() == names


@pytest.mark.parametrize(("width", "dark"), [(375, False), (375, True), (1280, True)])
def test_it_fits_a_phone_and_the_dark(written: Path, width: int, dark: bool) -> None:
    with visit(written, width=width, dark=dark) as found:
        wide = found.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
        back = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (back == "rgb(255, 255, 255)") != dark
        found.page.click("#theme")
        other = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (other == "rgb(255, 255, 255)") == dark
        assert found.said == []


def test_the_page_of_dvcs_plots_is_the_one_that_is_made() -> None:
    stored = (ROOT / ".dvc" / "plots.html").read_text(encoding="utf-8")
    pages = [_unpacked(text) for text in (stored, dvc_page())]
    assert pages[0] == pages[1]


def _unpacked(text: str) -> tuple[str, bytes]:
    found = re.search(r'id="vega">([^<]+)<', text)
    assert found
    return text.replace(found[1], ""), gzip.decompress(base64.b64decode(found[1]))
