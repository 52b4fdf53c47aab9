"""Suites round-trip; what is broken is told; Data Docs need no network; the stage as a whole."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polybatch.core.dataset import REJECTED, Dataset, read_dataset, read_table, table
from polybatch.core.errors import InputErrorList
from polybatch.core.files import sha256_of
from polybatch.encoders.pretraining_data import ENCODERS, not_zero_shot, zero_shot
from polybatch.settings.data import DatasetSettings, MinRows, ValidationSettings
from polybatch.settings.load import load
from polybatch.sources.catalogue import catalogue
from polybatch.sources.table import SOURCES
from polybatch.validation.expectations import SUITES, broken, build_suites, hold, load_suite
from polybatch.validation.profile import profile
from stages.download import download
from stages.validate import validate
from tests.validation.test_quality import dataset

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


# The stage ---------------------------------------------------------------------------------------

HEAD = "item_id,lang,question,answer\n"


def _study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edits: Mapping[str, str]) -> Any:
    """A study on sixty items of our own in two languages, in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    start, end = text.index("sources:"), text.index("validation:")
    own = """sources:
  local: {languages: [de, en], splits: [train, test], folder: inputs/faq}
datasets:
"""
    for name, use, split in (("ours", "train", "train"), ("held", "evaluate", "test")):
        own += f"  {name}: {{source: local, use: {use}, languages: [de, en], splits: [{split}],"
        own += " part: all, heldout_share: 0.0}\n"
    text = text[:start] + own + text[end:]
    for old, new in ({"min_rows: 64": "min_rows: 8"} | dict(edits)).items():
        assert old in text
        text = text.replace(old, new)
    text = text.replace("texts: [cldr-train]", "texts: [ours]")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    return load(tmp_path / "params.yaml")


def _write(tmp_path: Path, *more: str) -> None:
    rows = ["item_id,lang,question,answer,split"]
    for n in range(30):
        split = "train" if n < 20 else "test"
        rows.append(
            f"i{n},en,What costs article number {n} in the shop?,It costs {n} pounds,{split}"
        )
        rows.append(
            f"i{n},de,Was kostet der Artikel Nummer {n} im Laden?,Er kostet {n} Euro,{split}"
        )
    folder = tmp_path / "inputs" / "faq"
    folder.mkdir(parents=True)
    (folder / "faq.csv").write_text("\n".join([*rows, *more]) + "\n", encoding="utf-8")


def _files(folder: Path) -> dict[str, str]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): sha256_of(path) for path in found}


def test_the_stage_writes_tables_rejected_rows_report_and_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _study(tmp_path, monkeypatch, {})
    leak = "x1,en,What costs article number 25 in the shop?,A <b>thief</b> knows,train"
    broken_row = "x2,en,What\x00is this =cmd()?,<script>alert(1)</script>,train"
    _write(tmp_path, leak, broken_row)
    download(config, "local")
    assert validate(config, "") == "2 datasets"
    rejected = read_table(Path("data/valid/ours/rejected.parquet"), REJECTED)
    assert sorted(set(rejected["reason"])) == [
        "control character",
        "its item has a text of an evaluation dataset",
        "not requested: split 'test'",
        "text of evaluation dataset held, i25:en",
    ]
    summary = json.loads(Path("results/validation.json").read_text(encoding="utf-8"))
    assert summary["datasets"]["ours"]["leaks"] == 1
    assert set(summary["shared_texts"].values()) == {0}
    report = Path("results/validation.md").read_text(encoding="utf-8")
    assert "What‹U+0000›is this =cmd" in report
    assert "<b>" not in report
    assert "<script>" not in report
    pages = {path.name for path in Path("results/expectations").glob("*.html")}
    assert pages == {"index.html"} | {
        f"{name}.{suite}.html" for name in ("ours", "held") for suite in SUITES
    }
    first = _files(Path("results")) | _files(Path("data/valid"))
    validate(config, "")
    assert first == _files(Path("results")) | _files(Path("data/valid"))


def test_the_stage_fails_with_the_reason_and_leaves_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _study(tmp_path, monkeypatch, {"leakage: remove": "leakage: fail"})
    leak = "x1,en,What costs article number 25 in the shop?,I know,train"
    _write(tmp_path, leak, *(f"y{n},de,Wa\x01s?,Ja,train" for n in range(4)))
    download(config, "local")
    with pytest.raises(InputErrorList) as caught:
        validate(config, "")
    told = str(caught.value)
    assert "dataset ours, language de: found 4 of" in told
    assert "most of them: control character" in told
    assert "1 training texts that stand in an evaluation dataset" in told
    assert not Path("data/valid").exists()
    assert "Expectations that do not hold" in Path("results/validation.md").read_text()


def test_a_language_of_three_rows_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = _study(tmp_path, monkeypatch, {"languages: [de, en]": "languages: [de, en, sw]"})
    rows = [f"i{n},sw,Bidhaa nambari {n} ni bei gani?,Ni shilingi {n},train" for n in range(3)]
    _write(tmp_path, *rows, "i25,sw,Bidhaa hii?,Ni shilingi,test")
    download(config, "local")
    with pytest.raises(InputErrorList, match=r"queries\.rows: found rows 3 \(sw\).*at least 8"):
        validate(config, "")


FAQ = """sources:
  local: {languages: [de, en], splits: [all], folder: inputs/faq}
datasets:
  ours: {source: local, use: train, languages: [de, en], splits: [all], part: train,
    heldout_share: 0.3}
  held: {source: local, use: evaluate, languages: [de, en], splits: [all], part: heldout,
    heldout_share: 0.3}
"""


def _faq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *more: str) -> Dataset:
    """Validate forty questions of one file, two an answer; return what is held out."""
    folder = tmp_path / name
    folder.mkdir()
    config = _study(folder, monkeypatch, {"min_rows: 8": "min_rows: {train: 8, evaluate: 2}"})
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    start, end = text.index("sources:"), text.index("validation:")
    (folder / "params.yaml").write_text(text[:start] + FAQ + text[end:], encoding="utf-8")
    config = load(folder / "params.yaml")
    rows = ["item_id,lang,question,answer"]
    for n in range(40):
        answer = f"{n // 2} pounds", f"{n // 2} Euro"
        rows.append(f"i{n},en,What costs article number {n} in the shop?,It costs {answer[0]}")
        rows.append(f"i{n},de,Was kostet der Artikel Nummer {n} im Laden?,Er kostet {answer[1]}")
    files = folder / "inputs" / "faq"
    files.mkdir(parents=True)
    content = "\n".join([rows[0], *more, *rows[1:]]) + "\n"
    (files / f"{name}.csv").write_text(content, encoding="utf-8")
    offices = [{"lang": "en", "document": f"Office {n} is closed today."} for n in range(30)]
    (files / "more.jsonl").write_text("\n".join(map(json.dumps, offices)), encoding="utf-8")
    download(config, "local")
    validate(config, "")
    return read_dataset(Path("data/valid/held"))


def test_a_small_faq_with_two_questions_an_answer_runs_and_its_split_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = _faq(tmp_path, monkeypatch, "faq")
    items = held.queries["item_id"].n_unique()
    assert 2 <= items < 40
    asked = held.corpus.join(held.qrels, on="doc_id", how="semi")
    assert asked.height == items  # an answer in each of two languages for two items
    assert held.corpus.height == items + 30  # the offices, which nobody asks for, are searched
    train = read_dataset(Path("data/valid/ours"))
    assert not train.corpus["text"].str.contains("Office").any()
    rejected = [
        read_table(Path(f"data/valid/{name}/rejected.parquet"), REJECTED)
        for name in ("ours", "held")
    ]
    # equal answers of a language have one id from the reader on: nothing is left to merge
    assert [each.height for each in rejected] == [0, 0]
    report = Path("results/validation.md").read_text(encoding="utf-8")
    assert "held has few items" in report
    assert re.search(r"drawn as one: \d+ \(i\d+ \+ i\d+;", report)
    new = "new,en,How is the weather in the shop?,It is good"
    for name, more in (("faq-2026", ()), ("a", (new,))):
        again = _faq(tmp_path, monkeypatch, name, *more)
        moved = set(again.queries["item_id"]) ^ set(held.queries["item_id"])
        assert moved <= {"new"}


def test_empty_data_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = _study(tmp_path, monkeypatch, {})
    _write(tmp_path)
    shutil.copyfile(tmp_path / "inputs" / "faq" / "faq.csv", tmp_path / "whole.csv")
    (tmp_path / "inputs" / "faq" / "faq.csv").write_text("item_id,lang,question,answer\n")
    download(config, "local")
    with pytest.raises(Exception, match="no row in de, en"):
        validate(config, "")


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
