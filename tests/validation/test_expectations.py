"""Suites round-trip; what is broken is told; Data Docs need no network."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polybatch.core.dataset import REJECTED, table
from polybatch.encoders.pretraining_data import ENCODERS, not_zero_shot, zero_shot
from polybatch.settings.data import DatasetSettings, MinRows, ValidationSettings
from polybatch.sources.catalogue import catalogue
from polybatch.sources.table import SOURCES
from polybatch.validation.expectations import SUITES, broken, build_suites, hold, load_suite
from polybatch.validation.profile import profile
from tests.helpers.small_datasets import dataset

ROOT = Path(__file__).parents[2]
SETS = DatasetSettings("d", "train", ("de", "en"), ("all",), "all", 0.0)
RULES = ValidationSettings("remove", 0.8, 0.8, 30, 2, 1, 1, 60, 0.1, 0.1, 0.1, 0.2, 0.9, 0.8, 100)
GOOD = (
    ("a", "en", "Where was the author born?", "The author was born in the city of Boston."),
    ("a", "de", "Wo wurde der Autor geboren?", "Der Autor wurde in der Stadt Boston geboren."),
)


@pytest.mark.parametrize("name", SUITES)
def test_the_suites_in_the_repository_are_those_that_are_built(name: str) -> None:
    path = ROOT / "src" / "polybatch" / "validation" / "suites" / f"{name}.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored == build_suites()[name]
    assert load_suite(name).to_json_dict()["expectations"] == stored["expectations"]
    assert {path.stem for path in path.parent.glob("*.json")} == set(SUITES)


def _held(
    *rows: tuple[str, str, str, str], rules: ValidationSettings = RULES, suite: str = ""
) -> Any:
    tables = profile(dataset(*rows), table([], REJECTED), SETS, rules).tables
    return hold({suite: tables[suite]} if suite else tables, SETS, rules)


def test_good_data_hold_and_their_pages_are_offline_and_the_same_every_time() -> None:
    held = _held(*GOOD)
    assert broken(held) == []
    for name, (result, page) in held.items():
        assert result["suite"] == name
        assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
        assert "<script" not in page
        assert "url(http" not in page
        assert set(re.findall(r'href="([^"#]+)', page)) == {"index.html"}  # nothing dangles
    again = _held(*GOOD)
    assert {name: result for name, (result, _) in held.items()} == {
        name: result for name, (result, _) in again.items()
    }


@pytest.mark.parametrize(
    ("rows", "where", "found"),
    [
        ((*GOOD, ("b", "sw", "Wapi?", "Hapa.")), "queries.lang", "lang sw|sw"),
        ((GOOD[0],), "pairs.fewest_languages", "1"),
        ((*GOOD, ("b", "en", GOOD[0][2], "Else.")), "queries.duplicates", "0.5"),
        ((GOOD[0], ("a", "de", GOOD[0][2], "Hier.")), "queries.identified", "0.0"),
        ((GOOD[0], ("a", "de", "Πού γεννήθηκε;", "Εδώ.")), "queries.script", "0.0"),
        ((*GOOD, ("b", "en", "Why?", "x" * 61)), "corpus.longest", "61"),
        ((GOOD[0], ("a", "de", GOOD[0][2], GOOD[0][3])), "pairs.untranslated", "1.0"),
    ],
)  # fmt: skip
def test_each_break_is_told_with_its_column(rows: Any, where: str, found: str) -> None:
    told = {place: said for place, said, _ in broken(_held(*rows, suite=where.split(".")[0]))}
    assert where in told
    assert re.search(found, told[where])


def test_an_answer_that_its_document_does_not_hold_is_told_and_shown() -> None:
    data = dataset(*GOOD)
    documents = data.corpus.sort("lang")["doc_id"].to_list()  # in German, in English
    answers = pl.DataFrame(
        {"item_id": ["a", "a", "gone"], "doc_id": [*documents, "d"], "text": ["Boston", "Bonn", ""]}
    )
    profiled = profile(data, table([], REJECTED), SETS, RULES, answers)
    german, english = profiled.tables["pairs"]
    assert (german["answers"], german["cut_answers"]) == (1, 0.0)
    assert (english["answers"], english["cut_answers"]) == (1, 1.0)
    told = {place: said for place, said, _ in broken(hold(profiled.tables, SETS, RULES))}
    assert told == {"pairs.cut_answers": "cut_answers 1.0 (en)"}
    shown = profiled.examples.filter(pl.col("kind").str.starts_with("answer not whole"))
    assert shown["kind"].to_list() == ["answer not whole in its text: Bonn"]


def test_too_few_rows_are_told_with_language_and_number() -> None:
    rules = ValidationSettings(
        "remove", 0.8, 0.8, 30, 2, 4, 1, 60, 0.1, 0.1, 0.1, 0.2, 0.9, 0.8, 100
    )
    told = {
        place: (said, wanted)
        for place, said, wanted in broken(_held(*GOOD, rules=rules, suite="queries"))
    }
    said, wanted = told["queries.rows"]
    assert "rows 1 (de)" in said
    assert wanted == "at least 4"


@pytest.mark.parametrize(("use", "holds"), [("train", False), ("evaluate", True)])
def test_rows_to_train_on_and_to_evaluate_on_are_counted_apart(use: Any, holds: bool) -> None:
    rules, sets = replace(RULES, min_rows=MinRows(2, 1)), replace(SETS, use=use)
    tables = profile(dataset(*GOOD), table([], REJECTED), sets, rules).tables
    told = [place for place, _, _ in broken(hold(tables, sets, rules))]
    assert told == ([] if holds else ["queries.rows", "corpus.rows"])


# What is known of sources and encoders -----------------------------------------------------------


def test_the_page_of_sources_is_up_to_date() -> None:
    page = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    assert page == catalogue(), "run python -m polybatch.sources.catalogue docs/sources.md"
    assert all(f"`{name}`" in page for name in SOURCES)


def test_flags_give_a_reason_for_every_source() -> None:
    for encoder in (*ENCODERS, "something-else"):
        for name in SOURCES:
            flag = zero_shot(encoder, name)
            assert flag.zero_shot in ("yes", "no", "unknown")
            assert flag.because
    assert zero_shot("intfloat/multilingual-e5-base", "xquad-r").zero_shot == "no"
    for name, flag in {
        "xquad-r": "no",
        "miracl": "no",
        "tydiqa": "no",
        "mlqa-r": "no",  # of xP3, which is in the pre-training pairs
        "belebele": "no",
        "afriqa": "unknown",
    }.items():
        assert zero_shot("multilingual-e5-small", name).zero_shot == flag
        assert "2402.05672" in zero_shot("multilingual-e5-small", name).because
    assert zero_shot("use-multilingual", "cldr").zero_shot == "yes"
    searched = {"a": "xquad-r", "b": "afriqa", "c": "cldr"}
    (line,) = not_zero_shot("multilingual-e5-small", searched)
    assert line.startswith("a is not zero-shot for multilingual-e5-small: SQuAD is in its training")
    assert not not_zero_shot("use-multilingual", searched)
