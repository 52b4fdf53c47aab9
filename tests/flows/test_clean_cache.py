"""`make clean-cache` frees what was tried and left, nothing that a commit or the study needs."""

from __future__ import annotations

import re
from pathlib import Path

from tests.helpers.toy_flow import ROOT, make_toy, sh

RAW = "raw.txt"


def test_only_what_no_commit_and_not_the_study_needs_goes(tmp_path: Path) -> None:
    toy = make_toy(tmp_path)
    texts = {}
    for name in ("committed", "tried", "present"):
        (toy / "fetch.sh").write_text(f"echo {name} > {RAW}\n")
        sh(toy, "dvc", "repro", "--quiet")
        texts[name] = (toy / "models/a.txt").read_text()
        if name == "committed":
            sh(toy, "git", "add", "-A")
            sh(toy, "git", "commit", "-qm", "Run the study")
    assert sorted(texts) == sorted(_cached(toy, texts))
    command = re.search(r"^clean-cache:.*\n\t@\$\(BIN\)/(dvc gc .*)$", _makefile(), re.MULTILINE)
    assert command is not None
    sh(toy, *command[1].split())
    assert _cached(toy, texts) == ["committed", "present"]
    sh(toy, "git", "checkout", "-q", "--force", "HEAD")
    sh(toy, "dvc", "checkout", "--quiet")
    assert (toy / "models/a.txt").read_text() == texts["committed"]


def _cached(toy: Path, texts: dict[str, str]) -> list[str]:
    """Return which of the trainings have their model in DVC's cache."""
    files = [path for path in (toy / ".dvc/cache/files").rglob("*") if path.is_file()]
    held = {path.read_bytes() for path in files}
    return [name for name, text in texts.items() if text.encode() in held]


def _makefile() -> str:
    return (ROOT / "Makefile").read_text(encoding="utf-8")
