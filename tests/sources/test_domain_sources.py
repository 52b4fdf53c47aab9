"""Sources of domain text: small files in the publishers' format, hostile ones, the real ones."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.core.errors import InputError
from polybatch.settings.data import DatasetSettings, SourceSettings
from polybatch.sources.collected import text_id
from polybatch.sources.fetch import Fetcher
from polybatch.sources.lines import decoded, lines
from polybatch.sources.registry import remote_files
from polybatch.sources.source import Parsed, RemoteFile
from polybatch.sources.table import SOURCES, source_of
from polybatch.sources.tmx import units
from polybatch.validation.datasets import part_of, summarise


def no_fetch(file: RemoteFile, path: Path) -> None:
    raise AssertionError("nothing is to be fetched")


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


def ntrex(folder: Path, german: str) -> Parsed:
    (folder / "NTREX-128").mkdir(parents=True, exist_ok=True)
    (folder / "DOCUMENT_IDS.tsv").write_text("bbc.1\nbbc.1\ncnn.2\n")
    english = folder / "NTREX-128/newstest2019-ref.eng-US.txt"
    english.write_bytes(b"One.\r\nTwo.\r\nThree.\r\n")
    (folder / "NTREX-128/newstest2019-ref.deu.txt").write_text(german)
    return SOURCES["ntrex"].read(folder, ["en", "de"], ["test"])


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
    for word, text in (("eng_Latn", "Hi."), ("swh_Latn", 'Habari "zako".')):
        folder = tmp_path / "data/annotated" / word
        folder.mkdir(parents=True)
        rows = ["index_id\tcategory\ttext", f"7\ttravel\t{text}", "8\ttravel", f"7\tx\t{text}"]
        (folder / "dev.tsv").write_text("\n".join(rows) + "\n")
    found = SOURCES["sib200"].read(tmp_path, ["en", "sw"], ["dev"])
    assert found.qrels["item_id"].to_list() == ["sib200:7", "sib200:7"]
    assert found.corpus["text"].to_list() == ["Hi.", 'Habari "zako".']
    assert found.rejected["row"].to_list() == [3, 4, 3, 4]
    assert set(found.rejected["reason"]) == {
        "no three columns: index_id, category, text",
        "index_id used before in this language",
    }


# TICO-19 -----------------------------------------------------------------------------------------


def memory(folder: Path, lang: str, body: str, head: str = "", name: str = "") -> Path:
    path = folder / f"data/TM/all.en-{lang}.tmx.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f'<?xml version="1.0" encoding="UTF-8"?>{head}<tmx><body>{body}</body></tmx>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name or f"all.en-{lang}.tmx", text)
    return path


def unit(number: str, lang: str, english: str, other: str) -> str:
    return (
        f'<tu tuid="{number}"><prop>a note</prop><tuv xml:lang="en"><seg>{english}</seg></tuv>'
        f'<tuv xml:lang="{lang}"><seg>{other}</seg></tuv></tu>'
    )


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


# AfriQA ------------------------------------------------------------------------------------------


def passages(folder: Path, asked: str, split: str, *entries: dict[str, Any]) -> None:
    name = f"gold_span_passages.afriqa.{asked}.en.{split}.json"
    path = folder / "data/gold_passages" / asked / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def entry(number: int, question: Any, context: Any, answer: str = "x") -> dict[str, Any]:
    return {
        "id": str(number),
        "question_lang": question,
        "context": context,
        "title": "T",
        "answer_pivot": {"text": [answer], "answer_start": [0]},
    }


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


# The user's own text -----------------------------------------------------------------------------


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "pt-BR").mkdir(parents=True)
    (folder / "notes.sw.txt").write_bytes("\ufeffMoja\nmbili.\r\n\r\n \r\nTatu.\r\n".encode())
    (folder / "pt-BR" / "a.txt").write_text("Um.")
    rows = [
        {"lang": "sw", "text": "Nne.", "title": "Namba"},
        {"lang": "yo", "text": "Márùn."},
        {"lang": "Swahili", "text": "Tano."},
        {"lang": "sw", "text": " "},
        ["sw"],
    ]
    written = [json.dumps(row) for row in rows]
    (folder / "rows.jsonl").write_text("\n".join([*written[:1], "", *written[1:], "{"]) + "\n")
    (folder / "ignored.csv").write_text("not read")
    return folder


def taken(mine: Path, work: Path, languages: list[str]) -> Parsed:
    work.mkdir()
    settings = SourceSettings(tuple(languages), ("all",), str(mine))
    source = source_of("text", languages, ["all"]).of(settings)
    source.download(work, languages, ["all"], no_fetch)
    return SOURCES["text"].read(work, languages, ["all"])


def test_the_users_folder_is_read_by_content(mine: Path, tmp_path: Path) -> None:
    found = taken(mine, tmp_path / "raw", ["sw", "pt-BR"])
    file = f"text:{text_id('sw', 'Moja mbili.')}"  # a file is a group, named after its first text
    assert found.corpus.drop("document_id", "template_id").rows() == sorted(
        [
            (text_id("pt-BR", "Um."), "pt-BR", "Um.", None, f"text:{text_id('pt-BR', 'Um.')}"),
            (text_id("sw", "Moja mbili."), "sw", "Moja mbili.", None, file),
            (text_id("sw", "Tatu."), "sw", "Tatu.", None, file),
            (text_id("sw", "Nne."), "sw", "Nne.", "Namba", None),
        ]
    )
    assert found.notes == ("text: ignored.csv is not read; only .txt and .jsonl are",)
    assert found.rejected.select("file", "row", "reason").rows() == [
        ("rows.jsonl", 3, "not requested: language 'yo'"),
        ("rows.jsonl", 4, "'Swahili' is no language code; did you mean 'sw'?"),
        ("rows.jsonl", 5, "no text"),
        ("rows.jsonl", 6, "a JSON list, not an object"),
        ("rows.jsonl", 7, "no JSON (Expecting property name enclosed in double quotes)"),
    ]
    assert found.tally.rows()[2] == ("rows.jsonl", 6, 1, 0, 5)
    before = found.corpus.rows()
    (mine / "notes.sw.txt").rename(mine / "z.sw.txt")
    assert taken(mine, tmp_path / "again", ["sw", "pt-BR"]).corpus.rows() == before
    settings = DatasetSettings("text", "text", ("sw", "pt-BR"), ("all",), "all", 0.0)
    dataset = part_of(Dataset("mine", found.queries, found.corpus, found.qrels), settings)
    assert (dataset.queries.height, dataset.corpus.height) == (0, 4)
    assert summarise(dataset, settings, found)["documents"] == {"pt-BR": 1, "sw": 3}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.sw.txt", b"one\ntwo \xff\n", r"a\.sw\.txt:2: found the byte 0xff"),
        ("a.sw.txt", b" \n", r"a\.sw\.txt:1: found no text"),
        ("b.jsonl", b"", r"b\.jsonl:1: found no text"),
        ("readme.txt", b"which language?", r"readme\.txt:1: found a name that says no language"),
        ("only.csv", b"a,b", "no file that ends in .txt or .jsonl"),
    ],
)
def test_text_that_cannot_be_read_is_told(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        taken(folder, tmp_path / "raw", ["sw"])


def test_a_folder_is_asked_for_where_one_is_read_and_only_there(tmp_path: Path) -> None:
    def settings(folder: str | None) -> SourceSettings:
        return SourceSettings(("sw",), ("all",), folder)

    text, ntrex = source_of("text", ["sw"], ["all"]), source_of("ntrex", ["sw"], ["test"])
    with pytest.raises(InputError, match=r"sources\.text\.folder: found nothing"):
        text.of(settings(None))
    with pytest.raises(InputError, match="no folder '/nowhere'"):
        text.of(settings("/nowhere")).download(tmp_path, [], ["all"], no_fetch)
    with pytest.raises(InputError, match=r"sources\.ntrex\.folder"):
        ntrex.of(settings("/nowhere"))
    with pytest.raises(InputError, match=r"sources\.text\.splits"):
        source_of("text", ["sw"], ["train"])


def test_domain_text_drops_the_questions_of_its_source(tmp_path: Path) -> None:
    found = ntrex(tmp_path, "Eins.\nZwei.\nDrei.\n")
    settings = DatasetSettings("ntrex", "text", ("en", "de"), ("test",), "all", 0.0)
    dataset = part_of(Dataset("news", found.queries, found.corpus, found.qrels), settings)
    assert (dataset.queries.height, dataset.qrels.height, dataset.corpus.height) == (0, 0, 6)


# The published files -----------------------------------------------------------------------------

MIRROR = os.environ.get("POLYBATCH_MIRROR")
real = pytest.mark.skipif(
    not MIRROR, reason="needs the published files: set POLYBATCH_MIRROR to a mirror of them"
)
Fetched = Callable[[str, list[str], list[str]], Parsed]


@pytest.fixture
def fetched(tmp_path: Path) -> Fetched:
    def fetch(name: str, languages: list[str], splits: list[str]) -> Parsed:
        folder = tmp_path / name
        fetcher = Fetcher(Path(MIRROR or ""), tmp_path / "work")
        SOURCES[name].download(folder, languages, splits, fetcher)
        found = SOURCES[name].read(folder, languages, splits)
        check_dataset(Dataset(name, found.queries, found.corpus, found.qrels))
        return found

    return fetch


@real
@pytest.mark.parametrize(
    ("name", "languages", "splits", "each", "groups"),
    [
        ("ntrex", ["sw", "yo", "en"], ["test"], 1997, 123),  # as its README says
        ("sib200", ["sw", "bem", "zh"], ["train", "dev", "test"], 1004, 1004),  # 701 + 99 + 204
    ],
)
def test_parallel_sentences_are_whole(
    fetched: Fetched, name: str, languages: list[str], splits: list[str], each: int, groups: int
) -> None:
    found = fetched(name, languages, splits)
    assert Counter(found.corpus["lang"]) == dict.fromkeys(languages, each)
    assert found.queries["item_id"].n_unique() == each
    assert found.corpus["group_id"].n_unique() == groups
    assert found.rejected.is_empty()


@real
def test_tico19_is_whole_but_for_sentences_that_stand_twice(fetched: Fetched) -> None:
    """Sentences counted in the XML with regular expressions: 3,071 units in any memory."""
    found = fetched("tico19", ["en", "fr", "rw", "es-419"], ["all"])
    assert found.queries["item_id"].n_unique() == 3069  # one sentence twice in all of them
    for lang, word in (("fr", "fr"), ("rw", "rw"), ("es-419", "es-LA"), ("en", "en")):
        other = "rw" if word == "en" else word
        path = Path(MIRROR or "") / f"tico19/data/TM/all.en-{other}.tmx.zip"
        with zipfile.ZipFile(path) as archive:
            text = archive.read(archive.namelist()[0]).decode()
        pattern = rf'xml:lang="{word}"[^>]*>.*?<seg>(.*?)</seg>'
        segments = Counter(" ".join(each.split()) for each in re.findall(pattern, text, re.S))
        once = [segment for segment, count in segments.items() if count == 1]
        assert segments.total() == 3071
        assert found.corpus.filter(lang=lang).height == len(once)
        rows = (3071 - len(once)) * (3 if word == "en" else 1)  # English is in each memory
        assert found.rejected.filter(lang=lang).height == rows
    assert found.rejected.filter(lang="fr").height == 332
    assert found.corpus["group_id"].n_unique() == 31
    assert set(found.rejected["reason"]) == {"the same text for different sentences"}


@real
def test_afriqa_is_whole(fetched: Fetched) -> None:
    """Lines counted with `wc -l`; the rejected ones are those whose passage is blank."""
    source = SOURCES["afriqa"]
    found = fetched("afriqa", list(source.languages), ["test"])
    kept = Counter(found.queries["lang"])
    rejected = Counter(found.rejected["lang"])
    lines_of = {"bem": 309, "fon": 386, "ha": 300, "ig": 409, "rw": 347, "sw": 295}
    for lang, count in lines_of.items():
        assert kept[lang] + rejected[lang] == count
    files = [path for path in remote_files("afriqa") if path.endswith(".test.json")]
    entries = (
        json.loads(row)
        for path in files
        for row in (Path(MIRROR or "") / "afriqa" / path).read_text().splitlines()
    )
    blank = sum(not str(each["context"] or "").strip() for each in entries)
    assert rejected.total() == blank
    assert set(found.corpus["lang"]) == {"en", "fr"}
    assert found.corpus.height == 2915


@real
def test_afriqa_with_distractors_has_every_passage_of_its_files(fetched: Fetched) -> None:
    found = fetched("afriqa", list(SOURCES["afriqa"].languages), ["test", "distractors"])
    texts = {
        (path.split(".")[-3], " ".join(context.split()))
        for path in remote_files("afriqa")
        if path.endswith(".json")
        for row in (Path(MIRROR or "") / "afriqa" / path).read_text().splitlines()
        if isinstance(context := json.loads(row).get("context"), str) and context.strip()
    }
    assert set(found.corpus.select("lang", "text").rows()) == texts
    assert len(texts) == 6149
    assert found.qrels["doc_id"].n_unique() == 2915
    assert set(found.queries["split"]) == {"test"}


@real
def test_the_registry_says_of_each_file_what_the_mirror_says() -> None:
    manifest = {}
    for line in (Path(MIRROR or "") / "manifest.jsonl").read_text().splitlines():
        row = json.loads(line)
        manifest[row["source"], row["path"]] = (row["url"], row["sha256"], row["bytes"])
    for name in ("ntrex", "sib200", "tico19", "afriqa"):
        for file in remote_files(name).values():
            assert manifest[name, file.path] == (file.url, file.sha256, file.bytes)


def test_a_line_of_deep_json_is_rejected_and_the_others_are_read(tmp_path: Path) -> None:
    one, two = (json.dumps({"lang": "sw", "text": text}) for text in ("Moja.", "Mbili."))
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "x.jsonl").write_text(f"{one}\n{'[' * 20_000}\n{two}\n")
    found = taken(folder, tmp_path / "raw", ["sw"])
    assert found.corpus.height == 2
    assert found.rejected["row"].to_list() == [2]
    assert "JSON" in found.rejected["reason"][0]
