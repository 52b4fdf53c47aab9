"""NTREX, SIB-200, TICO-19 and AfriQA as published, where POLYBATCH_MIRROR names a mirror."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.sources.fetch import Fetcher
from polybatch.sources.registry import remote_files
from polybatch.sources.source import Parsed
from polybatch.sources.table import SOURCES

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
