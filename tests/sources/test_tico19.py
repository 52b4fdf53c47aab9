"""TICO-19's translation memories: parallel sentences, and archives that mean harm."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.core.errors import InputError
from polybatch.sources.table import SOURCES
from polybatch.sources.tmx import units
from tests.helpers.domain_files import memory, unit


def test_tico19_is_parallel_across_its_memories(tmp_path: Path) -> None:
    first = unit("PubMed_1:1", "es-LA", "a &amp; b", "uno") + unit("wiki_2:2", "es-LA", "c", "dos")
    second = unit("PubMed_1:1", "sw", "a and b", "moja") + unit("wiki_2:2", "sw", "c", " ")
    memory(tmp_path, "es-LA", first)
    memory(tmp_path, "sw", second)
    found = SOURCES["tico19"].read(tmp_path, ["en", "es-419", "sw"], ["all"])
    check_dataset(Dataset("tico19", found.queries, found.corpus, found.qrels))
    assert dict(found.corpus.select("doc_id", "text").rows()) == {
        "tico19:en:PubMed_1:0001": "a & b",
        "tico19:en:wiki_2:0002": "c",
        "tico19:es-419:PubMed_1:0001": "uno",
        "tico19:es-419:wiki_2:0002": "dos",
        "tico19:sw:PubMed_1:0001": "moja",
    }
    assert set(found.corpus["group_id"]) == {"tico19:PubMed_1", "tico19:wiki_2"}
    assert found.rejected.select("file", "lang", "item_id", "reason").rows() == [
        ("all.en-sw.tmx.zip", "en", "PubMed_1:0001", "English worded otherwise in another memory"),
        ("all.en-sw.tmx.zip", "sw", "wiki_2:0002", "empty sentence"),
    ]


def test_tico19_rejects_a_text_that_stands_for_several_units(tmp_path: Path) -> None:
    english = ("a fever", "a receptor", "a &amp;gt; b")
    pairs = zip(english, ("fièvre", "Fièvre ", "a > b"), strict=True)
    body = [unit(f"wiki_2:{n}", "fr", *pair) for n, pair in enumerate(pairs)]
    memory(tmp_path, "fr", "".join(body).replace("Fièvre", "fièvre"))
    quoted = (unit(f"wiki_2:{n}", "sw", text, f"moja {n}") for n, text in enumerate(english))
    memory(tmp_path, "sw", "".join(quoted).replace("&amp;gt;", '"&gt;"'))
    found = SOURCES["tico19"].read(tmp_path, ["en", "fr", "sw"], ["all"])
    assert found.rejected.select("lang", "item_id", "reason").rows() == [
        ("fr", "wiki_2:0000", "the same text for different sentences"),
        ("fr", "wiki_2:0001", "the same text for different sentences"),
    ]
    assert Counter(found.corpus["lang"]) == {"en": 3, "fr": 1, "sw": 3}


def test_wikipedia_is_a_split_of_tico19(tmp_path: Path) -> None:
    names = ("wiki_1:1", "Wikipedia_handpicked_4:2", "Wikinews_2:3", "PubMed_1:4", "Wikivoyage_1:5")
    memory(tmp_path, "sw", "".join(unit(name, "sw", f"e {name}", f"s {name}") for name in names))
    source = SOURCES["tico19"]
    for splits, held in ((["wikipedia"], 2), (["other"], 3), (["wikipedia", "other"], 5)):
        found = source.read(tmp_path, ["sw"], splits)
        assert found.tally["read"].to_list() == [held]
        assert set(found.queries["split"]) == set(splits)


def test_english_alone_is_read_from_one_memory() -> None:
    files = SOURCES["tico19"].files(["en"], ["all"])
    assert sum(file.path.endswith(".zip") for file in files) == 1


_LAUGHS = '<!DOCTYPE tmx [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
_OUTSIDE = '<!DOCTYPE tmx [<!ENTITY x SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("head", [_LAUGHS, _OUTSIDE, "<!DOCTYPE tmx>"])
def test_a_memory_with_entities_is_refused(tmp_path: Path, head: str) -> None:
    path = memory(tmp_path, "sw", unit("a:1", "sw", "x", "y"), head)
    with pytest.raises(InputError, match="document type declaration"):
        list(units(path))


def test_a_member_that_points_outside_is_read_and_written_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    path = memory(folder, "sw", unit("a:1", "sw", "x", "y"), name="../../../evil.tmx")
    assert list(units(path)) == [("a:1", {"en": "x", "sw": "y"})]
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == [path.name]


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polybatch.sources.tmx._LIMIT", 1000)
    path = memory(tmp_path, "sw", unit("a:1", "sw", "x" * 2000, "y"))
    with pytest.raises(InputError, match="more than 1000 bytes"):
        list(units(path))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04"])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a zip archive with one \.tmx"):
        list(units(path))


@pytest.mark.parametrize("body", ["<tu>", "<tu><tuv/></tu>", '<tu tuid="1"><tuv></tuv></tu>'])
def test_what_is_no_memory_is_refused(tmp_path: Path, body: str) -> None:
    with pytest.raises(InputError, match=r"tmx\.zip:1: found .*TMX"):
        list(units(memory(tmp_path, "sw", body)))


def test_markup_inside_a_sentence_is_left_out(tmp_path: Path) -> None:
    body = unit("a:1", "sw", 'one <bpt i="1">&lt;b&gt;</bpt>two<ept i="1">&lt;/b&gt;</ept>', "y")
    assert next(units(memory(tmp_path, "sw", body)))[1]["en"] == "one two"
