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
from polybatch.settings.config import Config

from .graph import Graph, choose, locked_stages, read_graph, reasons, unchanged


class Plan:
    """What a flow knows before it runs anything.

    No dataclass: Prefect would search all of it, at each task, for what it might wait for.
    """

    def __init__(
        self, graph: Graph, same: Iterable[str], why: dict[str, str], before: dict[str, Any]
    ) -> None:
        """Keep the unchanged stages (`same`), `why` others run, dvc.lock as it was (`before`)."""
        self.graph, self.unchanged, self.reasons = graph, frozenset(same), why
        self.before = before

    @property
    def to_run(self) -> list[str]:
        """The stages that are not up to date, each after all that it depends on."""
        return [address for address in self.graph if address not in self.unchanged]


def plan_of(root: Path, strategies: Sequence[str]) -> Plan:
    """Read the graph and ask DVC what changed; InputError if it cannot say."""
    before = locked_stages(root)
    try:
        with Repo(str(root)) as repo, lock_repo(repo), _parsed_once():
            whole = read_graph(repo)
            graph = choose(whole, strategies)
            status = repo.status(targets=list(graph)) if len(graph) < len(whole) else repo.status()
    except DvcException as error:
        raise InputError(
            root,
            f"DVC's answer '{str(error).splitlines()[0]}'",
            "a workspace that nothing else works in and a dvc.yaml that DVC can read",
            "If another DVC command runs here, wait until it ends; else correct dvc.yaml"
            " (`polybatch run` repairs a half-written dvc.lock)",
        ) from error
    why = {address: reasons(found) for address, found in status.items()}
    return Plan(graph, unchanged(graph, status), why, before)


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
