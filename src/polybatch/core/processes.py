"""How a command that starts others ends: with all of them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil


def end_children_at_sigterm() -> None:
    """At SIGTERM end the processes begun by this one, which would go on; then as at Ctrl-C."""
    signal.signal(signal.SIGTERM, _end)


def _end(*_: object) -> None:
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.terminate()
    raise KeyboardInterrupt


def end_unread(program: str) -> int:
    """Say that nobody reads what a program says (`… | head`), and return its exit code."""
    with contextlib.suppress(BrokenPipeError):  # `… 2>&1 | head`
        words = "ended, as nobody reads what it says any more; what was finished is kept"
        sys.stderr.write(f"{program}: {words}\n")
    write_nowhere()
    return 141  # 128 + SIGPIPE, as of a shell


def write_nowhere() -> None:
    """Let Python end in peace: it flushes once more what nobody reads."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process holds `lock`, and hold it; its end, also by a kill, frees it.

    Example:
        >>> import tempfile
        >>> with alone(Path(tempfile.mkdtemp()) / "a.lock"):
        ...     pass
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
