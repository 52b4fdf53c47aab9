"""Start-up: what a process costs before its first work, beside Python and the libraries alone.

CPU seconds (user and system, medians) tell more than the clock where other work runs on the
machine. The last rows go on to the first work with a packaged encoder: opened, ready to train.

    python benchmarks/startup.py [--repetitions 3]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from polybatch.versions.code_digest import stage_names

LIBRARIES = ("pass", "import torch", "import transformers.trainer", "import sentence_transformers")
COMMANDS = ("flows.preset", "flows.check", "polybatch.cli")
OPEN = (
    "import sys; from pathlib import Path; import polybatch_stages.{stage};"
    "from polybatch.encoders.checkpoints import open_checkpoint;"
    "from polybatch.training.machine import make_deterministic;"
    "make_deterministic(0, 1); open_checkpoint(Path({folder!r}))"
)
MAKE = (
    "import sys; from pathlib import Path; import polybatch_stages.base;"
    "from polybatch.encoders.checkpoints import save_checkpoint;"
    "from polybatch.encoders.light import LightEncoder;"
    "from polybatch.encoders.use_multilingual import UseMultilingual;"
    "save_checkpoint(LightEncoder(UseMultilingual()), Path({folder!r}))"
)


def seconds(program: str, repetitions: int) -> tuple[float, float]:
    """Return the median CPU seconds and seconds on the clock of a Python process."""
    spent = []
    for _ in range(repetitions):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        after, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begun
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        spent.append((cpu, clock))
    return statistics.median(cpu for cpu, _ in spent), statistics.median(wall for _, wall in spent)


def programs(folder: str) -> dict[str, str]:
    """Return what is measured: its name in the table, and the program."""
    return {
        **{f"`{program}`": program for program in LIBRARIES},
        **{name: f"import {name}" for name in COMMANDS},
        **{f"stage {name}": f"import polybatch_stages.{name}" for name in stage_names()},
        "base: encoder made and saved": MAKE.format(folder=folder),
        "train without steps: checkpoint open": OPEN.format(stage="train", folder=folder),
        "index: checkpoint open": OPEN.format(stage="index", folder=folder),
        "train: checkpoint open, trainer imported": OPEN.format(stage="train", folder=folder)
        + "; import polybatch.training.plan_trainer, polybatch.training.callbacks",
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    repetitions = parser.parse_args().repetitions
    print("| process | CPU seconds | seconds |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, program in programs(folder).items():
            cpu, clock = seconds(program, repetitions)
            print(f"| {name} | {cpu:.2f} | {clock:.2f} |", flush=True)


if __name__ == "__main__":
    main()
