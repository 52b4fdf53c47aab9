"""A folder in BEIR's form: every line counted, judgements of other forms refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from polybatch.core.errors import InputError
from tests.helpers.own_files import read, reasons


def test_judgements_whose_ids_begin_with_a_quotation_mark(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "qrels/test.tsv": 'query-id\tcorpus-id\tscore\nq1\t"d1\t1\nq2\td"2"\t1\n',
        "queries.jsonl": '{"_id": "q1", "text": "A?"}\n{"_id": "q2", "text": "B?"}\n',
        "corpus.jsonl": '{"_id": "\\"d1", "text": "A."}\n{"_id": "d\\"2\\"", "text": "B."}\n',
    }
    found = read(tmp_path, files, splits=("test",), name="beir-x")
    assert found.qrels.select("item_id", "doc_id").rows() == [("q1", 'en:"d1'), ("q2", 'en:d"2"')]
    assert "read as text (row 2" in found.notes[0]


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


def test_a_query_that_another_language_judges_is_one_item(tmp_path: Path) -> None:
    """q1 and q3 have judgements in English alone, q3's of a split that is not requested."""
    texts = "".join(f'{{"_id": "{name}", "text": "{name}?"}}\n' for name in ("q1", "q2", "q3"))
    head = "query-id\tcorpus-id\tscore\n"
    files = {
        f"{lang}/{name}": text
        for lang in ("en", "sw")
        for name, text in (("queries.jsonl", texts), ("corpus.jsonl", texts))
    } | {
        "en/qrels/test.tsv": head + "q1\tq1\t1\nq2\tq2\t1\n",
        "sw/qrels/test.tsv": head + "q2\tq2\t1\n",
        "en/qrels/train.tsv": head + "q3\tq3\t1\n",
    }
    found = read(tmp_path, files, ("en", "sw"), ("test",), name="beir-x")
    assert sorted(found.queries["query_id"]) == ["en:q1", "en:q2", "sw:q1", "sw:q2"]
    assert set(found.queries["split"]) == {"test"}
    assert sorted(found.qrels.select("item_id", "doc_id").rows()) == [
        ("q1", "en:q1"), ("q2", "en:q2"), ("q2", "sw:q2")]  # fmt: skip
    assert [(file, row) for file, row, _ in sorted(reasons(found))] == [
        ("en/queries.jsonl", 3), ("sw/queries.jsonl", 3)]  # fmt: skip


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
