"""What a run knows before it runs anything: the graph, what DVC would run, and why."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from dvc.dependency import param
from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo

from polybatch.core.errors import InputError
from polybatch.core.files import storage_error
from polybatch.settings.config import Config

from .graph import Graph, choose, locked_stages, read_graph, reasons, unchanged

_USABLE = "a workspace that nothing else works in and a dvc.yaml that DVC can read"
_ADVICE = (
    "If another DVC command runs here, wait until it ends; else correct dvc.yaml"
    " (`polybatch run` repairs a half-written dvc.lock)"
)


class Plan:
    """What a flow knows before it runs anything.

    No dataclass: Prefect would search all of it, at each task, for what it might wait for.
    """

    def __init__(
        self,
        graph: Graph,
        same: Iterable[str],
        why: dict[str, str],
        before: dict[str, Any],
        gone: Sequence[str] = (),
    ) -> None:
        """Keep the unchanged stages (`same`), `why` others run, dvc.lock as it was (`before`).

        `gone`: the stages of dvc.lock that the study has no more.
        """
        self.graph, self.unchanged, self.reasons = graph, frozenset(same), why
        self.before, self.gone = before, gone

    @property
    def to_run(self) -> list[str]:
        """The stages that are not up to date, each after all that it depends on."""
        return [address for address in self.graph if address not in self.unchanged]


def plan_of(root: Path, strategies: Sequence[str]) -> Plan:
    """Read the graph and ask DVC what changed; InputError if it cannot say."""
    before = locked_stages(root)
    with opened(root) as repo, lock_repo(repo), _parsed_once():
        whole = read_graph(repo)
        graph = choose(whole, strategies)
        status = repo.status(targets=list(graph)) if len(graph) < len(whole) else repo.status()
    why = {address: reasons(found) for address, found in status.items()}
    gone = [address for address in before if address not in whole]
    return Plan(graph, unchanged(graph, status), why, before, gone)


@contextmanager
def opened(root: Path) -> Iterator[Repo]:
    """Yield DVC's repository; InputError for what DVC refuses or the system does."""
    try:
        with Repo(str(root)) as repo:
            yield repo
    except DvcException as error:
        first, *rest = str(error).splitlines()
        holders = [line.strip() for line in rest if "(PID " in line]
        do = "Wait until it ends, or end it, then run again" if holders else _ADVICE
        found, expected = f"DVC's answer '{' '.join([first, *holders])}'", _USABLE
        raise InputError(root, found, expected, do) from error
    except OSError as error:  # as in a folder that cannot be written
        raise storage_error(Path(error.filename or root), error.strerror or str(error)) from error


@contextmanager
def _parsed_once() -> Iterator[None]:
    """Let DVC parse params.yaml once: it does so for each stage, a quarter of its time."""
    load = param.load_path
    param.load_path = cache(load)
    try:
        yield
    finally:
        param.load_path = load


def too_many(config: Config, workers: int) -> list[str]:
    """Warn if more threads would run than there are cores: results stay, time is lost."""
    cores, threads = os.cpu_count() or 1, config.study.threads * workers
    if workers == 1 or threads <= cores:
        return []
    return [
        f"study.workers x study.threads = {threads} on {cores} cores: slower than need be."
        f" Fewer workers change no result; fewer threads change the last digits"
    ]
