"""What all test processes of one pytest run share: the first that needs it makes it."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def once(name: str, make: Callable[[Path, int], None]) -> Path:
    """Return a folder of this run; the first process to ask calls `make(folder, owner)`.

    `owner`: the process of pytest itself. What `make` starts ends when that is gone.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")  # of pytest-xdist, the same in its processes
    owner = os.getppid() if run else os.getpid()
    folder = Path(tempfile.gettempdir(), f"polybatch-tests-{run or owner}-{name}")
    folder.mkdir(exist_ok=True)
    with (folder / "made").open("a+") as made:
        fcntl.flock(made, fcntl.LOCK_EX)
        if made.tell() == 0:
            make(folder, owner)
            made.write("made\n")
    return folder
