"""The code's digests of an earlier run are used as long as no file of the code changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from polybatch.versions import kept_digests as kept

PLACE = "tmp/digests.json"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of one file in place of ours, whose digest is its text."""
    code = tmp_path / "package" / "code.py"
    code.parent.mkdir()
    code.write_text("x = 1", encoding="utf-8")
    monkeypatch.setattr(kept, "OURS", ("package",))
    monkeypatch.setattr(kept, "package_folder", lambda name: tmp_path / name)
    monkeypatch.setattr(kept, "stage_digests", lambda: {"train": code.read_text(encoding="utf-8")})
    return code


def test_code_is_read_once_until_a_file_changes(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / PLACE).parent.mkdir()
    assert kept.kept_digests(tmp_path / PLACE) == {"train": "x = 1"}
    with monkeypatch.context() as patch:
        patch.setattr(kept, "stage_digests", lambda: pytest.fail("read again"))
        assert kept.kept_digests(tmp_path / PLACE) == {"train": "x = 1"}
    package.write_text("x = 2", encoding="utf-8")  # as long as before: the time tells
    os.utime(package, ns=(1, package.stat().st_mtime_ns + 1))
    assert kept.kept_digests(tmp_path / PLACE) == {"train": "x = 2"}
    before = kept.code_state()
    (package.parent / "new.py").touch()
    assert kept.code_state() != before


@pytest.mark.parametrize("broken", ["", "[]", '{"state": 1}', '{"state": "x", "digests": 3}'])
def test_a_broken_file_is_no_answer(package: Path, tmp_path: Path, broken: str) -> None:
    place = tmp_path / PLACE
    place.parent.mkdir()
    place.write_text(broken, encoding="utf-8")
    assert kept.kept_digests(place) == {"train": "x = 1"}
    assert "x = 1" in place.read_text(encoding="utf-8")


def test_a_place_that_cannot_be_written_costs_only_time(package: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert kept.kept_digests(tmp_path / "file" / "digests.json") == {"train": "x = 1"}
