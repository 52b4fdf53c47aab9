"""Tune the study of params.yaml: its data and encoder by DVC, then every trial not yet made.

    python -m flows.tune [--workers N]

`make repro` runs it where params.yaml has the section `tuning`. A search that was killed goes on:
DVC keeps the data, and every trial leaves a record (`polybatch tune`).
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from polybatch.core.errors import InputError, InputErrorList, use_utf8
from polybatch.core.processes import end_children_at_sigterm

from .check import check_params, check_workers
from .command import INTERRUPTED, SKIPPED, environment
from .leftovers import remove_leftovers
from .repository import check
from .workspace import Busy, lock_workspace, repair

_NEEDED = ("validate", "base")


def main(arguments: Sequence[str] | None = None) -> int:
    """Tune the study here and return the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.tune")
    parser.add_argument("--workers", type=int, help="instead of study.workers")
    chosen = parser.parse_args(arguments)
    use_utf8()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    root = Path.cwd()
    end_children_at_sigterm()
    try:
        check_workers(chosen.workers)
        check(root)
        config = check_params(root)
        if config.tuning is None:
            do = "Add it (presets/tune-mlqa.yaml of the repository has one), or use `polybatch run`"
            raise InputError(root / "params.yaml", "no section tuning", "one", do)
        with lock_workspace(root, config.flow.overlap):
            for line in [*repair(root), *remove_leftovers(root)]:
                print(f"polybatch: {line}")
            return _run(root, chosen.workers)
    except (InputError, InputErrorList, Busy) as error:
        print(f"polybatch: {error}", file=sys.stderr)
        return SKIPPED if isinstance(error, Busy) else 1
    except KeyboardInterrupt:
        print("polybatch: interrupted; trials that were finished are kept", file=sys.stderr)
        return INTERRUPTED


def _run(root: Path, workers: int | None) -> int:
    """Bring up to date what trials need, then tune; return the exit code, 1 of all failures."""
    commands = (
        [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *_NEEDED],
        ["polybatch", "tune", *([] if workers is None else ["--workers", str(workers)])],
    )
    given = environment(root, None)
    codes = (subprocess.run(each, cwd=root, env=given, check=False).returncode for each in commands)
    code = next((code for code in codes if code), 0)
    return code if code in (0, INTERRUPTED) else 1  # DVC has 255 of a stage that failed


if __name__ == "__main__":
    sys.exit(main())
