"""NTREX, SIB-200 and AfriQA on small files in the publishers' format, and lines of text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.core.errors import InputError
from polybatch.sources.lines import decoded, lines
from polybatch.sources.table import SOURCES
from tests.helpers.domain_files import entry, ntrex, passages

# Lines -------------------------------------------------------------------------------------------


def test_only_line_feeds_end_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\u2028still one\r\ntwo\x0bstill two\n\nfour".encode())
    assert lines(path) == ["one\u2028still one", "two\x0bstill two", "", "four"]


def test_a_wrong_byte_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("eins\nzwei\nGrüße\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.txt:3: found the byte 0xfc.*iconv"):
        decoded(path)


# NTREX and SIB-200 -------------------------------------------------------------------------------


def test_ntrex_lines_are_parallel_and_grouped_by_article(tmp_path: Path) -> None:
    found = ntrex(tmp_path, "Eins.\n\nDrei.\n")
    check_dataset(Dataset("ntrex", found.queries, found.corpus, found.qrels))
    assert found.corpus.select("doc_id", "text", "group_id").rows() == [
        ("ntrex:de:0001", "Eins.", "ntrex:bbc.1"),
        ("ntrex:de:0003", "Drei.", "ntrex:cnn.2"),
        ("ntrex:en:0001", "One.", "ntrex:bbc.1"),
        ("ntrex:en:0002", "Two.", "ntrex:bbc.1"),
        ("ntrex:en:0003", "Three.", "ntrex:cnn.2"),
    ]
    assert found.qrels.filter(item_id="ntrex:0003")["doc_id"].to_list() == [
        "ntrex:de:0003",
        "ntrex:en:0003",
    ]
    assert found.rejected.select("file", "row", "lang", "reason").rows() == [
        ("newstest2019-ref.deu.txt", 2, "de", "empty sentence")
    ]


def test_ntrex_with_a_line_too_few_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"deu\.txt: found 2 lines, expected 3"):
        ntrex(tmp_path, "Eins.\nDrei.\n")


def test_sib200_is_aligned_by_index_and_rejects_odd_lines(tmp_path: Path) -> None:
    for word, text in (("eng_Latn", '"""Hi,"" he said."'), ("swh_Latn", 'Habari "zako".')):
        folder = tmp_path / "data/annotated" / word
        folder.mkdir(parents=True)
        rows = ["index_id\tcategory\ttext", f"7\ttravel\t{text}", "8\ttravel", f"7\tx\t{text}"]
        rows += ['9\tx\t"Open', ""]
        (folder / "dev.tsv").write_text("\n".join(rows) + "\n")
    found = SOURCES["sib200"].read(tmp_path, ["en", "sw"], ["dev"])
    assert found.qrels["item_id"].to_list() == ["sib200:7", "sib200:7"]
    assert found.corpus["text"].to_list() == ['"Hi," he said.', 'Habari "zako".']
    assert found.rejected["row"].to_list() == [3, 4, 5, 6] * 2
    assert set(found.rejected["reason"]) == {
        "no three columns: index_id, category, text",
        "index_id used before in this language",
    }


# AfriQA ------------------------------------------------------------------------------------------


def test_afriqa_passages_are_shared_and_gaps_are_rejected(tmp_path: Path) -> None:
    passages(tmp_path, "hau", "dev", entry(1, "Me?", "x is it."), entry(2, "Wa?", "x is it."))
    nan = float("nan")
    bad = (entry(2, "Wani?", None), entry(3, nan, "Text."), entry(4, "Nani?", " "))
    passages(tmp_path, "swa", "test", entry(1, "Nini?", "x is it.", "nowhere"), *bad)
    for asked, split in (("hau", "test"),):
        passages(tmp_path, asked, split)
    found = SOURCES["afriqa"].read(tmp_path, ["ha", "sw", "en"], ["dev", "test"])
    check_dataset(Dataset("afriqa", found.queries, found.corpus, found.qrels))
    assert found.corpus.height == 1
    assert found.corpus["lang"].to_list() == ["en"]
    assert found.queries.select("item_id", "lang", "split").rows() == [
        ("afriqa:ha:dev:1", "ha", "dev"),
        ("afriqa:ha:dev:2", "ha", "dev"),
        ("afriqa:sw:test:1", "sw", "test"),
    ]
    assert Counter(found.rejected["reason"]) == {"empty passage": 2, "empty question": 1}
    assert any("do not hold the answer to the letter (kept): 1" in note for note in found.notes)


def test_afriqa_has_passages_of_other_splits_and_languages_as_distractors(tmp_path: Path) -> None:
    source = SOURCES["afriqa"]
    for file in source.files(["sw", "en"], ["test", "distractors"]):
        (tmp_path / file.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file.path).write_text("")
    passages(tmp_path, "swa", "test", entry(1, "Nini?", "x is it."))
    passages(tmp_path, "hau", "dev", entry(1, "Ina?", "x is here."), entry(2, "Wane?", None))
    passages(tmp_path, "hau", "test", entry(1, "Me?", "x is it."), entry(2, None, "x was it."))
    found = source.read(tmp_path, ["sw", "en"], ["test", "distractors"])
    check_dataset(Dataset("afriqa", found.queries, found.corpus, found.qrels))
    assert sorted(found.corpus["text"]) == ["x is here.", "x is it.", "x was it."]
    assert found.queries["item_id"].to_list() == ["afriqa:sw:test:1"]
    assert found.qrels.height == 1
    assert found.tally.select(pl.exclude("file").sum()).row(0) == (5, 4, 0, 1)
    assert "afriqa: documents of other splits or languages: 2" in found.notes


def test_afriqa_takes_the_files_of_languages_that_are_both_asked_for() -> None:
    source = SOURCES["afriqa"]
    assert source.languages == (
        "bem", "fon", "ha", "ig", "rw", "sw", "tw", "yo", "zu", "en", "fr",
    )  # fmt: skip
    assert [Path(file.path).name for file in source.files(["fon", "sw", "en"], ["test"])] == [
        "gold_span_passages.afriqa.swa.en.test.json"
    ]
