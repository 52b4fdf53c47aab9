"""What a study ran on: versions and hardware, as a report tells them."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

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
    told = {
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory:.1f} GiB",
        "python": platform.python_version(),
    }
    return told | {name: found for name in _PACKAGES if (found := _version(name))}


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
