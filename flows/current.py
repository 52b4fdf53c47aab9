"""The winner of a good night: models/current, which only a run without alert replaces."""

from __future__ import annotations

import subprocess
from pathlib import Path

from polybatch.settings.config import Config

from .command import environment

CURRENT = Path("models/current")


def export_current(root: Path, config: Config) -> str:
    """Export the best training of `study.focus` to CURRENT, at once; return a line about it.

    A failure is returned, not raised: the results are as good as before, and so is the old folder.
    """
    command = ["polybatch", "export", config.study.focus, str(CURRENT), "--replace"]
    given = environment(root, config.study.threads)
    answer = subprocess.run(
        command, cwd=root, env=given, capture_output=True, text=True, check=False
    )
    lines = (answer.stderr if answer.returncode else answer.stdout).strip().splitlines()
    line = lines[-1 if answer.returncode else 0] if lines else f"exit code {answer.returncode}"
    return f"{CURRENT} is as it was: {line}" if answer.returncode else f"exported {line}"
