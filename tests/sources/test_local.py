"""The user's own files: what is read, and each mistake told with file, row and cure."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.core.errors import InputError
from polybatch.settings.data import SourceSettings
from polybatch.sources import user_lines as lines_module
from polybatch.sources.fetch import Fetcher
from polybatch.sources.source import Parsed
from polybatch.sources.table import source_of

ROOT = Path(__file__).parents[2]
HEAD = "item_id,lang,question,answer\n"
GOOD = HEAD + "a,en,Where?,Here.\na,sw,Wapi?,Hapa.\nb,en,When?,Now.\n"


def _read(
    folder: Path,
    languages: tuple[str, ...] = ("en", "sw"),
    splits: tuple[str, ...] = ("all",),
    columns: tuple[str, ...] | None = None,
    name: str = "local",
) -> Parsed:
    settings = SourceSettings(languages, splits, str(folder), columns)
    source, raw = source_of(name, languages, splits).of(settings), folder.parent / "raw"
    source.download(raw, languages, splits, Fetcher(None, raw))
    return source_of(name, languages, splits).read(raw, languages, splits)


def _own(tmp_path: Path, name: str, content: str | bytes) -> Path:
    folder = tmp_path / "own"
    folder.mkdir(exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    return folder


def test_long_and_wide_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "l").mkdir()
    long = _read(_own(tmp_path / "l", "x.csv", GOOD))
    wide = "item_id\tquestion_en\tanswer_en\tquestion_sw\tanswer_sw\n"
    wide += "a\tWhere?\tHere.\tWapi?\tHapa.\nb\tWhen?\tNow.\t\t\n"
    (tmp_path / "w").mkdir()
    other = _read(_own(tmp_path / "w", "x.tsv", wide))
    for table, columns in (("queries", ["item_id", "lang", "text"]), ("corpus", ["lang", "text"])):
        one, two = (getattr(each, table).select(columns) for each in (long, other))
        assert sorted(one.rows()) == sorted(two.rows())
    documents = dict(long.corpus.select("doc_id", "text").rows())
    assert [(item, documents[doc]) for item, doc, _ in long.qrels.rows()] == [
        ("a", "Here."),
        ("a", "Hapa."),
        ("b", "Now."),
    ]
    check_dataset(Dataset("x", long.queries, long.corpus, long.qrels))


def test_jsonl_columns_by_params_and_documents_nobody_asks_for(tmp_path: Path) -> None:
    rows = [
        {"item_id": 7, "lang": "en", "Frage": "Where?", "document": "Here."},
        {"lang": "sw", "document": "Hapa."},
    ]
    folder = _own(tmp_path, "x.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    found = _read(folder, columns=("question=Frage",))
    assert found.queries.select("item_id", "text").rows() == [("7", "Where?")]
    assert found.corpus["text"].to_list() == ["Here.", "Hapa."]
    assert found.qrels.height == 1


def test_a_split_column_is_kept_and_a_missing_one_is_told(tmp_path: Path) -> None:
    text = "item_id,lang,question,answer,split\na,en,Q,A,train\nb,en,Q2,A2,test\nc,en,Q3,A3,\n"
    folder = _own(tmp_path, "x.csv", text.rsplit("c,", 1)[0])
    assert _read(folder, ("en",), ("test",)).queries["item_id"].to_list() == ["b"]
    _own(tmp_path, "x.csv", text)
    with pytest.raises(InputError, match=r"x\.csv:4: found no split.*Fill the column"):
        _read(folder, ("en",), ("train",))


def test_excels_byte_order_mark_and_quoted_line_ends_are_understood(tmp_path: Path) -> None:
    text = "\ufeff" + HEAD + 'a,en,"Where, then?","Here\nor ""there"""\n'
    found = _read(_own(tmp_path, "x.csv", text.replace("\n", "\r\n")), ("en",))
    assert found.corpus["text"].to_list() == ['Here\r\nor "there"']


@pytest.mark.parametrize(
    ("content", "where", "says"),
    [
        ("id,lang,question,answer\n", "x.csv:1", "'item_id' among them"),
        (HEAD, None, "x.csv: no rows"),
        ("item_id,language,question,answer\na,en,Q,A\n", "x.csv:1", "'lang' among them"),
        (HEAD + "a,en,Q,A\nb,en,Q, with comma,A\n", None, "x.csv:3: 5 columns, expected 4"),
        (HEAD + 'a,en,Q,A\nb,en,"Q,A\nc,en,Q,A\n', "x.csv:3", "Close the quote"),
        (
            (HEAD + "a,en,Q,A\nb,de,Straße?,ja\n").encode("cp1252"),
            "x.csv:3",
            "0xDF, which is not UTF-8",
        ),
        (GOOD.encode("utf-16-le"), "x.csv:1", "a NUL character"),
        (GOOD.encode("utf-16")[:-1], "x.csv:4", "broken UTF-16"),
        (gzip.compress(GOOD.encode(), mtime=0), "x.csv", "Name it x.csv.gz"),
        (b"PK\x03\x04 and so on", "x.csv", "a workbook or zip archive"),
        ("item_id,lang,lang,answer\n", "x.csv:1", "the column 'lang' twice"),
        (b"", None, "x.csv: it is empty"),
        (
            HEAD + "a,english,Q,A\n",
            None,
            "'english': 1; 1 rejected, first x.csv:2: 'english' is no "
            "language code; did you mean 'en'?",
        ),
    ],
)
def test_a_mistake_in_a_csv(
    tmp_path: Path, content: str | bytes, where: str | None, says: str
) -> None:
    with pytest.raises(InputError) as caught:
        _read(_own(tmp_path, "x.csv", content))
    assert says in str(caught.value)
    assert caught.value.where.endswith(where or "sources.local")
    assert caught.value.do


@pytest.mark.parametrize(
    ("content", "where", "says"),
    [
        ('{"item_id": "a"}\n{"item_id": "b", "la', "x.jsonl", "columns item_id"),
        ('{"lang": "en", "document": "A"}\n{"lang": "en", "docu', "", "x.jsonl:2: no JSON (Unt"),
        ("[1]\n", "x.jsonl:1", "a JSON list"),
        ('{"lang": "en", "document": ["A"]}\n', "", "x.jsonl:1: a list in 'document', not text"),
        ('[{"lang": "en"}]\n', "x.jsonl:1", "jq -c '.[]'"),
        ('{\n"lang": "en"}\n', "x.jsonl:1", "each object on one line"),
        ("[" * 100_000 + "\n", "x.jsonl:1", "no JSON"),
    ],
)
def test_a_mistake_in_a_jsonl(tmp_path: Path, content: str, where: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        _read(_own(tmp_path, "x.jsonl", content))
    assert says in str(caught.value)
    assert where in caught.value.where


def test_a_row_that_cannot_be_used_is_kept_with_its_reason(tmp_path: Path) -> None:
    rows = [
        {"item_id": "a", "lang": "en", "question": "Q", "answer": "A"},
        {"item_id": "a", "lang": "en", "question": "Another", "answer": "B"},
        {"item_id": "a", "lang": "en", "question": "Q", "answer": "A"},
        {"item_id": "a", "lang": "en", "question": "Q", "answer": "a second answer"},
        {"item_id": "b", "lang": "English", "question": "Q", "answer": "A"},
        {"item_id": "c", "lang": "en", "question": " ", "answer": ""},
        {"lang": "en", "question": "Q", "answer": "A"},
        {"item_id": "d", "lang": "en", "question": "Q\ud800", "answer": "A"},
    ]
    folder = _own(tmp_path, "x.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    found = _read(folder, ("en",))
    assert found.rejected.select("file", "row", "reason").rows() == [
        (
            "x.jsonl",
            2,
            "item_id used before in this language, with another question (x.jsonl:1:en)",
        ),
        ("x.jsonl", 5, "'English' is no language code; did you mean 'en'?"),
        ("x.jsonl", 6, "neither a question nor an answer"),
        ("x.jsonl", 7, "a question without item_id"),
        ("x.jsonl", 8, "half a surrogate pair"),
    ]
    assert found.qrels.height == 2
    assert found.tally.rows() == [("x.jsonl", 8, 2, 1, 5)]


def test_folders_and_files_that_are_not_there_or_of_no_use(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        _read(tmp_path / "nowhere")
    (tmp_path / "own").mkdir()
    with pytest.raises(InputError, match="no file, expected at least one"):
        _read(tmp_path / "own")
    with pytest.raises(InputError, match=r"ends in '\.xlsx'.*Convert it"):
        _read(_own(tmp_path, "x.xlsx", b"PK"))
    with pytest.raises(InputError, match="Correct it, for example question=Frage"):
        _read(tmp_path / "own", columns=("Frage",))
    with pytest.raises(InputError, match=r"sources\.local\.folder: found nothing"):
        source_of("local", ["en"], ["all"]).of(SourceSettings(("en",), ("all",)))
    with pytest.raises(InputError, match="it is fetched"):
        source_of("mlqa", ["en"], ["dev"]).of(SourceSettings(("en",), ("dev",), "inputs"))


def test_a_huge_line_and_a_bomb_are_refused_before_they_are_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "LONGEST", 10_000)
    with pytest.raises(InputError, match=r"x\.csv:1: found a line longer than 10,000 characters"):
        _read(_own(tmp_path, "x.csv", b"a" * 1_000_000))
    monkeypatch.setattr(lines_module, "_SMALL", 10_000)
    bomb = gzip.compress(HEAD.encode() + b"a,en,Q,A\n" * 60_000, mtime=0)
    (tmp_path / "own" / "x.csv").unlink()
    with pytest.raises(InputError, match="unpacked"):
        _read(_own(tmp_path, "x.csv.gz", bomb))


@pytest.mark.parametrize(
    "cut",
    [
        lambda data: data[:-9],
        lambda data: b"no gzip",
        lambda data: data[:30] + b"\xff\xff" + data[32:],
    ],
)  # type: ignore[no-untyped-call]
def test_a_broken_gz_is_refused(tmp_path: Path, cut) -> None:  # type: ignore[no-untyped-def]
    data = gzip.compress(GOOD.encode() * 50, mtime=0)
    with pytest.raises(InputError, match=r"x\.csv\.gz"):
        _read(_own(tmp_path, "x.csv.gz", cut(data)))


def test_two_sources_of_ones_own(tmp_path: Path) -> None:
    found = _read(_own(tmp_path, "x.csv", GOOD), name="local-faq")
    assert found.queries.height == 3


def test_changed_files_change_the_manifest(tmp_path: Path) -> None:
    manifests = []
    for content in (GOOD, GOOD, GOOD.replace("Now", "Later")):
        _read(_own(tmp_path, "x.csv", content))
        manifests.append((tmp_path / "raw" / "manifest.json").read_bytes())
    assert manifests[0] == manifests[1] != manifests[2]


def test_the_example_of_the_documentation_works_by_copy_and_paste(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "bring-your-own.md").read_text(encoding="utf-8")
    for script in re.findall(r"```sh\n(mkdir.*?|cat.*?)```", page, re.S):
        subprocess.run(["bash", "-ec", script], cwd=tmp_path, check=True)
    params = YAML(typ="safe").load(re.findall(r"```yaml\n(.*?)```", page, re.S)[0])
    settings = params["sources"]["local"]
    assert (settings["folder"], settings["splits"]) == ("inputs/faq", ["all"])
    found = _read(tmp_path / "inputs" / "faq", tuple(settings["languages"]))
    assert (found.queries.height, found.corpus.height, found.qrels.height) == (6, 8, 6)
    assert found.rejected.is_empty()


def test_a_gz_with_a_wrong_byte_that_is_cut_as_well_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(HEAD.encode() + b"a,en,Q,caf\xe9 " + b"x" * 99, mtime=0)
    folder = _own(tmp_path, "x.csv.gz", packed[:-5])
    with pytest.raises(InputError, match=r"x\.csv\.gz:\d+: found a broken \.gz"):
        _read(folder, ("en",))


def test_a_header_of_very_many_columns_is_refused_soon(tmp_path: Path) -> None:
    names = ",".join(f"c{i}" for i in range(100_000))
    folder = _own(tmp_path, "x.csv", f"item_id,{names},c7\n")
    begun = time.process_time()
    with pytest.raises(InputError, match=r"x\.csv:1: found the column 'c7' twice"):
        _read(folder, ("en",))
    assert time.process_time() - begun < 3
