"""Tune the study of params.yaml: its data and encoder by DVC, then every trial not yet made.

    python -m flows.tune

`make repro` runs it where params.yaml has the section `tuning`. A search that was killed goes on:
DVC keeps the data, and every trial leaves a record (`polybatch tune`).
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from polybatch.core.errors import InputError, InputErrorList, use_utf8
from polybatch.core.processes import end_children_at_sigterm

from .check import check_params
from .command import environment
from .leftovers import remove_leftovers
from .repository import check
from .workspace import Busy, lock_workspace, repair

_NEEDED = ("validate", "base")


def main() -> int:
    """Tune the study here and return the exit code."""
    use_utf8()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    root = Path.cwd()
    end_children_at_sigterm()
    try:
        check(root)
        config = check_params(root)
        if config.tuning is None:
            do = "Choose a study that tunes: make repro PRESET=tune-mlqa"
            raise InputError(root / "params.yaml", "no section tuning", "one", do)
        with lock_workspace(root, config.flow.overlap):
            for line in [*repair(root), *remove_leftovers(root)]:
                print(f"polybatch: {line}")
            return _run(root)
    except (InputError, InputErrorList, Busy) as error:
        print(f"polybatch: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        sys.exit("polybatch: interrupted; trials that were finished are kept")


def _run(root: Path) -> int:
    """Bring up to date what trials need, then tune; return the first exit code that is not 0."""
    commands = (
        [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *_NEEDED],
        ["polybatch", "tune"],
    )
    given = environment(root, None)
    codes = (subprocess.run(each, cwd=root, env=given, check=False).returncode for each in commands)
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
