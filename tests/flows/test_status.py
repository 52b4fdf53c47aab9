"""`polybatch status`: while a run works here, and in a folder that cannot be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from dvc.rwlock import rwlock

from flows import plan
from flows.status import status, status_text
from flows.workspace import lock_workspace
from polybatch.core.errors import InputError
from tests.helpers.toy_flow import make_toy


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(root := make_toy(tmp_path))
    return root


def test_while_a_run_works_here_it_says_what_runs(root: Path) -> None:
    """The paths in use are noted by DVC's own lock."""
    written = [str(root / "models/a.txt")]
    with Repo(str(root)) as repo, rwlock(repo.tmp_dir, repo.fs, "dvc repro", [], written, False):
        with pytest.raises(
            InputError, match=rf"blocked by: \(PID {os.getpid()}\): dvc repro'.*Wait"
        ):
            status(root)
        with lock_workspace(root, "wait"):
            found = status(root)
    states = {row["stage"]: row["state"] for row in found["stages"]}
    assert states.pop("train@a") == "running"
    assert set(states.values()) == {"not known"}
    running = f"now running here: process {os.getpid()} (train@a)"
    assert running in status_text(found)
    assert "6 of 6 stages would run" in status_text(status(root))


CONFLICT = "<<<<<<< HEAD\n{}=======\n{}>>>>>>> other\n"


def test_files_that_a_crash_or_a_merge_broke_keep_no_run_from_beginning(root: Path) -> None:
    (root / "results/timing").mkdir(parents=True)
    (root / "results/timing/train-a.json").touch()
    (root / "results/contrasts.csv").write_text(CONFLICT.format("kind,a\n", "kind,b\n"))
    found = status(root)
    assert found["to_run"] == len(found["stages"]) == 6
    assert {row["seconds_last_time"] for row in found["stages"]} == {None}


def test_a_merges_conflict_in_versions_is_named(root: Path) -> None:
    (root / "versions.yaml").write_text(CONFLICT.format("fuse: 1\n", "fuse: 2\n"))
    with pytest.raises(InputError, match=r"versions\.yaml: found what is no YAML.*conflict"):
        status(root)


def test_what_git_refuses_is_said_in_its_words(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git itself has this switch for its tests."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(InputError, match=r"dubious ownership.*git config --global --add safe\."):
        status(root)


def test_a_folder_that_cannot_be_written_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(root / ".dvc/tmp/lock"))

    monkeypatch.setattr(plan, "lock_repo", refuse)
    with pytest.raises(InputError, match=r"tmp/lock: found .*Read-only.*permission"):
        status(root)
