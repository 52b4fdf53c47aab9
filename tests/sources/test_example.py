"""The example of a user's file, as `python -m polybatch.sources.example` writes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_example_says_how_it_is_called_and_keeps_what_was_edited(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "polybatch.sources.example", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    path = tmp_path / "inputs" / "example.csv"
    missing = run()
    assert (missing.returncode, missing.stderr.splitlines()[-1]) == (
        2,
        "usage: python -m polybatch.sources.example <file>.csv",
    )
    assert run(str(path)).returncode == run(str(path)).returncode == 0
    path.write_text(path.read_text() + "a,en,Mine?,Mine.,g\n")
    kept = run(str(path))
    assert kept.returncode == 1
    assert "is not the example" in kept.stderr
    assert path.read_text().endswith("Mine.,g\n")
    assert run(str(tmp_path)).returncode == 1
