"""Measure every row of `rows.py`, ours and theirs in turns; write records, RESULTS.md and a plot.

    python benchmarks/bench.py [--rows NAME ...] [--repetitions 5] [--tiny] [--check] [--render]

Each measurement is a process of its own, and a round takes every contender once, so that a busy
minute is busy for all; a ratio is that of one round. `records/<row>.json` holds every number, with
machine and versions; RESULTS.md and growth.svg are made of the records alone (`--render`: nothing
else is done). `--check` measures the table's sizes anew and fails if a ratio is more than 20% below
its record, as its median over the rounds. `--tiny` tries the rows and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rendering import ratios, render
from rows import ROWS

from polybatch.core.files import write_json, write_text

HERE = Path(__file__).parent
RECORDS, RESULTS, PLOT = HERE / "records", HERE / "RESULTS.md", HERE / "growth.svg"
LEAST = 0.8
"""The share of its recorded ratio that a row has to reach."""
LIBRARIES = (
    "polybatch",
    "torch",
    "numpy",
    "polars",
    "sentence-transformers",
    "pytrec-eval-terrier",
)

Rounds = dict[str, list[dict[str, float]]]


def measure(row: str, size: int, repetitions: int) -> Rounds:
    """Return the measurements of each contender, one a round."""
    found: Rounds = {name: [] for name in ROWS[row].contenders}
    for _ in range(repetitions):
        for name, measured in found.items():
            command = [sys.executable, __file__, "--one", row, name, str(size)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            measured.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def one(row: str, contender: str, size: str) -> None:
    """Measure one contender once, in this process, and print it."""
    seconds = ROWS[row].contenders[contender](int(size))
    started = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(who).ru_maxrss for who in started) / 1024
    print(json.dumps({"seconds": round(seconds, 4), "peak_mib": round(peak)}))


def machine() -> dict[str, Any]:
    """Return what a number depends on beside the code."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True,
        check=False,
    ).stdout.strip()  # fmt: skip
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": {name: _version(name) for name in LIBRARIES},
    }


def record(row: str, repetitions: int) -> dict[str, Any]:
    """Measure a row at all its sizes; the record is what RESULTS.md and the plot are made of."""
    sizes = ROWS[row].sizes
    return {
        "title": ROWS[row].title,
        "unit": ROWS[row].unit,
        "machine": machine(),
        "measured": {str(size): measure(row, size, repetitions) for size in sizes},
    }


def check(row: str, repetitions: int) -> list[str]:
    """Measure a row's largest size again and say what fell since its record, if there is one."""
    path = RECORDS / f"{row}.json"
    if not path.is_file():
        return []
    size = max(ROWS[row].sizes)
    before = json.loads(path.read_text(encoding="utf-8"))["measured"][str(size)]
    return [f"{row}: {line}" for line in fallen(before, measure(row, size, repetitions))]


def fallen(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line for each ratio whose median is below LEAST of what it was."""
    medians = {
        name: (statistics.median(ratios(before)[name]), statistics.median(values))
        for name, values in ratios(now).items()
        if name in before
    }
    return [
        f"{new:.2f} times as fast as {name}, {old:.2f} in the record"
        for name, (old, new) in medians.items()
        if new < LEAST * old
    ]


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(name: str) -> str:
    try:
        return version(name)
    except ModuleNotFoundError:
        return "not installed"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python benchmarks/bench.py")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--repetitions", type=int, default=5)
    for option in ("--tiny", "--check", "--render"):
        parser.add_argument(option, action="store_true")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        one(*asked.one)
        return 0
    fell: list[str] = []
    for row in [] if asked.render else asked.rows:
        print(f"bench: {row}", flush=True)
        if asked.tiny:
            for name, values in ratios(measure(row, ROWS[row].tiny, asked.repetitions)).items():
                print(f"  {statistics.median(values):.2f} times as fast as {name}, at a tiny size")
        elif asked.check:
            fell += check(row, asked.repetitions)
        else:
            write_json(RECORDS / f"{row}.json", record(row, asked.repetitions))
    if asked.tiny or asked.check:
        print("\n".join(fell) or "bench: no ratio fell")
        return 1 if fell else 0
    there = [path for row in ROWS if (path := RECORDS / f"{row}.json").is_file()]
    table, plot = render([json.loads(path.read_text(encoding="utf-8")) for path in there])
    write_text(RESULTS, table)
    if plot:
        write_text(PLOT, plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
