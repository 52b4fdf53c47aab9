"""Is this folder one that a study can run in; git's answers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from polybatch.core.errors import InputError


def check(root: Path) -> None:
    """Refuse a folder that no flow can work in."""
    if not (root / "dvc.yaml").is_file():
        raise InputError(root, "no dvc.yaml", "the study's folder", "Change into it")
    if not (root / ".dvc").is_dir():
        raise InputError(root, "no .dvc", "a DVC workspace", "Run `dvc init`")
    answer = _run(root, "rev-parse", "--git-dir")
    if answer.returncode and "not a git repository" in answer.stderr:
        raise InputError(
            root,
            "no git repository",
            "a git repository: DVC keeps versions in it",
            "Clone the project, or run `git init && git add --all && git commit -m Begin`",
        )
    if answer.returncode:
        found = f"git's answer '{' '.join(answer.stderr.split())}'"
        raise InputError(root, found, "a repository that git works in", "Do what git says")


def git(root: Path, *arguments: str) -> str | None:
    """Return what git answers, or None if it fails."""
    answer = _run(root, *arguments)
    return answer.stdout.strip() if answer.returncode == 0 else None


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = os.environ | {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}  # whatever its user's language
    command = ["git", *arguments]
    try:
        return subprocess.run(
            command, cwd=root, env=given, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise InputError("git", "no such program", "git", "Install git") from error
