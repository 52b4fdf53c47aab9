"""What is installed from the wheel alone: a study of one's own without a clone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers.toy_flow import make_toy
from tests.helpers.wheel import Installed

SLOW = pytest.mark.skipif("POLYBATCH_SLOW" not in os.environ, reason="`make test-documents`")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_toy(tmp_path_factory.mktemp("toy"))


def test_a_new_study_is_checked_and_its_state_told(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(tmp_path, "polybatch", "init", "mine")
    assert done.returncode == 0, done.stderr
    mine = tmp_path / "mine"
    refused = installed.run(mine, "polybatch", "status")
    assert (refused.returncode, "git init" in refused.stderr) == (1, True)
    subprocess.run(["git", "init", "-q"], cwd=mine, check=True)
    done = installed.run(mine, "polybatch", "status", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["study"] == "cldr"
    assert found["to_run"] == len(found["stages"])
    assert {"settings", "train@hybrid-0", "report"} <= {row["stage"] for row in found["stages"]}
    assert found["running"] is None


def test_run_runs_stages_and_status_tells_which(installed: Installed, toy: Path) -> None:
    before = installed.run(toy, "polybatch", "status").stdout
    assert "6 of 6 stages would run" in before
    assert "  train@a: changed deps: raw.txt (deleted)" in before
    done = installed.run(toy, "polybatch", "run", "--workers", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("done; the comparison is in results/compare.md\n")
    assert (toy / "results/all.txt").is_file()
    after = installed.run(toy, "polybatch", "status").stdout
    assert after.startswith("cldr: 0 of 6 stages would run\n")


def test_modules_come_from_the_wheel(installed: Installed, tmp_path: Path) -> None:
    names = ("polybatch", "polybatch_stages", "polybatch_flows.study", "polybatch_flows.serve")
    program = "import sys; from importlib.util import find_spec as find\n"
    program += "for name in sys.argv[1:]: print(find(name).origin)"
    files = installed.run(tmp_path, "python", "-c", program, *names).stdout.split()
    assert len(files) == len(names)
    assert all(Path(file).is_relative_to(installed.python.parents[1]) for file in files)


@SLOW
def test_the_study_runs_as_a_flow(installed: Installed, toy: Path) -> None:
    done = installed.run(toy, "python", "-m", "polybatch_flows.study")
    assert done.returncode == 0, done.stderr
    assert "stages ran" in done.stderr
