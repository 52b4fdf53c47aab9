"""The console command `polybatch`: one word for everything that a user does.

A command is a row of COMMANDS and a module of `polybatch.commands`, imported when it is chosen and
importing what it needs when it works: help, and a stage that DVC runs, need none of it.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from polybatch import __version__
from polybatch.core.errors import InputError, InputErrorList, use_utf8
from polybatch.core.processes import end_unread, write_nowhere
from polybatch.versions.code_digest import STAGES, stage_names


@dataclass(frozen=True)
class Command:
    """What a command does in one line, and an example (without the word `polybatch`)."""

    summary: str
    example: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; mistakes end with their message and exit code 1.

    Example:
        >>> main(["compare", "mono", "hybrid", "--folder", "nowhere"])
        1
    """
    use_utf8()
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["stage"]:
        return _stage(given[1:])
    chosen = parser(given[:1]).parse_args(given)
    try:
        text = _module(chosen.command).work(chosen)
    except (InputError, InputErrorList) as error:
        sys.stderr.write(f"polybatch {chosen.command}: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"polybatch {chosen.command}: interrupted; what was finished is kept\n")
        return 130
    except BrokenPipeError:  # `polybatch runs … | head`
        return end_unread(f"polybatch {chosen.command}")
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # `polybatch compare … | head`: all is done
        write_nowhere()
    return 0


def parser(names: Collection[str]) -> argparse.ArgumentParser:
    """Return the parser of all commands, with the arguments of those named: they import.

    Example:
        >>> parser([]).parse_args(["status"]).command
        'status'
    """
    whole = argparse.ArgumentParser(prog="polybatch")
    whole.add_argument("--version", action="version", version=__version__)
    commands = whole.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        example = f"Example: polybatch {command.example}"
        below = commands.add_parser(
            name, help=command.summary, description=command.summary, epilog=example
        )
        below.add_argument("--folder", type=Path, default=Path(), help="the study (default: here)")
        if name in names:
            _module(name).arguments(below)
    commands.add_parser("stage", help="Run one stage of dvc.yaml, as DVC does")
    return whole


def _module(command: str) -> ModuleType:
    return import_module(f"polybatch.commands.{command.replace('-', '_')}")


def _stage(given: list[str]) -> int:
    """Run a stage, a program with arguments of its own: what `cmd` in dvc.yaml says."""
    names = stage_names()
    if given[:1] and given[0] in names:
        sys.argv = [f"polybatch stage {given[0]}", *given[1:]]
        runpy.run_module(f"{STAGES}.{given[0]}", run_name="__main__", alter_sys=True)
        return 0
    sys.stderr.write(f"usage: polybatch stage {{{','.join(names)}}} ...\n")
    return 0 if given[:1] in (["-h"], ["--help"]) else 2


COMMANDS: dict[str, Command] = {
    "compare": Command("Two strategies side by side", "compare mono hybrid --dataset cldr-test"),
    "completion": Command(
        "What a shell reads to complete commands and options", "completion bash >> ~/.bashrc"
    ),
    "export": Command(
        "A strategy as a folder that sentence-transformers loads, with its card",
        "export hybrid exported --dtype fp16 --onnx",
    ),
    "init": Command("A study of your own in a new folder", "init my-study --from faq.csv"),
    "plan-study": Command(
        "Trainings and questions that find a difference", "plan-study --difference 1.0"
    ),
    "recommend": Command(
        "Which row to take: the cheapest not shown to be worse", "recommend --setting multi"
    ),
    "runs": Command(
        "TREC runs and qrels, one file per language pair", "runs hybrid --out runs --pair 'sw>en'"
    ),
    "run": Command("Bring the study up to date: every stage that changed", "run --workers 2"),
    "search": Command(
        "Documents for a question in any language",
        "search 'What is the capital of France?' --strategy hybrid --lang sw",
    ),
    "serve": Command("The search as a service, with a page", "serve --port 8000"),
    "status": Command("Which stages would run, and why", "status --json"),
    "tune": Command("Try settings on held-out articles, write tuned.yaml", "tune"),
    "validate": Command(
        "What is read of your files, and which rows are not",
        "validate inputs/faq --languages en sw",
    ),
    "upgrade": Command(
        "Rewrite params.yaml of an earlier version, and say what the new one reruns", "upgrade"
    ),
}
"""Name -> its row; `plan-study` is the module `polybatch.commands.plan_study`."""
