"""Before anything runs: lock the workspace, and repair what an earlier run left behind.

One flow at a time works in a workspace. The lock is the operating system's (flock), so it ends
with its holders and needs no cleaning up. DVC's processes inherit it: after a kill of only
the flow, the next one waits until the stage that still runs has been committed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO

import psutil
from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.utils.serialize import parse_yaml

from polybatch.core.files import storage_error

from .command import MARK
from .graph import LOCK
from .repository import git

log = logging.getLogger("polybatch")
_LOCK = Path(".dvc/tmp/study.lock")
_WAIT = 1.0  # seconds between two tries of a lock that another flow holds


class Busy(Exception):
    """Another flow works in this workspace, and params say to skip."""


def notes(root: Path) -> list[str]:
    """Return what stops no run but is worth knowing about a result's origin."""
    found = []
    if git(root, "symbolic-ref", "--quiet", "HEAD") is None:
        found.append(
            "detached HEAD: a commit of these results would belong to no branch;"
            " `git switch -c NAME` gives it one"
        )
    names = (git(root, "diff", "--name-only", "--relative", "HEAD") or "").splitlines()
    code = [name for name in names if not name.startswith("results/") and name != LOCK]
    if code:
        found.append(
            f"uncommitted changes in {', '.join(code[:5])}{' ...' if code[5:] else ''}: results"
            " belong to no commit until you commit these together with dvc.lock"
        )
    return found


@contextmanager
def lock_workspace(root: Path, overlap: Literal["wait", "skip"]) -> Iterator[int]:
    """Yield the descriptor of the workspace's lock, held; Busy if another has it and we skip."""
    with _open_lock(root / _LOCK) as stream:
        warned = False
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                stream.seek(0)
                holder = f"another flow works in this workspace ({stream.read().strip()})"
                if overlap == "skip":
                    raise Busy(f"skipped: {holder}; flow.overlap in params.yaml says so") from None
                if not warned:
                    log.warning("waiting: %s", holder)
                warned = True
                time.sleep(_WAIT)
        stream.truncate(0)
        stream.write(f"process {os.getpid()}")
        stream.flush()
        yield stream.fileno()


def holder(root: Path) -> str | None:
    """Return who holds the workspace's lock, as `process 123`; None if nobody does."""
    path = root / _LOCK
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return stream.read().strip()
    return None


def _open_lock(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise storage_error(path, error.strerror or str(error)) from error


def repair(root: Path) -> list[str]:
    """Repair what a kill or a power loss can leave behind; return what was repaired.

    Call it holding the lock. Whole outputs are never touched: stages write beside them and
    rename at the end.
    """
    return [*_end_orphans(root), *_repair_rwlock(root), *_repair_lock_file(root)]


def _end_orphans(root: Path) -> list[str]:
    """End stages whose DVC was killed: nobody would commit what they write."""
    ended = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            ours = process.environ().get(MARK) == str(root)
            family = [process.pid, *(parent.pid for parent in process.parents())]
            if ours and os.getpid() not in family:
                command = " ".join(process.cmdline())
                process.kill()
                process.wait(10)
                ended.append(f"ended an orphan of an earlier flow: {command}")
    return ended


def _repair_rwlock(root: Path) -> list[str]:
    """Remove DVC's list of paths in use if it is broken or names processes that are not DVC."""
    path = root / ".dvc" / "tmp" / "rwlock"
    if not path.is_file():
        return []
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
        holders = [*lock.get("write", {}).values()]
        holders += [info for infos in lock.get("read", {}).values() for info in infos]
        holders = [int(info["pid"]) for info in holders if info]
    except (ValueError, KeyError, TypeError, AttributeError):
        path.unlink()
        return ["removed DVC's broken list of paths in use (.dvc/tmp/rwlock)"]
    if holders and not any(_is_dvc(pid) for pid in holders):
        path.unlink()
        return ["removed DVC's list of paths in use: its processes are gone (.dvc/tmp/rwlock)"]
    return []


def _is_dvc(pid: int) -> bool:
    try:
        return any("dvc" in part for part in psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def _repair_lock_file(root: Path) -> list[str]:
    """Put a half-written dvc.lock aside: DVC rebuilds it from its run cache, running nothing."""
    path = root / LOCK
    if not path.is_file():
        return []
    try:
        lock = Lockfile.validate(parse_yaml(path.read_text(encoding="utf-8"), path), LOCK)
        stages = lock.get("stages", {}).values()
    except (DvcException, ValueError):
        stages = None
    if stages is not None and all(_has_known_hashes(stage) for stage in stages):
        return []
    path.replace(root / ".dvc" / "tmp" / f"{LOCK}.broken")
    return [f"put a half-written {LOCK} aside; DVC finds the results again in its cache"]


def _has_known_hashes(stage: Mapping[str, Any]) -> bool:
    """Say whether DVC can compare a stage's files: its schema lets `hash: m` pass too."""
    entries = [*stage.get("deps", []), *stage.get("outs", [])]
    return all(entry.get("hash", "md5") == "md5" for entry in entries)
