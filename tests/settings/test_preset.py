"""`make repro PRESET=name`: params.yaml becomes a copy, and nobody's text is lost."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from flows.preset import use
from polybatch.errors import InputError

DEFAULT, FIRST, SECOND = b"study: a\n", b"study: b\n", b"study: c\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").mkdir()
    (tmp_path / "params.yaml").write_bytes(DEFAULT)
    (tmp_path / "presets/first.yaml").write_bytes(FIRST)
    (tmp_path / "presets/second.yaml").write_bytes(SECOND)
    return tmp_path


def _git(*arguments: str) -> None:
    name = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *name, *arguments], check=True, capture_output=True)


@pytest.fixture
def committed(folder: Path) -> Path:
    _git("init", "-q", ".")
    _git("add", ".")
    _git("commit", "-qm", "as it is")
    return folder


def test_an_untouched_file_is_replaced_and_a_second_time_left(committed: Path) -> None:
    assert "is now a copy of presets/first.yaml (back: git checkout params.yaml)" in use("first")
    assert Path("params.yaml").read_bytes() == FIRST
    assert "is presets/first.yaml already" in use("first")
    use("second")
    assert Path("params.yaml").read_bytes() == SECOND


def test_edits_are_refused_until_they_are_committed(committed: Path) -> None:
    edited = b"study: mine\n"
    Path("params.yaml").write_bytes(edited)
    _git("add", ".")  # staged is not committed
    with pytest.raises(InputError, match="saved nowhere else"):
        use("first")
    assert Path("params.yaml").read_bytes() == edited
    _git("commit", "-qm", "mine")
    use("first")
    assert Path("params.yaml").read_bytes() == FIRST


def test_an_older_preset_is_no_edit(committed: Path) -> None:
    use("first")
    Path("presets/first.yaml").write_bytes(b"study: b, renewed\n")
    use("first")
    assert Path("params.yaml").read_bytes() == b"study: b, renewed\n"


def test_line_ends_are_no_edit(committed: Path) -> None:
    for text in (DEFAULT, FIRST):
        Path("params.yaml").write_bytes(text.replace(b"\n", b"\r\n"))
        use("second")
        assert Path("params.yaml").read_bytes() == SECOND
    Path("params.yaml").write_bytes(FIRST.replace(b"\n", b"\r\n"))
    assert "already" in use("first")


def test_without_git_the_old_file_is_saved_beside_it(folder: Path) -> None:
    found = use("first")
    (saved,) = folder.glob("params-*.yaml")
    assert f"back: cp {saved.name} params.yaml" in found
    assert saved.read_bytes() == DEFAULT
    assert Path("params.yaml").read_bytes() == FIRST
    use("second")
    assert list(folder.glob("params-*.yaml")) == [saved]


def test_without_the_program_git_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    use("first")
    assert Path("params.yaml").read_bytes() == FIRST


def test_a_missing_file_is_written(folder: Path) -> None:
    Path("params.yaml").unlink()
    assert use("first") == "params.yaml is now a copy of presets/first.yaml"


@pytest.mark.parametrize("name", ["frist", "../params", "first.yaml", ""])
def test_an_unknown_preset_is_refused_with_those_there(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match="one of first, second"):
        use(name)
    assert Path("params.yaml").read_bytes() == DEFAULT
