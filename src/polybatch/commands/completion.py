"""`polybatch completion`: what bash, zsh or fish reads to complete commands and options."""

from __future__ import annotations

import argparse
from pathlib import Path

_SHELLS = ("bash", "zsh", "fish")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("shell", choices=_SHELLS, help="the shell that will read it")


def work(chosen: argparse.Namespace) -> str:
    """Return the script, which names no file of this machine."""
    import shtab

    from polybatch.cli import COMMANDS, parser

    whole = parser(COMMANDS)
    commands = next(each.choices for each in whole._actions if isinstance(each.choices, dict))
    for command in commands.values():
        for action in command._actions:
            if action.type is Path:
                action.complete = shtab.FILE
    return str(shtab.complete(whole, chosen.shell))
