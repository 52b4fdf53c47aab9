"""An environment with the built wheel in it, and nothing of this repository on its path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.helpers.toy_flow import ENVIRONMENT, ROOT

_FOLDERS = ("src", "stages", "flows", "presets")
_FILES = (
    *("pyproject.toml", "README.md", "LICENSE", "dvc.yaml", "versions.yaml", "tuned.yaml"),
    *("prefect.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"),
    *(".dvc/plots.html", ".dvc/plots/languages.json", ".dvc/plots/loss.json"),
    *("data/README.md", "models/README.md", "inputs/README.md", "inputs/none/README.md"),
)
_OUTSIDE = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONPATH"}


class Installed:
    """A fresh virtual environment: the wheel, and the dependencies of the one that runs tests."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "env/bin/python"
        wheel = _build(folder)
        _run(folder, sys.executable, "-m", "venv", "--without-pip", "env")
        pip = (sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet")
        _run(folder, *pip, "--no-index", "--no-deps", "--ignore-installed", str(wheel))
        site = next((folder / "env/lib").glob("python3*/site-packages"))
        # A path within a .pth file is not searched for .pth files: no editable installation.
        (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")

    def run(self, folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, `polybatch` or `python`, in a folder."""
        command = [str(self.python.with_name(program)), *arguments]
        here = {"PATH": f"{self.python.parent}{os.pathsep}{ENVIRONMENT['PATH']}"}
        given = _OUTSIDE | here
        return subprocess.run(
            command, cwd=folder, env=given, capture_output=True, text=True, check=False
        )


def _build(folder: Path) -> Path:
    source = folder / "source"
    source.mkdir()
    built = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in _FOLDERS:
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=built)
    for name in _FILES:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    wheel = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    _run(source, *wheel, "--wheel-dir", "..", ".")
    return next(folder.glob("polybatch-*.whl"))


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env=_OUTSIDE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
