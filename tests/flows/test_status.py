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


def test_a_folder_that_cannot_be_written_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(root / ".dvc/tmp/lock"))

    monkeypatch.setattr(plan, "lock_repo", refuse)
    with pytest.raises(InputError, match=r"tmp/lock: found .*Read-only.*permission"):
        status(root)
