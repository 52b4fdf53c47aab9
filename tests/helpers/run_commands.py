"""Commands of the documents, completed where a document leaves something open, and run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

from tests.helpers.documents import ROOT
from tests.helpers.toy_flow import ENVIRONMENT
from tests.helpers.warm import program_folder

MEANT = {
    **{"polybatch compare A B": "polybatch compare mono hybrid"},
    **{"polybatch runs STRATEGY": "polybatch runs hybrid --out f1"},
    "polybatch stage NAME": "polybatch stage settings",
    # the default study has one seed, so how far trainings are apart is assumed
    "polybatch plan-study --difference 1.0": "polybatch plan-study --difference 1.0 --seed-ratio 1",
    "make repro PRESET=name": "python -m flows.preset local",
    "python -m flows.preset --show NAME": "python -m flows.preset --show medical",
    "polybatch compare hybrid dapt-hybrid": "polybatch compare hybrid mono",  # scored here
    "polybatch compare bm25 hybrid": "polybatch compare mono hybrid",  # scored here
    "dvc repro train@hybrid-0": "dvc stage list --name-only | grep -x train@hybrid-0",
    "dvc remote modify --local": "dvc remote modify --local store url /mnt/share/other",
    "git clone": "git clone -q . ../clone",
    "git commit -m Begin": "git commit --allow-empty -m Begin",
    "dvc gc --workspace --all-commits --all-experiments": "dvc gc --all-commits --force",
    "dvc exp run -S": "dvc exp run -S study.focus=mono",
    "make repro PRESET=<study>": "make repro PRESET=medical",
}
"""What a document leaves open, closed."""
STANDS_FOR = {"STRATEGY": "hybrid", "FOLDER": "f2", "STAGE": "train@hybrid", " A B": " mono hybrid"}
AGAIN = {"dvc remote add --default store": "-f"}  # the documents name alternatives


def meant(command: str, share: Path | None = None) -> str:
    """Return the command as it can be run: examples in place of names in capitals."""
    command = MEANT.get(command, command)
    for word, example in STANDS_FOR.items():
        command = command.replace(word, example)
    for start, option in AGAIN.items():
        command = command.replace(start, f"{start.rpartition(' ')[0]} {option} store")
    command = re.sub(r"\[(--[a-z]+ [^]]+)\]", r"\1", command).replace("--depth N", "--depth 5")
    return command.replace("/mnt/share", str(share)) if share else command


def shell(command: str, folder: Path, share: Path) -> None:
    """Run a command in sh, with this environment's programs first; it has to succeed."""
    own = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "HOME": str(share)}
    own |= {"PREFECT_HOME": str(share / "prefect"), "GIT_CONFIG_GLOBAL": "/dev/null"}
    own |= {"PATH": os.pathsep.join([program_folder(), ENVIRONMENT["PATH"]])}
    run = meant(command, share).replace("make ", "make -o .venv/.installed ")
    done = subprocess.run(
        ["sh", "-c", run], cwd=folder, env=ENVIRONMENT | own, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{run}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


@cache
def help_of(words: tuple[str, ...]) -> str:
    """Return the help of a program and its subcommands, the longest that it knows."""
    own = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]), "COLUMNS": "200"}
    for end in range(len(words), 0, -1):
        done = subprocess.run(
            [*words[:end], "--help"], cwd=ROOT, env=ENVIRONMENT | own,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return done.stdout
    raise AssertionError(f"{shlex.join(words)} knows no --help")
