"""`polybatch status`: which stages would run, why, and how long they took the last time."""

from __future__ import annotations

import argparse
import json
from importlib import import_module

from polybatch.commands.run import FLOWS, inside


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--json", action="store_true", help="every stage, also those up to date")


def work(chosen: argparse.Namespace) -> str:
    """Ask DVC, run nothing, and return what to print."""
    flow = import_module(f"{FLOWS}.status")
    with inside(chosen.folder) as here:
        found = flow.status(here)
    text: str = json.dumps(found, indent=2) if chosen.json else flow.status_text(found)
    return text
