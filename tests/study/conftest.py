"""A small study that has run, once for all test processes, and a copy of it for each file."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.helpers.workspace import Workspace


def _finished(shared: Path) -> Path:
    """Return a folder whose study has been run, by the first process that came here."""
    folder, mark = shared / "finished", shared / "finished.mark"
    with (shared / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            shutil.rmtree(folder, ignore_errors=True)
            done = Workspace(folder).run("dvc", "repro")
            assert done.returncode == 0, done.stdout + done.stderr
            mark.touch()
    return folder


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose study has been run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = tmp_path_factory.mktemp("study")
    shutil.copytree(_finished(shared), folder, symlinks=True, dirs_exist_ok=True)
    return Workspace.at(folder)


@pytest.fixture
def again(studied: Workspace) -> Iterator[Workspace]:
    """The studied workspace, its params put back afterwards."""
    text = (studied.folder / "params.yaml").read_text(encoding="utf-8")
    yield studied
    (studied.folder / "params.yaml").write_text(text, encoding="utf-8")
    studied.params = YAML(typ="safe").load(text)
