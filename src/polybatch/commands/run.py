"""`polybatch run`: bring the study up to date, as `make repro` does in a clone."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from importlib import import_module
from pathlib import Path

from polybatch.core.errors import InputError

FLOWS = "polybatch_flows"
"""The package of flows; in the repository a link to the folder `flows`."""


@contextmanager
def inside(folder: Path) -> Iterator[Path]:
    """Work in the folder of a study, as DVC has to: it names stages by where it is.

    Raises:
        InputError: no such folder.

    Example:
        >>> with inside(Path("nowhere")):
        ...     pass
        Traceback (most recent call last):
        polybatch.core.errors.InputError: nowhere: found no such folder, expected ...
    """
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "the folder of a study", "Name another")
    with chdir(folder):
        yield Path.cwd()


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    words = "stages, or trials, at the same time (default: study.workers of params.yaml)"
    parser.add_argument("--workers", type=int, metavar="N", help=words)


def work(chosen: argparse.Namespace) -> str:
    """Run every stage that is not up to date, or the trials of a study that tunes.

    Raises:
        SystemExit: a stage failed; it said why.
    """
    from polybatch.settings.load import load

    tunes = load(chosen.folder / "params.yaml").tuning is not None
    with inside(chosen.folder):
        given = [] if chosen.workers is None else ["--workers", str(chosen.workers)]
        code = import_module(f"{FLOWS}.{'tune' if tunes else 'repro'}").main(given)
    if code:
        raise SystemExit(code)
    what, where = ("what was tried", "tuning.md") if tunes else ("the comparison", "compare.md")
    return f"polybatch: done; {what} is in results/{where}"
