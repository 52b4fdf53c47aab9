"""What the rows of small files say: codes, splits, ids, values that are no text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polybatch.core.errors import InputError
from tests.helpers.own_files import HEAD, questions, read, reasons


def test_values_that_are_no_text_are_rejected_rows(tmp_path: Path) -> None:
    row = {"item_id": "a", "lang": "en", "question": "Q", "answer": "A"}
    lines = [
        json.dumps(row),
        json.dumps(row | {"item_id": "b", "answer": ["A"]}),
        json.dumps(row | {"item_id": "c", "question": True}),
        json.dumps(row | {"item_id": {"d": 1}}),
        '{"item_id": 7, "item_id": 8, "lang": "en"}',
        '{"item_id": 1.10, "lang": "en", "question": "Much?", "answer": 1e400}',
        '{"item_id": "e", "lang": "en", "question": "Q", "answer": NaN}',
        "{broken",
        "[1]",
        '{"comment": "x"}',
        json.dumps(row | {"item_id": "f", "group": "\ud800"}),
        json.dumps(row | {"item_id": "g\ud800"}),
    ]
    found = read(tmp_path, {"x.jsonl": "\n".join(lines) + "\n"})
    assert questions(found) == {"a": "Q", "1.10": "Much?"}
    assert found.corpus["text"].to_list().count("1e400") == 1
    assert sorted(reasons(found)) == [
        ("x.jsonl", 2, "a list in 'answer', not text"),
        ("x.jsonl", 3, "true or false in 'question', not text"),
        ("x.jsonl", 4, "an object in 'item_id', not text"),
        ("x.jsonl", 5, "the key 'item_id' twice"),
        ("x.jsonl", 7, "a question whose item has no answer"),
        ("x.jsonl", 8, "no JSON (Expecting property name enclosed in double quotes)"),
        ("x.jsonl", 9, "a JSON list, not an object"),
        ("x.jsonl", 10, "no language code"),
        ("x.jsonl", 11, "half a surrogate pair"),
        ("x.jsonl", 12, "half a surrogate pair"),
    ]
    assert found.tally.rows() == [("x.jsonl", 12, 2, 0, 10)]


def test_questions_without_an_answer_are_rejected_unless_another_row_answers(
    tmp_path: Path,
) -> None:
    text = (
        HEAD + "a,en,Where?,\na,sw,Wapi?,\nb,en,When?,\nb,sw,,Sasa.\nc,sw,Nani?,Yeye.\nd,en,,X.\n"
    )
    found = read(tmp_path, {"x.csv": text}, ("en", "sw"))
    assert reasons(found) == [
        ("x.csv", row, "a question whose item has no answer") for row in (2, 3)
    ]
    assert questions(found) == {"b": "When?", "c": "Nani?"}
    assert found.tally.rows() == [("x.csv", 6, 4, 0, 2)]
    assert "1 items have an answer and no question" in found.notes[0]


def test_codes_of_one_language_are_read_as_such_and_said(tmp_path: Path) -> None:
    rows = "a,iw,A?,A.\nb,he,B?,B.\nc,HE,C?,C.\nd,xx,D?,D.\ne,de,E?,E.\nf,mul,F?,F.\ng,,G?,G.\n"
    found = read(tmp_path, {"x.csv": HEAD + rows}, ("he",))
    assert questions(found) == {"a": "A?", "b": "B?", "c": "C?"}
    assert found.notes == (
        "local: x.csv: 'HE' in 1 rows is read as he",
        "local: x.csv: 'iw' in 1 rows is read as he",
    )
    assert found.rejected.select("row", "lang", "reason").rows() == [
        (5, None, "'xx' is no language code; write BCP-47, such as sw or pt-BR"),
        (6, "de", "not requested: language 'de'"),
        (7, None, "'mul', which stands for several languages"),
        (8, None, "no language code"),
    ]


def test_a_likely_region_or_script_is_no_other_language(tmp_path: Path) -> None:
    """By hand from CLDR's likely subtags: en is en-Latn-US, zh is zh-Hans-CN, sw is sw-Latn-TZ."""
    rows = "a,en-US,A?,A.\nb,zh-Hans,B?,B.\nc,sw_TZ,C?,C.\nd,en-GB,D?,D.\ne,zh-TW,E?,E.\n"
    found = read(tmp_path, {"x.csv": HEAD + rows}, ("en", "zh", "sw"))
    assert questions(found) == {"a": "A?", "b": "B?", "c": "C?"}
    assert [reason for *_, reason in reasons(found)] == [
        "not requested: language 'en-GB'", "not requested: language 'zh-TW'",
    ]  # fmt: skip
    both = read(tmp_path, {"x.csv": HEAD + rows}, ("en-US", "en-GB", "zh-TW"))
    assert questions(both) == {"a": "A?", "d": "D?", "e": "E?"}


def test_words_of_splits(tmp_path: Path) -> None:
    head = HEAD.replace("\n", ",split\n")
    rows = "a,en,A?,A.,train\nb,en,B?,B.,Test\nc,en,C?,C.,test \nd,en,D?,D.,dev\n"
    found = read(tmp_path, {"x.csv": head + rows}, splits=("test",))
    assert found.queries.select("item_id", "split").rows() == [("b", "test"), ("c", "test")]
    assert found.notes == ("local: x.csv: 'Test' in 1 rows is read as test",)
    assert [reason for _, _, reason in reasons(found)] == [
        "not requested: split 'train'",
        "not requested: split 'dev'",
    ]
    with pytest.raises(InputError, match=r"split 'train': 1.*Write the words of your column split"):
        read(tmp_path, {"x.csv": head + rows})
    with pytest.raises(InputError, match=r"no row in sw .*split 'train': 2.*Check the codes"):
        read(tmp_path, {"x.csv": head + rows + "e,sw,E?,E.,train\n"}, ("en", "sw"), ("test",))


def test_a_column_lang_beside_columns_of_a_language(tmp_path: Path) -> None:
    head = "item_id,lang,question,answer,question_ar,answer_ar,question_id\n"
    rows = "1,en,Where?,Here.,أين؟,هنا.,x9\n2,en,When?,Now.,متى؟,,x8\n3,en,,,من؟,هو.,\n"
    found = read(tmp_path, {"x.csv": head + rows}, ("en", "ar"))
    assert found.queries.group_by("lang").len().sort("lang").rows() == [("ar", 3), ("en", 2)]
    assert found.tally.rows() == [("x.csv", 5, 5, 0, 0)]


def test_wide_columns_that_are_not_requested_are_rejected_with_their_code(tmp_path: Path) -> None:
    head = "item_id,question_en,answer_en,question_de,answer_de,question_xx,answer_xx\n"
    found = read(tmp_path, {"x.csv": head + "1,Where?,Here.,Wo?,Da.,?,!\n2,When?,Now.,,,,\n"})
    assert sorted(reason for _, _, reason in reasons(found)) == [
        "'xx' is no language code; write BCP-47, such as sw or pt-BR",
        "not requested: language 'de'",
    ]
    assert found.tally.rows() == [("x.csv", 4, 2, 0, 2)]


@pytest.mark.parametrize("splits", [("all",), ("train", "test")])
def test_a_row_of_a_wide_table_that_says_nothing_lacks_no_code(
    tmp_path: Path, splits: tuple[str, ...]
) -> None:
    rows = f"item_id,question_en,answer_en,split\n1,Where?,Here.,{splits[0]}\n2,,,\n"
    found = read(tmp_path, {"x.csv": rows}, splits=splits)
    assert questions(found) == {"1": "Where?"}
    assert reasons(found) == [("x.csv", 3, "neither a question nor an answer")]


def test_ids_that_differ_in_writing_only_are_said(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "en.csv": HEAD + "001,en,A?,A.\n2,en,B?,B.\n",
        "sw.csv": HEAD + "1,sw,C?,C.\n2.0,sw,D?,D.\n",
    }
    with pytest.raises(InputError, match=r"'001' \(en\) and '1' \(sw\), and 1 more such items"):
        read(tmp_path, files, ("en", "sw"))
    files["sw.csv"] = HEAD + "1,sw,C?,C.\n2 ,sw,D?,D.\n"
    assert read(tmp_path, files, ("en", "sw")).notes == (
        "local: item_id '001' (en) and '1' (sw) are taken for different items",
    )


def test_marks_in_ids_that_nobody_sees_are_named(tmp_path: Path) -> None:
    rows = "a\u200e,en,A?,A.\n\u200fa,sw,B?,B.\n"
    with pytest.raises(InputError, match=r"'a\\u200e' \(en\) and '\\u200fa' \(sw\)"):
        read(tmp_path, {"x.csv": HEAD + rows}, ("en", "sw"))


def test_ids_are_safe_and_hold_no_file_name(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"FAQ export (final).csv": HEAD + "opening hours,en,Q?,A.\n"}
    found = read(tmp_path, files)
    assert found.queries["query_id"].to_list() == ["opening%20hours:en"]
    assert not any(mark.isspace() for mark in found.corpus["doc_id"][0])
    before = found.corpus["doc_id"].to_list()
    (tmp_path / "own" / "FAQ export (final).csv").rename(tmp_path / "own" / "other.csv")
    assert read(tmp_path, {}).corpus["doc_id"].to_list() == before


def test_a_mapped_column_that_no_file_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file with a column 'Antwort'.*mean 'Antworten'"):
        read(
            tmp_path,
            {"x.csv": "item_id,lang,Frage,Antworten\na,en,Q,A\n"},
            columns=("question=Frage", "answer=Antwort"),
        )
