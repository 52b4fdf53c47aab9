"""Is this folder one that a study can run in; git's answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

from polybatch.core.errors import InputError


def check(root: Path) -> None:
    """Refuse a folder that no flow can work in."""
    if not (root / "dvc.yaml").is_file():
        raise InputError(root, "no dvc.yaml", "the study's folder", "Change into it")
    if not (root / ".dvc").is_dir():
        raise InputError(root, "no .dvc", "a DVC workspace", "Run `dvc init`")
    if git(root, "rev-parse", "--git-dir") is None:
        raise InputError(
            root,
            "no git repository",
            "a git repository: DVC keeps versions in it",
            "Clone the project, or run `git init && git add --all && git commit -m Begin`",
        )


def git(root: Path, *arguments: str) -> str | None:
    """Return what git answers, or None if it fails."""
    try:
        answer = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise InputError("git", "no such program", "git", "Install git") from error
    return answer.stdout.strip() if answer.returncode == 0 else None
