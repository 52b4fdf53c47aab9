"""The Makefile's own promises: what `make` prints, what `make clean` removes, what CI runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
BUILT = (
    *("data/raw/cldr/a.tsv", "data/.gitignore", "models/hybrid/0/w", "models/.resume/x/state"),
    *("results/report.html", "results/timing/base.json", "results/scores/mono/0.parquet"),
    *("src/polybatch/__pycache__/a.pyc", "src/polybatch.egg-info/PKG-INFO", "build/lib/a"),
    *("dist/a.whl", ".mypy_cache/a", ".ruff_cache/a", ".hypothesis/a", ".dvc/tmp/lock"),
    *(
        "results/.compare.md.partial-12",
        "flows/__pycache__/b.pyc",
        "dvc_plots/index.html",
        "site/index.html",
    ),
)
KEPT = (
    *(".dvc/cache/files/md5/ab/c", ".dvc/config.local", ".venv/bin/python", "inputs/faq/faq.csv"),
    *("results/mine.md", "data/README.md", "results/compare.md", "new.py"),
)


def _make(*arguments: str, folder: Path = ROOT) -> str:
    done = subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with our Makefile and our ignored paths, some tracked files, and no commit."""
    for name in (".gitignore", ".dvc/.gitignore", "Makefile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in (*BUILT, *KEPT):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    for command in (["init", "-q"], ["add", "Makefile", "data/README.md", "results/compare.md"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_make_alone_lists_every_target() -> None:
    shown = _make()
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (targets,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    listed = re.findall(r"^make (?:(\S+))?", shown, re.MULTILINE)
    assert {*targets.split()} - {*listed} == {"help", "lint"}


def test_what_takes_minutes_has_a_target_that_runs_it() -> None:
    """`make -n` shows the files; a test that no target runs would never run."""
    targets = ("test-recovery", "test-flows", "test-documents")
    shown = re.findall(r"tests/\S+\.py", _make("--dry-run", *targets))
    waiting = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if "POLYBATCH_SLOW" in path.read_text(encoding="utf-8") and path != Path(__file__)
    ]
    assert sorted(shown) == waiting


def test_clean_removes_what_was_built_and_nothing_else(clone: Path) -> None:
    _make("clean", folder=clone)
    assert [name for name in BUILT if (clone / name).exists()] == []
    assert [name for name in KEPT if not (clone / name).exists()] == []
    _make("clean-all", folder=clone)
    left = [name for name in KEPT if not (clone / name).exists()]
    assert left == [".dvc/cache/files/md5/ab/c", ".venv/bin/python"]


def test_the_workflow_runs_what_a_change_has_to_pass() -> None:
    path = ROOT / ".github" / "workflows" / "test.yml"
    workflow = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    job = workflow["jobs"]["test"]
    assert job["steps"][-1] == {"run": "bash .ci/run"}
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12"]
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    quiet = re.findall(r"^export (\w+) := (?:1|false)$", text, re.MULTILINE)
    assert set(quiet) - {"PYTHONUTF8"} <= set(job["env"])
