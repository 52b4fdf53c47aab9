"""`polybatch upgrade`: rewrite params.yaml of an earlier version, comments kept."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    words = "studies or presets (default: params.yaml)"
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help=words)


def work(chosen: argparse.Namespace) -> str:
    """Do it, and return what to print."""
    from polybatch.settings.upgrade import upgrade

    lines = []
    for path in chosen.files or [chosen.folder / "params.yaml"]:
        changes = upgrade(path) or ["is of this version already: nothing was changed"]
        lines += [f"{path}: {change}" for change in changes]
    return "\n".join(lines)
