"""What a study ran on: versions, hardware, and the time and memory that its stages took."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import polars as pl
import psutil

from polybatch.core.markdown import MISSING, escape, markdown

_PACKAGES = (
    *("polybatch", "torch", "transformers", "sentence-transformers", "faiss-cpu", "polars"),
    *("numpy", "dvc", "prefect", "great-expectations"),
)


def environment() -> dict[str, str]:
    """Return names and versions, of the machine and of the packages that decide results.

    Example:
        >>> "python" in environment()
        True
    """
    memory = psutil.virtual_memory().total / 2**30
    facts = {
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory:.1f} GiB",
        "python": platform.python_version(),
    }
    return facts | {name: found for name in _PACKAGES if (found := _version(name))}


_MEASURED = {
    "seconds": "seconds",
    "cpu_seconds": "processor seconds",
    "peak_gib": "peak memory (GiB)",
    "joules": "energy (J)",
}


def machine_page(facts: Mapping[str, str], timing: Mapping[str, Mapping[str, float]]) -> str:
    """Return results/timing/machine.md. `timing`: {stage: what it took}, as stages write it.

    Example:
        >>> page = machine_page({"python": "3.11"}, {"base": {"seconds": 2.2, "peak_gib": 1.3}})
        >>> print(page.splitlines()[-1])
        | base | 2.2 | – | 1.3 | – |
    """
    took = [
        (escape(stage), *(str(found.get(key, MISSING)) for key in _MEASURED))
        for stage, found in timing.items()
    ]
    return "\n\n".join(
        [
            "# The machine that made results/report.html",
            "\n".join(f"- {name}: {escape(value)}" for name, value in facts.items()),
            "What stages took on this machine; energy is of all its processors together, where the "
            "system counts it.",
            markdown(pl.DataFrame(took, ["stage", *_MEASURED.values()], orient="row")) + "\n",
        ]
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
