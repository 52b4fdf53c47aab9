"""Columns that are not read are named, and a mapped name holds in the files that have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from polybatch.core.errors import InputError
from tests.helpers.own_files import HEAD, questions, read

GERMAN = "item_id,lang,Frage,answer\n1,de,Wo?,Hier.\n"
ENGLISH = HEAD + "2,en,Where?,Here.\n"


def test_a_mapped_column_holds_in_the_files_that_have_it(tmp_path: Path) -> None:
    files = {"de.csv": GERMAN, "en.csv": ENGLISH}
    found = read(tmp_path, files, ("de", "en"), columns=("question=Frage",))
    assert questions(found) == {"1": "Wo?", "2": "Where?"}
    assert not any("not read" in note for note in found.notes)


def test_the_own_name_is_not_read_in_rows_beside_a_mapped_column(tmp_path: Path) -> None:
    lines = '{"item_id": 1, "lang": "de", "question": "sport", "answer": "Hier."}\n'
    lines += '{"item_id": 1, "lang": "de", "Frage": "Wo?"}\n'
    found = read(tmp_path, {"x.jsonl": lines}, ("de",), columns=("question=Frage",))
    assert questions(found) == {"1": "Wo?"}
    assert found.notes == ("local: x.jsonl: columns not read: question",)
    wide = "item_id,question_de,answer_de,Frage\n2,sport,Hier.,Wo?\n"
    (tmp_path / "own/x.jsonl").unlink()
    found = read(tmp_path, {"x.csv": wide}, ("de",), columns=("question_de=Frage",))
    assert questions(found) == {"2": "Wo?"}
    assert found.notes == ("local: x.csv: columns not read: question_de",)


def test_a_column_that_is_another_field_is_no_fallback(tmp_path: Path) -> None:
    """`question` holds titles; a file without `Frage` has no questions."""
    files = {"de.csv": GERMAN, "en.csv": "lang,question,answer\nen,Opening hours,Here.\n"}
    mapped = ("question=Frage", "title=question")
    found = read(tmp_path, files, ("de", "en"), columns=mapped)
    assert questions(found) == {"1": "Wo?"}
    assert found.corpus["title"].to_list() == [None, "Opening hours"]


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        ("item_id,lang,question,answer,group_id,Splits\n1,en,Q,A,g,s\n", "group_id, Splits"),
        ("item_id,question,answer,question_en,answer_en\n1,Q,A,Q,A\n", "question, answer"),
        ("item_id,question_en,answer_en,question_de\n1,Q,A,Wo?\n", "question_de"),
        (HEAD.strip() + ",question_md,answer_md\n1,en,Q,A,*Q*,*A*\n", "question_md, answer_md"),
        ("item_id,question_en,answer_en,question_html,answer_html\n1,Q,A,<p>Q,<p>A\n",
         "question_html, answer_html"),
        (HEAD.strip() + ",a,b,c,d,e,f,g\n1,en,Q,A,,,,,,,\n", "a, b, c, d, e and 2 more"),
    ],
)  # fmt: skip
def test_columns_of_which_nothing_is_read_are_named(tmp_path: Path, rows: str, note: str) -> None:
    found = read(tmp_path, {"x.csv": rows})
    assert found.notes == (f"local: x.csv: columns not read: {note}",)
    assert found.rejected.is_empty()


def test_columns_named_like_texts_beside_lang_are_meant_by_the_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected 'answer' among them.*mean 'answer_text'\?"):
        read(tmp_path, {"x.csv": "item_id,lang,question_text,answer_text\n1,en,Q,A\n"})


def test_a_language_that_asks_nothing_is_named_with_its_files(tmp_path: Path) -> None:
    pool = "lang,document\nsw,Hapa.\n"
    files = {"de.csv": GERMAN, "en.csv": ENGLISH, "pool.csv": pool}
    notes = read(tmp_path, files, ("de", "en", "sw")).notes
    assert [note for note in notes if "not read" in note] == [
        "local: de.csv: columns not read: Frage",
        "local: no question in de, which has documents in de.csv: "
        "see its columns that are not read",
    ]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (("group_id=Thema",), "'group_id=Thema', expected field=column"),
        (("split_set=Thema",), "'split_set=Thema', expected field=column"),
        (("title_en=Thema",), "'title_en=Thema', expected field=column"),
        (("question_english=Thema",), "'question_english=Thema', expected field=column"),
        (("question=Frage", "question=Thema"), "'question' twice, as Frage and as Thema"),
    ],
)
def test_a_mapping_that_would_not_be_used_is_refused(
    tmp_path: Path, columns: tuple[str, ...], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        read(tmp_path, {"x.csv": "item_id,lang,Frage,answer,Thema\n"}, columns=columns)


@pytest.mark.parametrize(
    ("name", "mark", "column"), [("x.csv", ";", "now, then"), ("x.tsv", "\t", "a,b,c,d,e,f,g")]
)
def test_a_name_of_a_column_may_have_another_mark(
    tmp_path: Path, name: str, mark: str, column: str
) -> None:
    rows = ENGLISH.replace(",", mark).replace("answer", f"answer{mark}{column}")
    found = read(tmp_path, {name: rows.replace("Here.", f"Here.{mark}")})
    assert questions(found) == {"2": "Where?"}
    assert f"local: {name}: columns not read: {column}" in found.notes
