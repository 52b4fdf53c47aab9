"""How long a run will take and how much it will write, by what its stages took the last time."""

from __future__ import annotations

import heapq
import json
import shutil
import statistics
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .graph import Graph

TIMING = Path("results/timing")
BEGINNING = 3.0
"""Seconds that DVC and Python take before a stage's own clock starts, and DVC after it."""


class Forecast:
    """Seconds of the stages to run: known, else as `_completed` has it, with what this run took."""

    def __init__(
        self,
        graph: Graph,
        to_run: Iterable[str],
        seconds: Mapping[str, float],
        workers: int,
        root: Path | None = None,
    ) -> None:
        """`seconds`: of stages, as far as they are known. `root`: where stages write theirs."""
        self.graph, self.workers, self.root = graph, workers, root
        self.waiting = list(to_run)
        self.all = len(self.waiting)
        self.known = dict(seconds)
        self.seconds = _completed(graph, self.known)
        self.begun: dict[str, float] = {}

    def begin(self, address: str) -> None:
        """Note that a stage runs from now on."""
        if address in self.waiting:
            self.waiting.remove(address)
            self.begun[address] = time.monotonic()

    def end(self, address: str) -> None:
        """Note that a stage is done, or need not run."""
        if address in self.waiting:
            self.waiting.remove(address)
        if self.begun.pop(address, None) and self.root:
            self.known |= seconds_before(self.root, {address: self.graph[address]})
            self.seconds = _completed(self.graph, self.known)

    def left(self) -> float:
        """Return the seconds until all is done: what is ready begins when a worker is free."""
        now, waiting, running = time.monotonic(), list(self.waiting), list[tuple[float, str]]()
        for address, start in self.begun.items():
            running.append((max(0.0, self._of(address) - (now - start)), address))
        heapq.heapify(running)
        clock = 0.0
        while waiting or running:
            there = {*waiting, *(address for _, address in running)}
            ready = [at for at in waiting if there.isdisjoint(self.graph[at].upstream)]
            for address in ready[: self.workers - len(running)]:
                heapq.heappush(running, (clock + self._of(address), address))
                waiting.remove(address)
            clock, _ = heapq.heappop(running)
        return clock

    def line(self) -> str:
        """Return what is done, running and left, in one line."""
        done = self.all - len(self.waiting) - len(self.begun)
        parts = [f"{done} of {self.all} stages done"]
        parts += [f"running {', '.join(self.begun)}"] if self.begun else []
        parts += [f"{len(self.waiting)} left"] if self.waiting else []
        parts += [f"{self.told()} to go"] if self.seconds else []
        return ", ".join(parts)

    def told(self) -> str:
        """Return the time until all is done, in words: "at least" where a program never ran."""
        unknown = any(at not in self.seconds for at in (*self.waiting, *self.begun))
        return f"{'at least' if unknown else 'about'} {duration(self.left())}"

    def _of(self, address: str) -> float:
        return BEGINNING + self.seconds.get(address, 0.0)


def forecast_lines(root: Path, forecast: Forecast, before: Mapping[str, Any]) -> list[str]:
    """Return what a run will take: stages, time, disk; `before` is what dvc.lock says."""
    line = f"{forecast.all} of {len(forecast.graph)} stages to run"
    line += f", {forecast.workers} at a time" if forecast.workers > 1 else ""
    line += (
        f": {forecast.told()}"
        if forecast.seconds
        else ": how long they take is known after their first run here"
    )
    sizes = _completed(forecast.graph, {at: _size(entry) for at, entry in before.items()})
    size, free = sum(sizes.get(at, 0) for at in forecast.waiting), shutil.disk_usage(root).free
    if size < 50_000:
        return [line]
    # Of another study's dvc.lock, as after a change of preset, the sizes say little of this one.
    lines = [f"{line}; by dvc.lock their outputs had {amount(size)} ({amount(free)} free)"]
    if size > free:
        lines.append("the disk may become full: free some, or set `dvc cache dir` to a larger one")
    return lines


def seconds_before(root: Path, graph: Graph) -> dict[str, float]:
    """Return what stages took the last time they ran here, as they wrote it to results/timing."""
    found = {}
    for address, box in graph.items():
        path = root / TIMING / f"{'-'.join(filter(None, (box.stage, box.key)))}.json"
        with suppress(OSError, ValueError, KeyError, TypeError):  # not there, or cut by a crash
            found[address] = float(json.loads(path.read_text(encoding="utf-8"))["seconds"])
    return found


def duration(seconds: float) -> str:
    """Return a time in words.

    Example:
        >>> duration(42.4), duration(600), duration(8000)
        ('42 s', '10 min', '2 h 13 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def amount(size: float) -> str:
    """Return a number of bytes in words.

    Example:
        >>> amount(3_400_000_000), amount(120_000)
        ('3.4 GB', '0.1 MB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _completed(graph: Graph, known: Mapping[str, float]) -> dict[str, float]:
    """Add, for stages without a value, the mean of the same row's, else of the same program's.

    A value below 1 tells nothing of other rows: it is of one that has nothing to do, as a strategy
    that is not trained.
    """
    rows: dict[str, list[float]] = {}
    programs: dict[str, list[float]] = {}
    for address, value in known.items():
        if address in graph:
            rows.setdefault(_row(address), []).append(value)
            if value >= 1:
                programs.setdefault(graph[address].stage, []).append(value)
    found = {
        address: rows.get(_row(address)) or programs.get(box.stage)
        for address, box in graph.items()
    }
    means = {address: statistics.fmean(values) for address, values in found.items() if values}
    return {address: known.get(address, mean) for address, mean in means.items()}


def _row(address: str) -> str:
    """Return a stage without its seed: `train@hybrid` of `train@hybrid-0`."""
    name, _, key = address.partition("@")
    row, _, seed = key.rpartition("-")
    return f"{name}@{row}" if row and seed.isdecimal() else address


def _size(entry: Mapping[str, Any]) -> float:
    return float(sum(out.get("size", 0) for out in entry.get("outs", [])))
