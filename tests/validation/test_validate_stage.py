"""The stage `validate` as a whole, on files of our own: tables, rejected rows, report and pages."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from polybatch.core.dataset import REJECTED, Dataset, read_dataset, read_table
from polybatch.core.errors import InputErrorList
from polybatch.core.files import sha256_of
from polybatch.settings.load import load
from polybatch.validation.expectations import SUITES
from stages.download import download
from stages.validate import validate

ROOT = Path(__file__).parents[2]


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


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        ({}, "Looked for: equal texts only (validation.near_duplicate and contained_characters,"),
        ({"near_duplicate: 1.0": "near_duplicate: 0.95"},
         "Looked for: equal texts, texts that have 95 % of their character trigrams in common."),
        ({"contained_characters: 100000": "contained_characters: 70", "contained: 0.8":
          "contained: 0.9"}, "Looked for: equal texts, texts of 70 characters or more of which 90"),
    ],
)  # fmt: skip
def test_where_nothing_leaks_the_report_says_what_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edits: dict[str, str], says: str
) -> None:
    config = _study(tmp_path, monkeypatch, edits)
    _write(tmp_path)
    download(config, "local")
    validate(config, "")
    report = Path("results/validation.md").read_text(encoding="utf-8")
    assert f"None. {says}" in report


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


def test_where_leaks_take_everything_the_error_and_the_report_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _study(tmp_path, monkeypatch, {})
    rows = ["item_id,lang,question,answer,split"]
    for n in range(20):
        for split in ("train", "test"):
            rows += [f"{split}{n},{lang},{lang} {n}?,{lang} {n}.,{split}" for lang in ("de", "en")]
    rows.append(",en,,Closed today.,train")  # a document that is left alone
    (tmp_path / "inputs/faq").mkdir(parents=True)
    (tmp_path / "inputs/faq/faq.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    download(config, "local")
    with pytest.raises(InputErrorList) as caught:
        validate(config, "")
    told = str(caught.value)
    assert "nothing left in de, en: 20 of 20 items were removed as leaks of held" in told
    assert "Remove the language" not in told
    report = Path("results/validation.md").read_text(encoding="utf-8")
    assert "20 of 20 items were removed as leaks of held" in report
    assert "in held (the same text)" in report
