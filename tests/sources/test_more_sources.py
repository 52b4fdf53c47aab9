"""tydiqa, xnli and beir on small files in the publishers' format; archives that mean harm."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.core.errors import InputError
from polybatch.settings.data import SourceSettings
from polybatch.sources.fetch import Fetcher, _extract
from polybatch.sources.source import Parsed, RemoteFile
from polybatch.sources.squad import paragraphs
from polybatch.sources.table import SOURCES, source_of

MIRROR = os.environ.get("POLYBATCH_MIRROR")

# TyDi QA, XNLI -----------------------------------------------------------------------------------


def _tydi(folder: Path, split: str, *rows: tuple[str, str, str, str]) -> None:
    """Rows are (id, question, passage, answer)."""
    data = [
        {"paragraphs": [{"context": passage, "qas": [
            {"id": name, "question": question,
             "answers": [{"text": answer, "answer_start": max(passage.find(answer), 0)}]}]}]}
        for name, question, passage, answer in rows
    ]  # fmt: skip
    path = folder / f"tydiqa-goldp-v1.1-{split}" / f"tydiqa.goldp.sw.{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"data": data}), encoding="utf-8")


def test_tydiqa_asks_for_passages_and_tells_equal_ids_apart(tmp_path: Path) -> None:
    _tydi(tmp_path, "dev", ("swahili-1", "Lini?", "Ilikuwa 1849.", ""))
    _tydi(
        tmp_path, "train",
        ("1", "Wapi?", "Ni Boston.", "Boston"), ("1", "Mji upi?", "Ni Boston.", "Boston"),
        ("1", "Nani?", "Ni Poe.", "Poe"), ("2", "Nani?", "Ni Poe.", "Grant"),
        ("1", "Nani?", "Ni Poe.", "Poe"),
    )  # fmt: skip
    found = SOURCES["tydiqa"].read(tmp_path, ["sw"], ["train", "dev"])
    assert sorted(found.queries["text"]) == ["Lini?", "Mji upi?", "Nani?", "Wapi?"]
    assert sorted(found.corpus["text"]) == ["Ilikuwa 1849.", "Ni Boston.", "Ni Poe."]
    assert found.rejected.select("row", "reason").rows() == [
        (3, "answer is not where it is said to be"),
        (4, "question used before with this passage"),
    ]
    check_dataset(Dataset("t", found.queries, found.corpus, found.qrels))


def test_xnli_takes_what_follows_and_aligns_languages_by_line(tmp_path: Path) -> None:
    rows = {
        "en": [
            ("He is home.", "He left.", "contradiction"),
            ("He is home.", "He came.", "entailment"),
        ],
        "sw": [("Yupo.", "Aliondoka.", "contradiction"), ("Yupo.", "Alikuja.", "entailment")],
    }
    for lang, lines in rows.items():
        text = "".join("\t".join(line) + "\r\n" for line in lines)
        (tmp_path / f"dev-{lang}.tsv").write_text(text, encoding="utf-8")
    found = SOURCES["xnli"].read(tmp_path, ["en", "sw"], ["dev"])
    assert found.queries.select("item_id", "lang", "text").rows() == [
        ("xnli:dev:00002", "en", "He came."),
        ("xnli:dev:00002", "sw", "Alikuja."),
    ]
    assert found.corpus["text"].to_list() == ["He is home.", "Yupo."]
    (tmp_path / "dev-sw.tsv").write_text("Yupo.\tAlikuja.\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"dev-sw\.tsv:1: found 2 columns"):
        SOURCES["xnli"].read(tmp_path, ["en", "sw"], ["dev"])


@pytest.mark.skipif(not MIRROR, reason="needs the published files: set POLYBATCH_MIRROR")
def test_the_published_files_have_the_publishers_counts(tmp_path: Path) -> None:
    """Counted with grep in the files: ids of TyDi QA, lines of XNLI that end in entailment."""
    for name, lang, splits, counts in (
        ("tydiqa", "sw", ("train", "dev"), {"train": 2755, "dev": 499}),
        ("xnli", "sw", ("dev",), {"dev": 830}),
    ):
        source, folder = SOURCES[name], tmp_path / name
        folder.mkdir()
        source.download(folder, [lang], splits, Fetcher(Path(MIRROR or ""), tmp_path / "work"))
        found = source.read(folder, [lang], splits)
        assert Counter(found.queries["split"]) == counts
        assert found.rejected.is_empty()
        check_dataset(Dataset(name, found.queries, found.corpus, found.qrels))


# BEIR --------------------------------------------------------------------------------------------


def _beir(folder: Path, lang: str = "", packed: bool = False) -> Path:
    place = folder / "beir" / lang
    (place / "qrels").mkdir(parents=True)
    corpus = [
        {"_id": "d1", "title": "Poe", "text": f"Born in Boston {lang}.", "metadata": {}},
        {"_id": "d2", "title": "Title alone", "text": ""},
        {"_id": "d3", "title": "", "text": " "},
    ]
    queries = [{"_id": "q1", "text": f"Where {lang}?", "metadata": {}}, {"_id": "q2", "text": "?"}]
    for name, rows in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        path = place / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(data) if packed else data)
    (place / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\n")
    return folder / "beir"


def _read(folder: Path, languages: tuple[str, ...]) -> Parsed:
    settings = SourceSettings(languages, ("test",), str(folder))
    source, raw = source_of("beir-x", languages, ("test",)).of(settings), folder.parent / "raw"
    source.download(raw, languages, ("test",), Fetcher(None, raw))
    return source.read(raw, languages, ("test",))


@pytest.mark.parametrize("packed", [False, True])
def test_beir_reads_the_pool_and_the_queries_of_a_split(tmp_path: Path, packed: bool) -> None:
    found = _read(_beir(tmp_path, packed=packed), ("en",))
    assert found.queries.select("item_id", "text", "split").rows() == [("q1", "Where ?", "test")]
    assert found.corpus.select("doc_id", "text", "title").rows() == [
        ("en:d1", "Born in Boston .", "Poe"),
        ("en:d2", "Title alone", "Title alone"),
    ]
    assert found.qrels.rows() == [("q1", "en:d1", 2), ("q1", "en:d2", 0)]
    assert found.rejected.select("file", "row", "reason").row(0)[1:] == (3, "empty text")


def test_beir_in_several_languages_is_parallel_by_query_id(tmp_path: Path) -> None:
    _beir(tmp_path, "en")
    found = _read(_beir(tmp_path, "sw"), ("en", "sw"))
    assert found.queries.select("item_id", "lang").rows() == [("q1", "en"), ("q1", "sw")]
    assert found.qrels.filter(relevance=2)["doc_id"].to_list() == ["en:d1", "sw:d1"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("qrels/test.tsv", "q1 d1 1\nx\n", "query-id, corpus-id and score"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\thigh\n", "test.tsv:2"),
        ("corpus.jsonl", '{"_id": "d1"}\n', "no text in 'text'"),
        ("queries.jsonl", '{"_id": "q1", "te', "queries.jsonl:1"),
    ],
)
def test_a_mistake_in_beir_is_told(tmp_path: Path, name: str, content: str, says: str) -> None:
    folder = _beir(tmp_path)
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=says):
        _read(folder, ("en",))


def test_beir_names_what_is_missing(tmp_path: Path) -> None:
    folder = _beir(tmp_path)
    (folder / "qrels" / "test.tsv").rename(folder / "qrels" / "dev.tsv")
    with pytest.raises(InputError, match=r"no such file \(there: dev\.tsv\)"):
        _read(folder, ("en",))
    with pytest.raises(InputError, match="no folder en"):
        _read(folder, ("en", "sw"))


# Archives and files that mean harm ---------------------------------------------------------------

CONTENT = b"what was published"


def _remote(member: str) -> RemoteFile:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return RemoteFile("x", "inner.txt", f"https://example.org/a#{member}", digest, len(CONTENT))


def _tar(path: Path, member: str, content: bytes, kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.type, info.size, info.linkname = kind, len(content), "/etc/passwd"
        archive.addfile(info, io.BytesIO(content) if kind == tarfile.REGTYPE else None)
    return path


def _zip(path: Path, member: str, content: bytes, mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(member)
        info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
        archive.writestr(info, content)
    return path


@pytest.mark.parametrize("make", [_tar, _zip])
@pytest.mark.parametrize("member", ["inner.txt", "../outside.txt", "/tmp/outside.txt"])
def test_a_members_name_decides_no_path(tmp_path: Path, make, member: str) -> None:  # type: ignore[no-untyped-def]
    inside = tmp_path / "raw"
    inside.mkdir()
    archive = make(tmp_path / "a", member, CONTENT)
    _extract(archive, member, inside / "inner.txt", _remote(member))
    assert (inside / "inner.txt").read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "inner.txt", "raw"]


@pytest.mark.parametrize("make", [_tar, _zip])
def test_a_bomb_is_read_as_far_as_the_registry_says_and_one_byte_more(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    archive = make(tmp_path / "a", "inner.txt", b"\0" * 30_000_000)
    assert archive.stat().st_size < 100_000
    _extract(archive, "inner.txt", tmp_path / "out", _remote("inner.txt"))
    assert (tmp_path / "out").stat().st_size == len(CONTENT) + 1  # the check refuses this length


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_a_link_in_a_tar_is_not_followed(tmp_path: Path, kind: bytes) -> None:
    archive = _tar(tmp_path / "a", "inner.txt", b"", kind)
    with pytest.raises(InputError, match="no plain file"):
        _extract(archive, "inner.txt", tmp_path / "out", _remote("inner.txt"))
    assert not (tmp_path / "out").exists()


def test_a_link_in_a_zip_is_its_text_and_nothing_more(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a", "inner.txt", b"/etc/passwd", 0o120777)
    _extract(archive, "inner.txt", tmp_path / "out", _remote("inner.txt"))
    assert (tmp_path / "out").read_bytes() == b"/etc/passwd"
    assert not (tmp_path / "out").is_symlink()


@pytest.mark.parametrize("make", [_tar, _zip])
def test_a_truncated_archive_is_refused(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    archive = make(tmp_path / "a", "inner.txt", os.urandom(50_000))
    archive.write_bytes(archive.read_bytes()[:20_000])
    big = RemoteFile("x", "inner.txt", "https://example.org/a#inner.txt", "0" * 64, 50_000)
    with pytest.raises(InputError, match="no readable member"):
        _extract(archive, "inner.txt", tmp_path / "out", big)
    assert not (tmp_path / "out").exists()


def test_a_changed_byte_in_a_mirror_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m" / "x").mkdir(parents=True)
    (tmp_path / "m" / "x" / "inner.txt").write_bytes(CONTENT.replace(b"w", b"W"))
    with pytest.raises(InputError, match="sha256"):
        Fetcher(tmp_path / "m", tmp_path / "w")(_remote("inner.txt"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_there_already_is_taken_if_it_is_the_file_asked_for(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "inner.txt").write_bytes(CONTENT)
    fetch = Fetcher(tmp_path / "no mirror", tmp_path / "w", before=tmp_path / "before")
    fetch(_remote("inner.txt"), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == CONTENT
    (tmp_path / "before" / "inner.txt").write_bytes(CONTENT[:-1] + b"?")
    with pytest.raises(InputError, match="no folder"):
        fetch(_remote("inner.txt"), tmp_path / "other")


@pytest.mark.parametrize("content", [b'{"data": [{"par', b"\xff\xfe{}", b"[" * 200_000])
def test_a_published_json_that_is_cut_or_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.json"):
        list(paragraphs(tmp_path / "x.json"))


def test_half_a_surrogate_pair_of_a_publisher_is_rejected_not_fatal(tmp_path: Path) -> None:
    _tydi(tmp_path, "dev", ("1", "Lini\ud83d?", "Ilikuwa 1849.", ""), ("2", "Wapi?", "Hapa.", ""))
    found = SOURCES["tydiqa"].read(tmp_path, ["sw"], ["dev"])
    assert found.queries["text"].to_list() == ["Wapi?"]
    assert found.rejected.select("reason", "text").rows() == [
        ("half a surrogate pair", "Lini\\ud83d?")
    ]
