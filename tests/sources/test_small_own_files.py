"""Small files as people have them: how they are written, read, or refused with the cure."""

from __future__ import annotations

import gzip
import resource
import time
from pathlib import Path

import pytest

from polybatch.core.errors import InputError
from tests.helpers.own_files import HEAD, HEAD_JSON, ROWS, TABS, TWO, questions, read, reasons


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
            '{"item_id": "a", "lang": "en", "question": "Where?", "answer": "Here.", '
            '"title": NaN}\r\n\n'
            '{"item_id": "b", "lang": "en", "question": "When?", "answer": "Now."}',
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


@pytest.mark.parametrize(
    "text", ["Write one line for each person:\nname,street,zip,city", "依次\n打开,选择,确认,保存"]
)
def test_a_text_with_as_many_commas_as_a_row_is_no_swallowed_row(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, {"x.csv": HEAD + f'a,en,Where?,Here.\nb,en,How?,"{text}"\n'})
    assert sorted(found.corpus["text"]) == sorted(["Here.", text])
    wide = f'item_id,question_en,answer_sw,answer_en\nq1,Why?,Hivyo.,So.\nq2,How?,Hapa.,"{text}"\n'
    assert text in read(tmp_path / "wide", {"x.csv": wide}).corpus["text"].to_list()


def test_white_space_before_quotation_marks(tmp_path: Path) -> None:
    rows = '1, en, "Where, then?", "Here."\n2, en, "Who?", "She, ""Mo"",\nof 1,000"\n3,en,"A","B"\n'
    found = read(tmp_path, {"x.csv": HEAD.replace(",", ", ") + rows})
    assert questions(found) == {"1": "Where, then?", "2": "Who?", "3": "A"}
    assert sorted(found.corpus["text"]) == ["B", "Here.", 'She, "Mo",\nof 1,000']
    assert found.notes == ("local: x.csv: white space before marks around a field is left out",)
    for text in ('"Yes" she said', "Yes"):
        found = read(tmp_path, {"x.csv": HEAD + f'1, en, Who?, {text}\n2, en, Why?, "So"\n'})
        assert sorted(found.corpus["text"]) == sorted([text, '"So"' if "said" in text else "So"])


@pytest.mark.parametrize(
    ("head", "rows", "columns"),
    [
        (HEAD, 'a,en,"How?,So.\na,sw,Vipi?,Hivyo.\nb,en,5",x\n', None),
        (
            HEAD.replace("item_id", "id"),
            'a,en,Q,A\nb,en,"How?,So.\nc,en,Why?,5"\n',
            ("item_id=id",),
        ),
        ("item_id,question_en,answer_en,url\n", 'q1,Q,A,\nq2,"Q,A,u\nq3,Q,A,\nq4,Q,5",\n', None),
    ],
)
def test_rows_that_an_open_mark_swallows_are_found(
    tmp_path: Path, head: str, rows: str, columns: tuple[str, ...] | None
) -> None:
    with pytest.raises(InputError, match="whole rows between"):
        read(tmp_path, {"x.csv": head + rows}, columns=columns)


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
