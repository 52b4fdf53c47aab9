"""One stage as a process of its own: `dvc --wait-for-lock repro -s STAGE`, its lines as they come.

`-s` (only this stage, its upstream being done) keeps DVC from marking the paths of other stages
as in use; `--wait-for-lock` because a stage that ends while another hashes gigabytes would
otherwise be lost after three seconds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARK = "POLYBATCH_STUDY"
"""Set to the workspace in the environment of every process of a flow: how orphans are found."""

INTERRUPTED, SKIPPED = 130, 3
"""Exit codes: of what Ctrl-C or SIGTERM ended; of a run that another one kept from beginning."""

DVC = (sys.executable, "-m", "dvc")
GRACE = 10.0  # seconds that a stage has to end after SIGINT
_ADVICE = (
    *("To track the changes", "git add ", "To enable auto", "dvc config ", "Use `dvc push`"),
    "Data and pipelines are up to date",  # of one stage of many
)
_RUNNING = "Running stage '"
_OF_DVC = ("ERROR: ", "WARNING: ", "> ", _RUNNING)
_KILLED = ("exited with -9", "exited with 137")  # by SIGKILL: the stage itself, or its shell
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


class StageFailed(Exception):
    """A stage did not succeed; the message says which one and why."""


@dataclass(frozen=True)
class Outcome:
    """How a stage ended well: `ran`, `unchanged` or `cached` (outputs taken from DVC's cache)."""

    how: str


class Stages:
    """Runs stages of one workspace and can interrupt those that run."""

    def __init__(
        self, root: Path, threads: int, workers: int, hours: float, lock: int | None
    ) -> None:
        """`lock`: descriptor of the study's lock, kept by children so that it outlives us."""
        self.root, self.seconds, self.lock = root, hours * 3600, lock
        self.environment = environment(root, threads if workers > 1 else None)
        self._living: set[subprocess.Popen[str]] = set()
        self._guard = threading.Lock()
        self._stopped = False

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to this process: a Ray worker has its own children, no lock."""
        return {"root": self.root, "seconds": self.seconds, "environment": self.environment}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.lock, self._living, self._stopped = None, set(), False
        self._guard = threading.Lock()

    def run(self, address: str, on_line: Callable[[str], None]) -> Outcome:
        """Bring one stage up to date, `on_line` for every line; StageFailed says why it is not."""
        child = self._start(["--wait-for-lock", "repro", "-s", address])
        overdue = threading.Event()
        timer = threading.Timer(self.seconds, _end_late, (child, overdue))
        timer.daemon = True
        timer.start()
        lines: list[str] = []
        try:
            assert child.stdout is not None
            for line in child.stdout:
                if line.strip() and not line.strip().startswith(_ADVICE):
                    lines = [*lines[-200:], line.rstrip()]
                    on_line(line.rstrip())
            code = child.wait()
        except BaseException:  # as of a pipe that nobody reads any more
            _end(child)
            raise
        finally:
            timer.cancel()
            with self._guard:
                self._living.discard(child)
        if overdue.is_set():
            raise StageFailed(f"{title(address)} was ended after {self.seconds / 3600:g} hours")
        if code:
            raise StageFailed(f"{title(address)} failed: {cause(lines, code)}")
        return Outcome(how(lines))

    def interrupt(self) -> None:
        """Interrupt every running stage (as Ctrl-C does), then kill it; none starts any more."""
        with self._guard:
            self._stopped = True
            living = list(self._living)
        for child in living:
            _signal(child, signal.SIGINT)
        for child in living:
            _end(child)

    def _start(self, arguments: list[str]) -> subprocess.Popen[str]:
        with self._guard:
            if self._stopped:
                raise StageFailed("the flow was interrupted")
            child = subprocess.Popen(
                [*DVC, *arguments],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
                pass_fds=() if self.lock is None else (self.lock,),
            )
            self._living.add(child)
            return child


def environment(root: Path, threads: int | None) -> dict[str, str]:
    """Return the environment of a stage; `threads` keeps its libraries from taking every core."""
    here = str(Path(sys.executable).parent)
    path = os.pathsep.join([here, os.environ.get("PATH", os.defpath)])
    given = {"PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", MARK: str(root)}
    limits = {} if threads is None else dict.fromkeys(_THREADS, str(threads))
    return os.environ | limits | given


def title(address: str) -> str:
    """Return `stage train of hybrid` for `train@hybrid`.

    Example:
        >>> title("train@hybrid"), title("compare")
        ('stage train of hybrid', 'stage compare')
    """
    stage, _, key = address.partition("@")
    return f"stage {stage} of {key}" if key else f"stage {stage}"


def cause(lines: list[str], code: int) -> str:
    """Return the line that says best why a stage failed: its own last one, else DVC's.

    Example:
        >>> lines = ["Running stage 'x':", "> y", "x: bad row", "WARNING: slow", "ERROR: failed"]
        >>> cause(lines, 1)
        'x: bad row'
    """
    own = [line for line in lines if not line.startswith(_OF_DVC)]
    dvc = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    ran = any(line.startswith(_RUNNING) for line in lines)
    if dvc and "being blocked by" in dvc[0]:
        blocker = next((line.strip() for line in lines if "(PID" in line), "another process")
        return f"{dvc[0]} {blocker}. Wait until it ends, or end it, then run again"
    if dvc and dvc[0].startswith("failed to transfer"):
        address = next((line.split("'")[1] for line in lines if line.startswith(_RUNNING)), "")
        why = dvc[0].partition(" - ")[2].partition(": ")[0]
        return (
            f"DVC could not store what it made ({why}). It is there still:"
            f" make room, and keep it by `dvc commit -f {address}` before the next run, which"
            " makes it anew otherwise"
        )
    if dvc and dvc[0].endswith(_KILLED):
        return (
            "killed, as a machine does that has no memory left. Lower study.workers, or the"
            " batches of the stage, and run again: it goes on from its last checkpoint"
        )
    if ran and own:
        return own[-1]
    return next(iter(dvc or own[-1:]), f"exit code {code}")


def how(lines: list[str]) -> str:
    """Return what DVC did, from its lines: `ran`, `cached` or `unchanged`.

    Example:
        >>> how(["Stage 'a' didn't change, skipping"])
        'unchanged'
    """
    if any(line.startswith("Stage '") and "is cached" in line for line in lines):
        return "cached"
    if any(line.startswith("Stage '") and "didn't change" in line for line in lines):
        return "unchanged"
    return "ran"


def _signal(child: subprocess.Popen[str], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


def _end_late(child: subprocess.Popen[str], overdue: threading.Event) -> None:
    overdue.set()
    _end(child)


def _end(child: subprocess.Popen[str]) -> None:
    """End a child's whole group: first politely, then for sure."""
    if child.poll() is None:
        _signal(child, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
    _signal(child, signal.SIGKILL)
