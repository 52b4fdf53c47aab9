"""The user's own files in every form that people have: rows are read right, or refused by name.

The truth is counted here by a slow walk over the rows as they were before they were written.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.core.errors import InputError
from polybatch.sources.source import Parsed
from tests.helpers.own_files import HEAD, read

LANGUAGES = ("en", "sw")
Row = dict[str, str]
Files = Mapping[str, str | bytes]

MANY_LINES = gzip.compress(b"\n" * 2_000_000, mtime=0)


def _read(folder: Path, files: Files, languages: tuple[str, ...]) -> Parsed:
    found = read(folder, files, languages)
    check_dataset(Dataset("local", found.queries, found.corpus, found.qrels))
    return found


# The law: read = kept + merged + rejected --------------------------------------------------------


class Form(NamedTuple):
    """How a table is written; `quoting` None: marks are text, which tab-separated files may do."""

    layout: str
    kind: str
    separator: str
    end: str
    quoting: Literal[0, 1] | None
    packed: bool

    @property
    def name(self) -> str:
        return f"a.{self.kind}{'.gz' if self.packed else ''}"


_COLUMNS = {
    "long": ("item_id", "lang", "question", "answer"),
    "wide": ("item_id", "question_en", "answer_en", "question_sw", "answer_sw"),
    "mixed": ("item_id", "lang", "question", "answer", "question_sw", "answer_sw"),
}
_ITEMS = st.sampled_from(["a", "b", "c d", "1", "1.0", "", " "])
_LANGS = st.sampled_from(["en", "sw", "en ", "de", "xx", ""])
_TEXTS = st.sampled_from(["Where?", "Why?", 'He said "so" there', '"Open', "p, q", "r; s", "", " "])


_FORMS = st.builds(
    Form,
    st.sampled_from(sorted(_COLUMNS)),
    st.sampled_from(["csv", "tsv", "jsonl"]),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from((0, 1, None)),  # csv.QUOTE_MINIMAL, csv.QUOTE_ALL
    st.booleans(),
).filter(lambda form: form.quoting is not None or form.separator == "\t")


def _rows(layout: str) -> st.SearchStrategy[list[Row]]:
    values = {"item_id": _ITEMS, "lang": _LANGS}
    row = st.fixed_dictionaries({name: values.get(name, _TEXTS) for name in _COLUMNS[layout]})
    return st.lists(row, max_size=8)


def _first(layout: str) -> list[Row]:
    """Return rows that give each language a question and an answer."""
    said = [dict(zip(_COLUMNS["long"], ("z", lang, "Q", "A"), strict=True)) for lang in LANGUAGES]
    if layout == "long":
        return said
    one = dict.fromkeys(_COLUMNS[layout], "")
    if layout == "wide":
        names = _COLUMNS["wide"][1:]
        return [one | {"item_id": "z"} | {name: name[0].upper() for name in names}]
    return [one | said[0] | {"question_sw": "Q", "answer_sw": "A"}]


def _written(rows: list[Row], form: Form) -> bytes:
    stream = io.StringIO()
    if form.kind == "jsonl":
        for row in rows:
            written = {name: value or None for name, value in row.items()}
            stream.write(json.dumps(written) + form.end)
    elif form.quoting is None:
        for cells in (_COLUMNS[form.layout], *_cells(rows, form)):
            stream.write("\t".join(cells) + form.end)
    else:
        writer = csv.writer(
            stream, delimiter=form.separator, lineterminator=form.end, quoting=form.quoting
        )
        writer.writerow(_COLUMNS[form.layout])
        writer.writerows(_cells(rows, form))
    content = stream.getvalue().encode()
    return gzip.compress(content, mtime=0) if form.packed else content


def _cells(rows: list[Row], form: Form) -> list[list[str]]:
    return [[row[name] for name in _COLUMNS[form.layout]] for row in rows]


def _says(row: Row) -> Iterator[tuple[str, str, str, str]]:
    """Yield item, language, question and answer of what a row says, or one that says nothing."""
    item, said = row["item_id"].strip(), False
    for end, lang in (("", row.get("lang", "").strip()), ("_en", "en"), ("_sw", "sw")):
        question, answer = (row.get(f"{name}{end}", "").strip() for name in ("question", "answer"))
        if question or answer:
            said = True
            yield item, lang, question, answer
    if not said:
        yield item, "", "", ""


def _counted(rows: list[Row], form: Form) -> tuple[int, int]:
    """Return how many entries are read, and how many of them are to be rejected."""
    read, good = 0, list[tuple[str, str, str, str]]()
    for row in rows:
        if form.kind != "jsonl" and not "".join(row.values()).strip():
            continue  # an empty line is no row
        for item, lang, question, answer in _says(row):
            read += 1
            before = {each[2] for each in good if each[:2] == (item, lang)} - {"", question}
            sound = lang in LANGUAGES and (question or answer) and (item or not question)
            if sound and not (question and before):
                good.append((item, lang, question, answer))
    answered = {item for item, _, _, answer in good if answer}
    kept = [each for each in good if each[3] or each[0] in answered]
    return read, read - len(kept)


@settings(max_examples=200, deadline=None)
@given(st.data(), _FORMS)
def test_every_row_of_every_form_is_accounted_for(data: st.DataObject, form: Form) -> None:
    rows = _first(form.layout) + data.draw(_rows(form.layout))
    with tempfile.TemporaryDirectory() as folder:
        found = _read(Path(folder), {form.name: _written(rows, form)}, LANGUAGES)
    file, read, kept, merged, rejected = found.tally.row(0)
    assert (file, read, rejected) == (form.name, *_counted(rows, form))
    assert read == kept + merged + rejected
    assert found.rejected.height == rejected
    assert found.rejected["reason"].str.len_chars().min() != 0


def test_all_forms_of_a_table_are_read_alike(tmp_path: Path) -> None:
    seen = set()
    rows = [*_first("long"), {"item_id": "y", "lang": "en", "question": '"Open', "answer": "p, q"}]
    kinds: tuple[tuple[str, str, Literal[0, 1] | None], ...]
    kinds = ((".csv", ",", 0), (".csv", ";", 1), (".tsv", "\t", 0), (".tsv", "\t", None))
    for number, ((kind, separator, quoting), end, packed) in enumerate(
        itertools.product((*kinds, (".jsonl", "", 0)), ("\n", "\r\n", "\r"), (False, True))
    ):
        form = Form("long", kind[1:], separator, end, quoting, packed)
        folder = tmp_path / str(number)
        folder.mkdir()
        found = _read(folder, {form.name: _written(rows, form)}, LANGUAGES)
        seen.add(str((found.queries.rows(), found.corpus.rows(), found.qrels.rows())))
    assert len(seen) == 1


TSV = HEAD.replace(",", "\t")
LONG = "word " * 30_000
OK = "a,en,Q,A\n"


@pytest.mark.parametrize(
    ("files", "questions", "answers", "rejected"),
    [
        (
            {"x.tsv": TSV + 'a\ten\t"Now" is when?\tA\nb\ten\tWhere is "it"\tB\nc\ten\tC?\tC\n'},
            ['"Now" is when?', 'Where is "it"', "C?"],
            ["A", "B", "C"],
            [],
        ),
        ({"x.csv": HEAD + f"a,en,Q,{LONG}\n"}, ["Q"], [LONG.strip()], []),
        ({"x.csv": (HEAD + OK).replace("\n", "\r")}, ["Q"], ["A"], []),
        ({"x.csv": "sep=;\n" + (HEAD + OK).replace(",", ";")}, ["Q"], ["A"], []),
        ({"x.tsv": (TSV + OK.replace(",", "\t")).replace("\n", "\t\n")}, ["Q"], ["A"], []),
        ({"x.tsv": TSV + OK.replace(",", "\t").replace("\n", "\t\n")}, ["Q"], ["A"], []),
        ({"x.csv": "\ufeff\ufeff" + HEAD + OK}, ["Q"], ["A"], []),
        ({"x.csv": HEAD + "\ufeffa,en,\ufeffQ,A\n"}, ["Q"], ["A"], []),
        ({"x.csv": (HEAD + OK).encode("utf-16")}, ["Q"], ["A"], []),
        ({"FAQ export (final).csv": HEAD + "my item,en,Q,A\n"}, ["Q"], ["A"], []),
        (
            {"x.jsonl": '{"item_id": 1, "lang": "en", "question": "Q", "answer": "A", '
                        '"title": NaN}\n{"item_id": 2, "lang": "en", "answer": NaN}\n'},
            ["Q"],
            ["A"],
            ["neither a question nor an answer"],
        ),
        (
            {"x.csv": HEAD + OK + "b,en,Q2,\nc,en,,\nd,en, ,B\ne,de,Q,A\nf,xx,Q,A\n"},
            ["Q"],
            ["A", "B"],
            [
                "neither a question nor an answer",
                "not requested: language 'de'",
                "'xx' is no language code; write BCP-47, such as sw or pt-BR",
                "a question whose item has no answer",
            ],
        ),
        (
            {"x.csv": HEAD.strip() + ",split\na,en,Q,A,All\nb,en,Q2,B, Test\n"},
            ["Q"],
            ["A"],
            ["not requested: split 'Test'"],
        ),
        (
            {"x.csv": HEAD + OK + OK + "a,en,Q,A2\na,en,Another,A\n"},
            ["Q"],
            ["A", "A2"],
            ["item_id used before in this language, with another question (x.csv:2:en)"],
        ),
    ],
)  # fmt: skip
def test_what_a_file_says(
    tmp_path: Path, files: Files, questions: list[str], answers: list[str], rejected: list[str]
) -> None:
    found = _read(tmp_path, files, ("en",))
    assert sorted(found.queries["text"]) == sorted(questions)
    assert sorted(found.corpus["text"]) == sorted(answers)
    assert found.rejected["reason"].to_list() == rejected
    assert not any(" " in each for each in found.queries["query_id"])


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"x.csv": HEAD + 'a,en,"Q,A\nb,en,Q,B\n'}, "x.csv:2: found a quotation mark that"),
        ({"x.tsv": TSV + 'a\ten\t"Q\tA\nb\ten\t"say ""so"""\tB\n'}, "x.tsv:2: found a quotation"),
        ({"x.csv": HEAD.replace("answer", "anwser") + OK}, "Did you mean 'anwser'?"),
        ({"x.csv": HEAD.replace("item_id", "itemid") + OK}, "Did you mean 'itemid'?"),
        ({"x.csv": ""}, "(no rows there; local: x.csv: it is empty)"),
        ({"x.csv": HEAD}, "(no rows there; local: x.csv: no rows)"),
        ({"x.csv": HEAD + "a,xx,Q,A\n"}, "rows there, by code: 'xx': 1; 1 rejected"),
        ({"x.csv.gz": MANY_LINES}, "1,000,000 empty lines in a row"),
        ({"x.csv": HEAD + "a,en,Q,A,more\n"}, "first x.csv:2: 5 columns, expected 4"),
    ],
)
def test_what_is_refused(tmp_path: Path, files: Files, says: str) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, files, ("en",))
    assert says in str(caught.value)
    assert caught.value.do


@pytest.mark.parametrize(
    "field", ["item_id", "lang", "question", "answer", "title", "group", "split"]
)
def test_half_a_surrogate_in_any_field_is_a_rejected_row(tmp_path: Path, field: str) -> None:
    row = {"item_id": "a", "lang": "en", "question": "Q", "answer": "A"}
    rows = (row, row | {"item_id": "b", field: "x\ud800"})
    content = "".join(json.dumps(each) + "\n" for each in rows)
    found = _read(tmp_path, {"x.jsonl": content}, ("en",))
    assert found.rejected["reason"].to_list() == ["half a surrogate pair"]


def test_old_codes_and_columns_a_language_beside_lang(tmp_path: Path) -> None:
    text = "item_id,lang,question,answer,question_iw,answer_iw\na,en,Q,A,Qh,Ah\nb,iw,Q2,A2,,\n"
    found = _read(tmp_path, {"x.csv": text}, ("en", "he"))
    assert found.queries.select("query_id", "text").rows() == [
        ("a:en", "Q"),
        ("a:he", "Qh"),
        ("b:he", "Q2"),
    ]
    assert "local: x.csv: 'iw' in 2 rows is read as he" in found.notes


def test_ids_that_differ_by_spelling_alone_and_by_blanks_alone(tmp_path: Path) -> None:
    files = {"a.csv": HEAD + "1,en,Q,A\n", "b.csv": HEAD + "1.0,sw,Q,A\n"}
    with pytest.raises(InputError, match=r"item_id '1\.0' \(sw\) and '1' \(en\)"):
        _read(tmp_path, files, LANGUAGES)
    (tmp_path / "again").mkdir()
    found = _read(tmp_path / "again", {"a.csv": f"{HEAD}1,en,Q,A\n 1 ,sw,Q,A\n"}, LANGUAGES)
    assert found.queries["item_id"].to_list() == ["1", "1"]
