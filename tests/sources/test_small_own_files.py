"""Small files as people have them: the rows that are read, or the message."""

from __future__ import annotations

import gzip
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from polybatch.core.errors import InputError
from polybatch.settings.data import SourceSettings
from polybatch.sources.fetch import Fetcher
from polybatch.sources.source import Parsed
from polybatch.sources.table import source_of

HEAD = "item_id,lang,question,answer\n"
TABS = HEAD.replace(",", "\t")


def read(
    tmp_path: Path,
    files: dict[str, str | bytes],
    languages: tuple[str, ...] = ("en",),
    splits: tuple[str, ...] = ("all",),
    columns: tuple[str, ...] | None = None,
    name: str = "local",
) -> Parsed:
    folder, raw = tmp_path / "own", tmp_path / "raw"
    for file, content in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        (folder / file).write_bytes(data)
    settings = SourceSettings(languages, splits, str(folder), columns)
    source = source_of(name, languages, splits).of(settings)
    source.download(raw, languages, splits, Fetcher(None, raw))
    return source.read(raw, languages, splits)


def questions(found: Parsed) -> dict[str, str]:
    return dict(found.queries.select("item_id", "text").rows())


def reasons(found: Parsed) -> list[tuple[str, int, str]]:
    return found.rejected.select("file", "row", "reason").rows()


# How files are written ---------------------------------------------------------------------------

TWO = {"a": "Where?", "b": "When?"}
HEAD_JSON = '{"item_id": "a", "lang": "en", "question": "Q", "answer": "A"}\n'
ROWS = "a,en,Where?,Here.\nb,en,When?,Now.\n"


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("x.csv", (HEAD + ROWS).replace("\n", "\r"), ""),
        ("x.csv", HEAD + ROWS.replace("\n", "\r", 1), ""),
        ("x.csv", "sep=,\n" + HEAD + ROWS, ""),
        ("x.csv", "\ufeffsep=;\r\n" + (HEAD + ROWS).replace(",", ";"), "separated by semicolons"),
        ("x.csv", (HEAD + ROWS).replace(",", ";"), "separated by semicolons"),
        ("x.csv", (HEAD + ROWS).replace(",", "\t"), "separated by tabs"),
        ("x.csv", "\n\n" + HEAD + "\n" + ROWS + ",,,\n", ""),
        ("x.csv", ",,,\n;;\n" + HEAD + ROWS, ""),
        ("x.CSV.GZ", gzip.compress((HEAD + ROWS).encode(), mtime=0), ""),
        ("x.csv", (HEAD + ROWS).replace("\n", ",\n"), ""),
        ("x.csv", HEAD + ROWS.replace("\n", ",,\n"), ""),
        ("x.csv", (HEAD + ROWS).replace("\n", "\n0,").removesuffix("0,").replace("i", ",i", 1), ""),
        ("x.csv", HEAD.replace("item_id", " item_id ") + ROWS, ""),
        ("x.csv", "\ufeff\ufeff" + HEAD + ROWS, ""),
        ("x.csv", (HEAD + ROWS).encode("utf-16"), ""),
        ("x.tsv", (TABS + ROWS.replace(",", "\t")).encode("utf-16"), ""),
        ("x.tsv", TABS + ROWS.replace(",", "\t").replace("\n", "\t\n"), ""),
        ("x.tsv", TABS + ROWS.replace(",", "\t") + 'c\txx\t"\t\n', "marks are read as text (row 4"),
        ("X.CSV", HEAD + ROWS, ""),
        ("x.csv.gz", gzip.compress((HEAD + ROWS).encode(), mtime=0), ""),
        (
            "x.jsonl",
            '{"item_id": "a", "lang": "en", "question": "Where?", "answer": "Here.", "x": NaN}\r\n'
            '\n{"item_id": "b", "lang": "en", "question": "When?", "answer": "Now."}',
            "",
        ),
    ],
)
def test_files_that_are_read(tmp_path: Path, name: str, content: str | bytes, note: str) -> None:
    found = read(tmp_path, {name: content})
    assert questions(found) == TWO
    assert sorted(found.corpus["text"]) == ["Here.", "Now."]
    assert len(found.notes) == bool(note)
    assert note in "".join(found.notes)


MARKED = TABS + 'a\ten\t"Where is it?\tHere.\nb\ten\tWhen?\tNow.\nc\ten\tWho "she"\tHer.\n'


def test_quotation_marks_that_are_text_swallow_no_question(tmp_path: Path) -> None:
    found = read(tmp_path, {"x.tsv": MARKED + 'd\ten\t5 feet 10"\tTall.\n'})
    assert questions(found) == {
        "a": '"Where is it?',
        "b": "When?",
        "c": 'Who "she"',
        "d": '5 feet 10"',
    }
    assert found.notes == (
        "local: x.tsv: quotation marks are read as text (row 2 begins a field with one)",
    )


def test_a_quoted_tab_is_no_empty_column_behind_the_others(tmp_path: Path) -> None:
    text = TABS + 'a\ten\t"a\ttab"\t\na\tsw\t\tWhere?\n'
    assert questions(read(tmp_path, {"x.tsv": text}, ("en", "sw"))) == {"a": "a\ttab"}
    text = TABS + 'a\ten\t"Where?\tHere.\t\nb\ten\t5"\tThere.\t\n'
    assert questions(read(tmp_path, {"x.tsv": text})) == {"a": '"Where?', "b": '5"'}


def test_quoted_tabs_and_lines_of_a_tsv_are_read(tmp_path: Path) -> None:
    text = TABS + 'a\ten\t"A ""tab""\tand\na line"\tHere.\nb\ten\t"Why?"\tSo.\n'
    found = read(tmp_path, {"x.tsv": text})
    assert questions(found) == {"a": 'A "tab"\tand\na line', "b": "Why?"}


def test_judgements_whose_ids_begin_with_a_quotation_mark(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "qrels/test.tsv": 'query-id\tcorpus-id\tscore\nq1\t"d1\t1\nq2\td"2"\t1\n',
        "queries.jsonl": '{"_id": "q1", "text": "A?"}\n{"_id": "q2", "text": "B?"}\n',
        "corpus.jsonl": '{"_id": "\\"d1", "text": "A."}\n{"_id": "d\\"2\\"", "text": "B."}\n',
    }
    found = read(tmp_path, files, splits=("test",), name="beir-x")
    assert found.qrels.select("item_id", "doc_id").rows() == [("q1", 'en:"d1'), ("q2", 'en:d"2"')]
    assert "read as text (row 2" in found.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "where", "says"),
    [
        ("x.csv", HEAD + 'a,en,"Where?,Here.\nb,en,When?,Now.\n', ":2", "never closes"),
        ("x.csv", HEAD + 'a,en,"Where,x\nb,en,He "she",y\n', ":2", "before text in line 3"),
        ("x.csv", HEAD + 'a,en,"Who?,x\nb,en,Q,y\nc,en,5 feet",z\n', ":2", "closes 2 lines below"),
        ("x.tsv", MARKED + 'd\ten\t"A ""b"""\tc\n', ":2", "row 5 has marks around a field"),
        ("x.tsv", MARKED + "d\ten\tA\n", ":2", "(with marks read as text, row 5 has too few"),
        ("x.csv", "Item_ID,lang,question,answer\n", ":1", "Did you mean 'Item_ID'?"),
        ("x.csv", "item_id,lang,Question,answer\n", ":1", "Did you mean 'Question'?"),
        ("x.csv", "item_id,lang,question,anser\n", ":1", "Did you mean 'anser'?"),
        ("x.csv", "item_id,lang,question,answer,Group\n", ":1", "Did you mean 'Group'?"),
        ("x.csv", "item_id,language,question,answer\n", ":1", "Did you mean 'language'?"),
        ("x.csv", "item_id,question en,answer en\n", ":1", "Did you mean 'question en'?"),
        ("x.csv", "item_id,lang,frage,antwort\n", ":1", "[question=Frage]"),
        ("x.csv", "lang,question,answer\n", ":1", "'item_id' among them"),
        ("x.csv", "a,,b,a\n", ":1", "the column 'a' twice"),
        ("x.jsonl", '{"item_id": 1, "lang": "en", "qestion": "Q"}', ":1", "Did you mean 'qestion'"),
    ],
)
def test_files_that_are_refused(
    tmp_path: Path, name: str, content: str, where: str, says: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, {name: content})
    assert says in str(caught.value)
    assert caught.value.where.endswith(f"{name}{where}")


@pytest.mark.parametrize(
    ("name", "row", "says"),
    [
        ("x.csv", "c,en,Who, then?,He.", "5 columns, expected 4: put quotes around text"),
        ("x.csv", "c,en,Who?", "3 columns, expected 4: a comma for each empty field is missing"),
        ("x.csv", 'c,en, "Who, then?",He.', "white space before the quotation mark"),
        ("x.csv", 'c,en,"Who" is it?,He.', 'in a field in quotes: """Where"" is it?"'),
        ("x.csv", "c,en,Who?," + "He. " * 1_500_000, "a line longer than 4,000,000 characters"),
        ("x.csv", 'c,en,Who?,"' + "He, " * 1_500_000 + '"', "a line longer than 4,000,000"),
        ("x.csv", 'c,en,Who?,"' + "He, " * 1_500_000 + '\nshe"', "a line longer than 4,000,000"),
        ("x.csv", 'c,en,Who?,"He\n' + "or, " * 1_500_000 + '"', "a line longer than 4,000,000"),
        ("x.csv", "\x1a", "1 columns, expected 4"),
        ("x.tsv", "c\ten\tWho?", "3 columns, expected 4: a tab for each empty field is missing"),
        ("x.tsv", "c\ten\tWho?\t" + "He. " * 1_500_000, "a line longer than 4,000,000"),
    ],
)
def test_a_row_that_does_not_fit_is_rejected_and_the_others_are_read(
    tmp_path: Path, name: str, row: str, says: str
) -> None:
    rows = ROWS.replace(",", "\t" if name == "x.tsv" else ",").splitlines(keepends=True)
    content = HEAD.replace(",", "\t" if name == "x.tsv" else ",") + rows[0] + row + "\n" + rows[1]
    found = read(tmp_path, {name: content})
    assert questions(found) == TWO
    assert [(place, says in reason) for _, place, reason in reasons(found)] == [(3, True)]
    assert found.tally.rows() == [(name, 3, 2, 0, 1)]
    assert max(found.rejected["text"].str.len_chars()) < 1_000


def test_text_below_no_name_is_a_rejected_row(tmp_path: Path) -> None:
    found = read(tmp_path, {"x.csv": HEAD.replace("\n", ",\n") + ROWS + "c,en,Who, then?,He.\n"})
    assert questions(found) == TWO
    assert [(place, reason[:35]) for _, place, reason in reasons(found)] == [
        (4, "'He.' in a column without a name: n")
    ]


@pytest.mark.parametrize("broken", ["{broken", '{"comment": "x"}', "[1]", '{"question": null}'])
@pytest.mark.parametrize("place", [0, 1])
def test_broken_lines_of_a_jsonl_are_rejected_rows(tmp_path: Path, broken: str, place: int) -> None:
    lines = [HEAD_JSON.strip()]
    lines[place:place] = [broken] * 3  # the first, or the last, which ends without a line end
    found = read(tmp_path, {"x.jsonl": "\n".join(lines)})
    assert questions(found) == {"a": "Q"}
    assert sorted(row for _, row, _ in reasons(found)) == [place + 1, place + 2, place + 3]
    cut = place == 1 and broken == "{broken"
    assert ("may be cut short here" in reasons(found)[-1][2]) == cut


def test_what_stands_beside_data_is_said_and_other_files_are_refused(tmp_path: Path) -> None:
    beside = ("README", "README.md", "LICENSE.txt", "x.csv.dvc", "~$x.xlsx", "x.csv~", ".gitignore")
    files: dict[str, str | bytes] = dict.fromkeys(beside, "About these data.")
    found = read(tmp_path, files | {"x.csv": HEAD + ROWS})
    assert questions(found) == TWO
    assert sorted(note.split(": ")[1] for note in found.notes) == sorted(set(beside[:-1]))
    assert all("not read" in note for note in found.notes)
    for name in ("more.xlsx", "more.json", "more.txt", "more.zip", "version.xlsx", "answers"):
        with pytest.raises(InputError, match=rf"{name}: found a file that ends in"):
            read(tmp_path / name, {name: "x", "x.csv": HEAD + ROWS})
    with pytest.raises(InputError, match="no file of rows"):
        read(tmp_path / "alone", {"README.md": "About nothing."})


PACKED_TWICE = gzip.compress(gzip.compress(HEAD.encode(), mtime=0), mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.csv.gz", PACKED_TWICE, "packed file (gzip), expected a"),
        ("x.csv.gz", gzip.compress(b"PK\x03\x04", mtime=0), "a workbook or zip archive"),
        ("x.csv", b"PK\x05\x06" + b"\0" * 18, "an empty zip archive"),
        ("x.csv", b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
        ("x.csv", b"%PDF-1.7\n%\xe2", "a PDF"),
        ("x.jsonl", b"PAR1\x15\x04", "write_ndjson"),
        ("x.csv", b"\xef\xbb\xbf<!DOCTYPE html>\n<p>Log in", "may ask for a login"),
        ("x.csv", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("x.jsonl", b"\x28\xb5\x2f\xfd\x04", "a packed file (zstd)"),
        ("x.csv", (HEAD + "a,ar,\u0623\u064a\u0646,x\n").encode("cp1256"), "that of your language"),
    ],
)
def test_what_a_file_is_that_is_no_text(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, {name: content})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "columns", ["question_EN,answer_EN", "question_eng,answer_eng", "question_en,answer_en"]
)
def test_columns_by_another_code_of_a_language(tmp_path: Path, columns: str) -> None:
    found = read(tmp_path, {"x.csv": f"item_id,{columns}\na,Where?,Here.\n"})
    assert found.queries.select("item_id", "lang", "text").rows() == [("a", "en", "Where?")]
    assert bool(found.notes) == ("_en," not in columns)


def test_a_text_of_several_lines_with_commas_is_no_swallowed_row(tmp_path: Path) -> None:
    text = HEAD + 'a,en,Where?,"One, two, three, four.\nNow, and, or, when.\nIt costs 1,000."\n'
    assert read(tmp_path, {"x.csv": text}).corpus["text"][0].count("\n") == 2
    pool = 'lang,document\nen,"First.\nThis costs 1,000 shillings."\nen,B\n'
    assert read(tmp_path, {"x.csv": pool}).corpus.height == 2


def test_a_field_longer_than_the_limit_of_csv_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, {"x.csv": HEAD + f'a,en,Where?,"{"word " * 30_000}"\nb,en,When?,Now.\n'})
    assert sorted(found.corpus["text"].str.len_chars()) == [4, 149_999]


@pytest.mark.parametrize("line", [b"\n", b'{"a": 1}\n', b"a,en\n"])
def test_a_gz_of_very_many_lines_is_refused_soon(tmp_path: Path, line: bytes) -> None:
    packed = gzip.compress(line * (120_000_000 // len(line)), 1)
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError):
        read(tmp_path, {"x.jsonl.gz" if line[:1] != b"a" else "x.csv.gz": packed})
    assert time.monotonic() - begun < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000  # KiB


# What rows say -----------------------------------------------------------------------------------


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


# BEIR --------------------------------------------------------------------------------------------


def test_every_line_of_a_beir_folder_is_counted(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq 1\td1\t1.0\nq 1\td1\t1\nq 1\td1\t2\n"
        "q2\tgone\t1\nq9\td1\t1\nq 1\td2\thigh\n",
        "queries.jsonl": '{"_id": "q 1", "text": "A?"}\n{"_id": "q2", "text": "B?"}\n'
        '{"_id": "q3", "text": "C?"}\n{"_id": "q 1", "text": "A?"}\n{"_id": "q 1", "text": "Z?"}\n',
        "corpus.jsonl": '{"_id": "d1", "text": "A."}\n{"_id": "d2", "text": 2}\n{"_id": "d1", '
        '"text": "Z."}\n{"_id": "d3"}\n{"_id": "d4", "text": "\\ud800"}\n',
    }
    found = read(tmp_path, files, splits=("test",), name="beir-x")
    assert found.queries.rows() == [("en:q%201", "q%201", "en", "A?", "test")]
    assert found.qrels.rows() == [("q%201", "en:d1", 1)]
    assert sorted(reasons(found)) == [
        ("corpus.jsonl", 3, "_id used before, with another text"),
        ("corpus.jsonl", 4, "no text in 'text'"),
        ("corpus.jsonl", 5, "half a surrogate pair"),
        ("qrels/test.tsv", 4, "judged before, with another score"),
        ("qrels/test.tsv", 5, "judged document is not in the corpus"),
        ("qrels/test.tsv", 6, "judged query is not in queries.jsonl"),
        ("qrels/test.tsv", 7, "the score 'high' is no whole number"),
        ("queries.jsonl", 2, "no judged document is left"),
        ("queries.jsonl", 3, "not requested: a query without judgement in test"),
        ("queries.jsonl", 5, "_id used before, with another text"),
    ]
    assert found.tally.rows() == [
        ("corpus.jsonl", 5, 2, 0, 3),
        ("qrels/test.tsv", 6, 1, 1, 4),
        ("queries.jsonl", 5, 1, 1, 3),
    ]


def test_files_of_a_beir_folder_that_are_not_read_are_named(tmp_path: Path) -> None:
    files = {
        "corpus.jsonl": '{"_id": "d", "text": "D."}\n',
        "queries.jsonl": '{"_id": "q", "text": "Q?"}\n',
        "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq\td\t1\n",
        "qrels/train.tsv": "query-id\tcorpus-id\tscore\nq\td\t1\n",
        "more.jsonl": '{"_id": "e", "text": "E."}\n',
    }
    found = read(tmp_path, files, ("en",), splits=("test",), name="beir-x")
    assert found.notes == (
        "beir-x: not read (not of BEIR's form, or not of languages en, splits test): "
        "more.jsonl, qrels/train.tsv",
    )


@pytest.mark.parametrize("first", ['{"_id": "d0", "text": null}', '{"_id": "d0"}', "{broken"])
def test_a_first_line_that_is_broken_does_not_stop_a_beir_folder(
    tmp_path: Path, first: str
) -> None:
    files: dict[str, str | bytes] = {
        "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1,0\nq1\td2\t0,5\nq1\td2\n",
        "queries.jsonl": '{"_id": "q1", "text": "A?"}\n',
        "corpus.jsonl": f'{first}\n{{"_id": "d1", "text": "A."}}\n{{"_id": "d2", "text": "B."}}\n',
    }
    found = read(tmp_path, files, splits=("test",), name="beir-x")
    assert found.qrels.rows() == [("q1", "en:d1", 1)]
    assert [(file, row) for file, row, _ in sorted(reasons(found))] == [
        ("corpus.jsonl", 1), ("qrels/test.tsv", 3), ("qrels/test.tsv", 4)]  # fmt: skip


@pytest.mark.parametrize(
    ("judged", "says"),
    [
        ("q1\tQ0\td1\t1\n", "Keep columns 1, 3 and 4, and add the line query-id<tab>corpus-id"),
        ("q1\td1\t1\n", "Keep the columns, and add the line query-id<tab>"),
        ("query-id corpus-id score\n", "tabs separate columns"),
    ],
)
def test_judgements_of_another_form_are_refused_with_the_cure(
    tmp_path: Path, judged: str, says: str
) -> None:
    files: dict[str, str | bytes] = {
        "qrels/test.tsv": judged,
        "queries.jsonl": '{"_id": "q1", "text": "A?"}\n',
        "corpus.jsonl": '{"_id": "d1", "text": "A."}\n',
    }
    with pytest.raises(InputError) as caught:
        read(tmp_path, files, splits=("test",), name="beir-x")
    assert says in str(caught.value)


def test_half_a_surrogate_pair_in_a_name_can_be_printed(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, {"x.jsonl": '{"\\ud800ang": "sw", "text": "Tano"}\n'}, name="text")
    assert "Did you mean '\\ud800ang'" in str(caught.value)
    str(caught.value).encode()
    twice = HEAD_JSON + '{"\\ud800": 1, "\\ud800": 2}\n'
    assert reasons(read(tmp_path, {"x.jsonl": twice})) == [
        ("x.jsonl", 2, "the key '\\ud800' twice")
    ]


def test_bytes_that_are_not_utf8_in_a_broken_gz(tmp_path: Path) -> None:
    packed = gzip.compress((HEAD + ROWS).encode() + b"\xff\n" * 5_000)[:-9]
    with pytest.raises(InputError, match=r"broken \.gz|not UTF-8"):
        read(tmp_path, {"x.csv.gz": packed})


# Domain text -------------------------------------------------------------------------------------


def test_every_text_of_a_folder_is_counted(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.swh.txt": "Moja.\r\rMbili.\r\n\r\nMoja.",
        "b.jsonl": '{"lang": "sw", "text": "Mbili."}\n{"lang": "de", "text": "Drei."}\n'
        '{"lang": "sw", "text": "\\ud800"}\n' + "[" * 5_000 + "\n",
        "notes.md": "# Notes",
    }
    found = read(tmp_path, files, ("sw",), name="text")
    assert sorted(found.corpus["text"]) == ["Mbili.", "Moja."]
    assert found.tally.rows() == [("a.swh.txt", 3, 2, 1, 0), ("b.jsonl", 4, 0, 1, 3)]
    assert [reason for _, _, reason in reasons(found)] == [
        "not requested: language 'de'",
        "half a surrogate pair",
        "no JSON (too many brackets in brackets)",
    ]
    assert found.notes == (
        "text: notes.md is not read; only .txt and .jsonl are",
        "text: a.swh.txt: 'swh' in 3 texts is read as sw",
    )


# The example -------------------------------------------------------------------------------------


def test_the_example_says_how_it_is_called_and_keeps_what_was_edited(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "polybatch.sources.example", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    path = tmp_path / "inputs" / "example.csv"
    missing = run()
    assert (missing.returncode, missing.stderr.splitlines()[-1]) == (
        2,
        "usage: python -m polybatch.sources.example <file>.csv",
    )
    assert run(str(path)).returncode == run(str(path)).returncode == 0
    path.write_text(path.read_text() + "a,en,Mine?,Mine.,g\n")
    kept = run(str(path))
    assert kept.returncode == 1
    assert "is not the example" in kept.stderr
    assert path.read_text().endswith("Mine.,g\n")
    assert run(str(tmp_path)).returncode == 1
