"""Whole-or-nothing files, languages, tables."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from polybatch.core.dataset import (
    CORPUS,
    QRELS,
    QUERIES,
    Dataset,
    check_dataset,
    read_dataset,
    table,
    write_dataset,
    write_table,
)
from polybatch.core.errors import InputError
from polybatch.core.files import (
    library_writes,
    sha256_of,
    whole_file,
    whole_folder,
    whole_together,
    write_json,
    write_text,
)
from polybatch.core.languages import LanguagePair, is_language


def _dataset(**changes: pl.DataFrame) -> Dataset:
    queries = table(
        [
            {
                "query_id": f"q{i}-{lang}",
                "item_id": f"q{i}",
                "lang": lang,
                "text": f"{lang} {i}?",
                "split": "test",
            }
            for i in range(2)
            for lang in ("de", "en")
        ],
        QUERIES,
    )
    corpus = table(
        [
            {
                "doc_id": f"d{i}-{lang}",
                "lang": lang,
                "text": f"{lang} {i}.",
                "title": None,
                "group_id": None,
                "document_id": None,
                "template_id": None,
            }
            for i in range(2)
            for lang in ("de", "en")
        ],
        CORPUS,
    )
    qrels = table(
        [
            {"item_id": f"q{i}", "doc_id": f"d{i}-{lang}", "relevance": 1}
            for i in range(2)
            for lang in ("de", "en")
        ],
        QRELS,
    )
    return Dataset("toy", **({"queries": queries, "corpus": corpus, "qrels": qrels} | changes))


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"b": 1})
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == '{\n  "b": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for text in ("one", "two"):
        with whole_folder(path) as temporary:
            (temporary / text).write_text(text)
    with pytest.raises(RuntimeError), whole_folder(path) as temporary:
        (temporary / "three").write_text("three")
        raise RuntimeError
    assert [p.name for p in path.iterdir()] == ["two"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_process_left_is_removed_by_the_next_writer(tmp_path: Path) -> None:
    script = (
        "import os, signal; from pathlib import Path\n"
        "from polybatch.core.files import whole_folder\n"
        f"with whole_folder(Path({str(tmp_path)!r}) / 'out') as folder:\n"
        "    (folder / 'half').write_text('x'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode < 0
    assert not (tmp_path / "out").exists()
    assert len(list(tmp_path.iterdir())) == 1
    with whole_folder(tmp_path / "out") as folder:
        (folder / "whole").write_text("x")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("before")
    with (
        pytest.raises(InputError, match=r"No space left.*Free disk space"),
        whole_file(path) as temporary,
        Path("/dev/full").open("w") as full,
    ):
        temporary.write_text("x")
        full.write("x" * 100_000)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("text", ["sw", "sw>", ">en", "a>b>c", "sw-en", "SW>en"])
def test_only_ordered_pairs_parse(text: str) -> None:
    with pytest.raises(ValueError, match="sw>en"):
        LanguagePair.parse(text)


def test_pairs_are_written_as_they_are_read() -> None:
    assert str(LanguagePair.parse("zh-Hant>pt-BR")) == "zh-Hant>pt-BR"
    assert not is_language("mul>")


def test_a_dataset_is_read_as_written_with_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write_dataset(_dataset(), tmp_path / folder)
    back = read_dataset(tmp_path / "one")
    assert back.queries.equals(_dataset().queries)
    for name in ("queries", "corpus", "qrels"):
        assert sha256_of(tmp_path / f"one/{name}.parquet") == sha256_of(
            tmp_path / f"two/{name}.parquet"
        )


def test_a_table_of_another_shape_or_a_cut_one_is_refused(tmp_path: Path) -> None:
    write_dataset(_dataset(), tmp_path)
    pl.DataFrame({"query_id": ["q"]}).write_parquet(tmp_path / "queries.parquet")
    with pytest.raises(InputError, match="item_id"):
        read_dataset(tmp_path)
    path = tmp_path / "queries.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="no readable Parquet"):
        read_dataset(tmp_path)


def test_a_table_with_a_damaged_footer_is_refused_or_read(tmp_path: Path) -> None:
    """Some sizes in it make polars panic, which is no Exception: found by tests/helpers/fuzz.py."""
    write_dataset(_dataset(), tmp_path)
    path = tmp_path / "corpus.parquet"
    whole = path.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    refused = 0
    for place in range(len(whole) - footer, len(whole) - 8):
        damaged = bytearray(whole)
        damaged[place] ^= 0x40
        path.write_bytes(damaged)
        try:
            read_dataset(tmp_path)
        except InputError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("queries", lambda f: pl.concat([f, f.head(1)]), "same query_id"),
        (
            "queries",
            lambda f: pl.concat([f, f.head(1).with_columns(query_id=pl.lit("new"))]),
            "same item_id and lang",
        ),
        ("queries", lambda f: f.with_columns(text=pl.lit(" \n")), "without text"),
        ("queries", lambda f: f.filter(pl.col("item_id") != "q1"), "without a query"),
        ("corpus", lambda f: pl.concat([f, f.head(1)]), "same doc_id"),
        ("corpus", lambda f: f.with_columns(text=pl.lit(None, pl.String)), "without text"),
        (
            "corpus",
            lambda f: f.with_columns(lang=pl.lit(None, pl.String)),
            "without a doc_id, lang",
        ),
        ("queries", lambda f: f.with_columns(split=pl.lit(None, pl.String)), "without a query_id"),
        ("corpus", lambda f: f.head(1), "corpus lacks"),
        ("qrels", lambda f: f.filter(pl.col("item_id") != "q1"), "without a relevant"),
        ("qrels", lambda f: f.with_columns(relevance=pl.lit(0, pl.Int64)), "without a relevant"),
    ],
)
def test_what_must_be_true_of_a_dataset_is_checked(name, change, says) -> None:  # type: ignore[no-untyped-def]
    frame = getattr(_dataset(), name)
    check_dataset(_dataset())
    with pytest.raises(InputError, match=says):
        check_dataset(_dataset(**{name: change(frame)}))


def test_results_that_belong_together_change_together_or_not_at_all(tmp_path: Path) -> None:
    file, folder = tmp_path / "a" / "0.json", tmp_path / "b"
    for round_, fails in enumerate([False, True, False]):
        with contextlib.suppress(RuntimeError), whole_together(file) as place:
            write_json(place(file), round_)
            place(folder).mkdir()
            (place(folder) / f"{round_}.txt").write_text("x")
            if fails:
                raise RuntimeError
        last = 0 if fails else round_
        assert file.read_text() == f"{last}\n"
        assert [path.name for path in folder.iterdir()] == [f"{last}.txt"]
        assert sorted(path.name for path in tmp_path.rglob("*") if "partial" in path.name) == []


def test_no_rename_happens_before_everything_is_written(tmp_path: Path) -> None:
    """The last of three files does not fit: the system's own limit, as a full disk would be."""
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with (
            pytest.raises(InputError, match=r"while writing.*Free disk space"),
            whole_together(paths[0]) as place,
        ):
            for path, size in zip(paths, (10, 10, 2000), strict=True):
                place(path).write_text("x" * size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.read_text() for path in paths] == ["old"] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_table_that_does_not_fit_is_told_with_the_cure(tmp_path: Path) -> None:
    frame, path = pl.DataFrame({"x": [str(n) for n in range(9999)]}), tmp_path / "t.parquet"
    write_table(frame.head(1), path)
    old = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(InputError, match=r"t\.parquet: .*while writing.*Free disk space"):
            write_table(frame, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == old
    with pytest.raises(InputError, match="No space left"), library_writes(path):
        frame.write_parquet("/dev/full")


def test_a_folder_that_cannot_be_made_is_told_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    for write in (whole_file, whole_folder, whole_together):
        with (
            pytest.raises(InputError, match=r"results/x: .*permission for this file"),
            write(tmp_path / "results" / "x"),
        ):
            pass


def test_files_written_by_many_threads_into_one_folder_are_all_there(tmp_path: Path) -> None:
    """Languages are written side by side: no thread disturbs the permissions of another."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: write_text(tmp_path / f"{n}.txt", "x"), range(400)))
    assert len(list(tmp_path.iterdir())) == 400
