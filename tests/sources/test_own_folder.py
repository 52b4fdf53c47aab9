"""`polybatch validate`: what is read of files before there is a study, by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polybatch.cli import main
from polybatch.core.errors import InputError
from polybatch.sources.own_folder import contents, read_own

ROWS = """item_id,lang,question,answer,split
1,en,Why?,Because.,train
1,sw_TZ,Kwa nini?,Kwa sababu.,train
2,en,Who?,,
3,xx,Who?,Me.,
"""
WIDE = '{"item_id": "9", "question_de": "Warum?", "answer_de": "Darum.", "split": "test"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = tmp_path / "faq"
    own.mkdir()
    (own / "a.csv").write_text(ROWS, encoding="utf-8")
    (own / "b.jsonl").write_text(WIDE, encoding="utf-8")
    (own / "README.md").write_text("mine", encoding="utf-8")
    return own


def test_languages_and_splits_are_those_that_rows_name(folder: Path) -> None:
    assert contents(folder) == (["de", "en", "sw-TZ"], ["test", "train"])
    assert contents(folder / "b.jsonl") == (["de"], ["test"])


def test_the_command_counts_every_row(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [list(one.values()) for one in found["files"]] == [
        ["a.csv", 4, 2, 0, 2], ["b.jsonl", 1, 1, 0, 0],
    ]  # fmt: skip
    assert [list(one.values()) for one in found["languages"]] == [
        ["de", 1, 1], ["en", 1, 1], ["sw-TZ", 1, 1],
    ]  # fmt: skip
    assert sorted((one["row"], one["reason"]) for one in found["rejected"]) == [
        (4, "a question whose item has no answer"),
        (5, "'xx' is no language code; write BCP-47, such as sw or pt-BR"),
    ]
    assert main(["validate", str(folder), "--languages", "en"]) == 0
    text = capsys.readouterr().out
    assert "| a.csv | 4 | 1 | 0 | 3 |" in text
    assert "Rejected (the first 4 of 4):" in text


def test_one_file_is_read_where_it_is_and_nothing_is_written_there(folder: Path) -> None:
    before = sorted(folder.iterdir())
    parsed = read_own(folder / "a.csv", ["en"], ["train"])
    assert parsed.queries["lang"].to_list() == ["en"]
    assert sorted(folder.iterdir()) == before


def test_nothing_to_read_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(folder / "gone")]) == 1
    assert "no such file or folder" in capsys.readouterr().err
    (folder / "c.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"c\.xlsx"):
        contents(folder)
