"""`polybatch validate`: what is read of files before there is a study, by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polybatch.cli import main
from polybatch.core.errors import InputError
from polybatch.settings.load import load
from polybatch.sources.own_folder import contents, read_own
from tests.helpers.own_files import read

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


def test_rows_that_the_stage_rejects_are_not_called_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rules of a new study: no control characters, at most 20,000 characters."""
    path = tmp_path / "faq.csv"
    rows = ["item_id,lang,question,answer", "1,en,Why?,Because.", "2,en,Wh\x01o?,Me."]
    path.write_text("\n".join([*rows, f"3,en,When?,{'now ' * 6000}"]) + "\n", encoding="utf-8")
    assert main(["validate", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["languages"] == [{"language": "en", "questions": 1, "documents": 2}]
    assert [(one["item_id"], one["reason"]) for one in found["rejected"]] == [
        ("2", "control character"),
        (found["rejected"][1]["item_id"], "longer than max_characters"),
        ("3", "no relevant document is left"),
    ]
    assert any("the stage validate rejects: 3" in note for note in found["notes"])
    assert main(["validate", str(path)]) == 0
    assert "control character" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("head", "lang", "says"),
    [
        (
            "lang,document",
            "English",
            "found 'English' in place of language codes.* For 'English' write 'en'",
        ),
        (
            "item_id,question_german,answer_german",
            "Wo?",
            "found 'german' in .* For 'german' write 'de'",
        ),
        ("item_id,question_xx,answer_xx", "Wo?", "found 'xx' in place .* Write the codes"),
        ("ID,Lang,Question", "en", "no row with a language .* mean 'Lang'"),
        ("id,language,question", "en", "mean 'language'"),
        ("item_id,Question_EN,Answer_EN", "Why?", "mean 'Question_EN'"),
        ("item_id,question-en,answer-en", "Why?", "mean 'question-en'"),
        ("item_id,en_question,en_answer", "Why?", "mean 'en_question'"),
        ("item_id,question,answer", "Why?", "Add the codes"),
        ("query-id,corpus-id,score", "q1", "read by the source beir"),
    ],
)
def test_files_without_a_language_are_refused_with_what_was_meant(
    tmp_path: Path, head: str, lang: str, says: str
) -> None:
    path = tmp_path / "faq.csv"
    path.write_text(f"{head}\n1,{lang},So.\n".replace("1,English", "English"), encoding="utf-8")
    with pytest.raises(InputError, match=says):
        contents(path)


@pytest.mark.parametrize(
    ("rows", "rejected"),
    [
        ("item_id,question_en,answer_en,question_fr,answer_fr\n1,Why?,So.,,\n", 0),  # to be filled
        ("item_id,lang,question,answer\n1,en,Why?,So.\n2,fr,Pourquoi?,\n", 1),
        ("item_id,lang,question_en,answer_en\n1,fr,Why?,So.\n", 0),  # lang of the original
    ],
)
def test_a_language_of_which_no_row_can_be_used_is_counted_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str, rejected: int
) -> None:
    path = tmp_path / "faq.csv"
    path.write_text(rows, encoding="utf-8")
    assert main(["validate", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    counts = [list(one.values()) for one in found["languages"]]
    assert (counts, len(found["rejected"])) == ([["en", 1, 1], ["fr", 0, 0]], rejected)
    assert main(["init", str(tmp_path / "mine"), "--from", str(path)]) == 0
    assert ", and not in fr, of which no row can be used. Next" in capsys.readouterr().out
    assert load(tmp_path / "mine/params.yaml").sources["local"].languages == ("en",)
    assert main(["validate", str(path), "--languages", "en", "fr"]) == 1
    assert "no row in fr" in capsys.readouterr().err


def test_one_file_is_read_where_it_is_and_nothing_is_written_there(folder: Path) -> None:
    before = sorted(folder.iterdir())
    parsed = read_own(folder / "a.csv", ["en"], ["train"])
    assert parsed.queries["lang"].to_list() == ["en"]
    assert sorted(folder.iterdir()) == before


def test_nothing_to_read_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(folder / "README.md")]) == 1
    assert "found no file of rows, expected .jsonl, .csv or .tsv" in capsys.readouterr().err
    assert main(["validate", str(folder / "gone")]) == 1
    assert "no such file or folder" in capsys.readouterr().err
    (folder / "c.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"c\.xlsx"):
        contents(folder)


@pytest.mark.parametrize(
    ("head", "row", "there", "left_out"),
    [
        ("item_id,lang,question,answer,document_id", "1,en,Why?,So.,d17", ["en"], "document_id"),
        ("item_id,lang,question,answer,answer_no", "1,en,Why?,Because.,7", ["en"], "answer_no"),
        ("item_id,question_en,answer_en,document_id", "1,Why?,Because.,d17", ["en"], "document_id"),
        ("item_id,question_en,answer_en,question_ID", "1,Why?,Because.,q17", ["en"], "question_ID"),
        ("item_id,question_en,answer_en,title_de", "1,Why?,Because.,Grund", ["en"], ""),
        ("item_id,lang,question,answer,question_sw,answer_sw", "1,en,Why?,So.,Mbona?,Sababu.",
         ["en", "sw"], ""),
        ("item_id,lang,question,document,question_id,document_id", "1,en,Why?,So.,q17,d17",
         ["en"], "question_id document_id"),
        ("item_id,lang,question,answer,question_no,answer_no", "1,en,Why?,So.,7,7",
         ["en"], "question_no answer_no"),
        ("item_id,question_id,answer_id", "1,Kenapa?,Begitu.", ["id"], ""),
        ("item_id,question_id,answer_id,question_en,answer_en", "1,q17,7,Why?,So.", ["en"], ""),
        ("item_id,question_no,answer_no,question_en,answer_en", "1,7,,Why?,So.", ["en"], ""),
        ("item_id,question_en,answer_en,question_sw", "1,Why?,Because.,Mbona?", ["en", "sw"], ""),
    ],
)  # fmt: skip
def test_identifiers_named_like_texts_of_a_language_are_none(
    tmp_path: Path, head: str, row: str, there: list[str], left_out: str
) -> None:
    """Rows with one question each: what is read of them is what a person would read."""
    path = tmp_path / "faq.csv"
    path.write_text(f"{head}\n{row}\n", encoding="utf-8")
    languages, _ = contents(path)
    assert languages == there
    found = read_own(path, languages, [])
    assert sorted(found.queries["lang"]) == there
    assert {"d17", "7", "q17"}.isdisjoint([*found.queries["text"], *found.corpus["text"]])
    notes = [note for note in found.notes if "is not read as language" in note]
    told = sorted(note.partition("the column ")[2].split()[0] for note in notes)
    assert told == sorted(left_out.split())
    for note, column in zip(sorted(notes), told, strict=True):
        assert f"that takes `columns: [{column}={column}]`" in note  # the next test does so


def test_a_lone_column_is_left_out_where_its_language_is_requested_unless_params_map_it(
    tmp_path: Path,
) -> None:
    rows = "item_id,lang,question,answer,document_id\n1,en,Why?,Because.,Begitu.\n"
    files = {"a.csv": rows, "b.csv": "item_id,lang,question,answer\n1,id,Kenapa?,Sebab.\n"}
    found = read(tmp_path, files, ("en", "id"))
    assert sorted(found.corpus["text"]) == ["Because.", "Sebab."]
    found = read(tmp_path, {"a.csv": rows}, ("en", "id"), columns=("document_id=document_id",))
    assert sorted(found.corpus["text"]) == ["Because.", "Begitu.", "Sebab."]
    with pytest.raises(InputError, match=r"no row in id .*the column document_id is not read as"):
        read_own(tmp_path / "own/a.csv", ["en", "id"], [])


def test_several_codes_of_a_language_are_one(tmp_path: Path) -> None:
    """By CLDR's likely subtags zh is zh-Hans-CN and en is en-US; en-GB is another."""
    codes = ("zh-CN", "zh-Hans", "zh", "en_US", "en", "en-GB", "pt-BR", "pt-Latn-BR")
    path = tmp_path / "faq.csv"
    rows = (f"{at},{code},Q{at}?,A{at}." for at, code in enumerate(codes))
    path.write_text("item_id,lang,question,answer\n" + "\n".join(rows) + "\n", encoding="utf-8")
    languages, _ = contents(path)
    assert languages == ["en", "en-GB", "pt-BR", "zh"]
    found = read_own(path, languages, [])
    assert found.rejected.is_empty()
    assert sorted(found.queries["lang"]) == [*["en"] * 2, "en-GB", *["pt-BR"] * 2, *["zh"] * 3]


def test_words_of_column_names_are_languages_only_where_they_are_requested(tmp_path: Path) -> None:
    path = tmp_path / "faq.csv"
    path.write_text(
        "item_id,question_en,answer_en,question_len,answer_len,question_new,answer_new,answer_raw\n"
        "1,Why?,So.,4,3,Why not?,So what.,so\n", encoding="utf-8")  # fmt: skip
    assert contents(path) == (["en"], [])
    found = read_own(path, ["en"], [])
    assert (found.corpus["text"].to_list(), found.rejected.height) == (["So."], 0)
    notes = [note for note in found.notes if "is not read as language" in note]
    assert len(notes) == 5
    assert "question_new is not read as language 'new': that takes 'new' among the" in str(notes)
    assert sorted(read_own(path, ["en", "new"], []).corpus["text"]) == ["So what.", "So."]


def test_hidden_folders_are_looked_into_by_nothing(folder: Path) -> None:
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints/a.csv").write_text("item_id,lang,question\n1,fr,Quoi?\n")
    assert contents(folder)[0] == ["de", "en", "sw-TZ"]
    read_files = read_own(folder, ["en"], ["train"]).tally["file"]
    assert sorted(read_files) == ["a.csv", "b.jsonl"]
