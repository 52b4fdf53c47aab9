"""Vectors made before: taken where the very same files are still there, made again elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from polybatch.retrieval.kept_vectors import NOTES, keep_note, key_of, take

KEY = key_of("weights", "texts")
FACTS = {"documents": 1, "queries": 0}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of two files, noted, in a study with DVC."""
    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    folder = Path("data/index/zero-shot/0/faq")
    folder.mkdir(parents=True)
    (folder / "documents.faiss").write_bytes(b"\1\2\3")
    (folder / "doc_ids.parquet").write_bytes(b"abc")
    keep_note(KEY, folder, FACTS)
    return folder


def _new() -> Path:
    folder = Path("new")
    folder.mkdir()
    return folder


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_is_taken_with_its_numbers(made: Path) -> None:
    new = _new()
    assert take(KEY, new) == FACTS
    assert _contents(new) == _contents(made) == {
        "documents.faiss": b"\1\2\3",
        "doc_ids.parquet": b"abc",
    }  # fmt: skip
    assert take(key_of("other weights", "texts"), new) is None


def test_what_dvc_removed_comes_from_its_cache(made: Path) -> None:
    """The digests are md5's of b"\\1\\2\\3" and b"abc", as `md5sum` prints them."""
    for path, digest in (
        ("documents.faiss", "5289df737df57326fcdd22597afb1fac"),
        ("doc_ids.parquet", "900150983cd24fb0d6963f7d28e17f72"),
    ):
        cached = Path(".dvc/cache/files/md5", digest[:2], digest[2:])
        cached.parent.mkdir(parents=True)
        shutil.move(made / path, cached)
    made.rmdir()
    new = _new()
    assert take(KEY, new) == FACTS
    assert _contents(new)["doc_ids.parquet"] == b"abc"


def test_changed_or_lost_files_are_not_taken_and_nothing_is_left_of_them(made: Path) -> None:
    (made / "documents.faiss").write_bytes(b"\1\2\4")
    new = _new()
    assert take(KEY, new) is None
    shutil.rmtree(made)
    assert take(KEY, new) is None
    assert _contents(new) == {}


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"folder": 1, "files": [], "facts": {}}'])
def test_a_broken_note_is_no_note(made: Path, note: str) -> None:
    (NOTES / f"{KEY}.json").write_text(note)
    assert take(KEY, _new()) is None


def test_outside_a_study_nothing_is_noted(made: Path) -> None:
    shutil.rmtree(".dvc")
    keep_note(KEY, made, FACTS)
    assert not Path(".dvc").exists()
