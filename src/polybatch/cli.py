"""The console command `polybatch`. The only module of the package that reads arguments.

A command is a row of COMMANDS: what it takes, and a function from the arguments to its text. Each
function imports what it needs: help, and a stage that DVC runs, need none of it.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from polybatch import __version__
from polybatch.errors import InputError, InputErrorList, use_utf8
from polybatch.languages import LanguagePair
from polybatch.versions.code_digest import STAGES, stage_names


@dataclass(frozen=True)
class Command:
    """`arguments` adds what the command takes, `work` does it and returns what to print."""

    summary: str
    arguments: Callable[[argparse.ArgumentParser], None]
    work: Callable[[argparse.Namespace], str]


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
    parser = argparse.ArgumentParser(prog="polybatch")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        below = commands.add_parser(name, help=command.summary, description=command.summary)
        below.add_argument("--folder", type=Path, default=Path(), help="the study (default: here)")
        if given[:1] == [name]:
            command.arguments(below)
    commands.add_parser("stage", help="Run one stage of dvc.yaml, as DVC does")
    chosen = parser.parse_args(given)
    try:
        sys.stdout.write(COMMANDS[chosen.command].work(chosen) + "\n")
    except (InputError, InputErrorList) as error:
        sys.stderr.write(f"polybatch {chosen.command}: {error}\n")
        return 1
    except BrokenPipeError:  # `polybatch compare … | head`
        sys.stderr.close()
    return 0


def _stage(given: list[str]) -> int:
    """Run a stage, a program with arguments of its own: what `cmd` in dvc.yaml says."""
    names = stage_names()
    if given[:1] and given[0] in names:
        sys.argv = [f"polybatch stage {given[0]}", *given[1:]]
        runpy.run_module(f"{STAGES}.{given[0]}", run_name="__main__", alter_sys=True)
        return 0
    sys.stderr.write(f"usage: polybatch stage {{{','.join(names)}}} ...\n")
    return 0 if given[:1] in (["-h"], ["--help"]) else 2


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    from polybatch.evaluation.scores import SETTINGS
    from polybatch.reports.pairwise_formats import FORMATS

    parser.add_argument("first", help="a strategy")
    parser.add_argument("second", help="the strategy whose gains are shown")
    parser.add_argument("--dataset", help="one evaluation dataset (default: all)")
    parser.add_argument("--setting", choices=SETTINGS, help="one setting (default: all)")
    parser.add_argument("--measure", help="default: AP, else the study's first")
    parser.add_argument("--questions", type=int, default=20, help="how many that changed most")
    formats = parser.add_mutually_exclusive_group()
    for name in FORMATS:
        formats.add_argument(f"--{name}", dest="format", action="store_const", const=name)
    parser.set_defaults(format="markdown")


def _compare(chosen: argparse.Namespace) -> str:
    from polybatch.reports.pairwise import Choice, side_by_side
    from polybatch.reports.pairwise_formats import FORMATS
    from polybatch.reports.results_folder import Study

    if chosen.questions < 0:
        raise InputError("--questions", str(chosen.questions), "0 or more", "Change the number")
    choice = Choice(chosen.dataset, chosen.setting, chosen.measure, chosen.questions)
    found = side_by_side(Study(chosen.folder), chosen.first, chosen.second, choice)
    return FORMATS[chosen.format](found)


def _runs_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("strategy")
    parser.add_argument("--dataset", help="one evaluation dataset (default: all)")
    parser.add_argument("--pair", help="query>document, such as 'sw>en' (default: all pairs)")
    parser.add_argument("--depth", type=int, help="documents a query (default: all, as AP needs)")
    parser.add_argument("--out", type=Path, required=True, help="an existing or new folder")


def _runs(chosen: argparse.Namespace) -> str:
    from polybatch.reports.results_folder import Study
    from polybatch.retrieval.arm_folders import open_source
    from polybatch.retrieval.trec import write_pair

    study = Study(chosen.folder)
    strategy = study.strategy(chosen.strategy)
    only = _pair(chosen.pair) if chosen.pair else None
    if chosen.depth is not None and chosen.depth < 1:
        raise InputError("--depth", str(chosen.depth), "1 or more", "Change the number")
    names = list(study.config.used_for("evaluate"))
    count = 0
    for name in [study.dataset_name(chosen.dataset)] if chosen.dataset else names:
        dataset = study.dataset(name)
        source = open_source(study.index(strategy), dataset)
        asked, held = (sorted(set(frame["lang"])) for frame in (dataset.queries, dataset.corpus))
        for pair in [only] if only else [LanguagePair(a, b) for a in asked for b in held]:
            depth = chosen.depth or dataset.corpus.height
            found = write_pair(dataset, source, pair, depth, chosen.out / name, strategy)
            count += len(found)
    return f"{count} files in {chosen.out}"


def _upgrade_arguments(parser: argparse.ArgumentParser) -> None:
    words = "studies or presets (default: params.yaml)"
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help=words)


def _upgrade(chosen: argparse.Namespace) -> str:
    from polybatch.settings.upgrade import upgrade

    lines = []
    for path in chosen.files or [chosen.folder / "params.yaml"]:
        changes = upgrade(path) or ["is of this version already: nothing was changed"]
        lines += [f"{path}: {change}" for change in changes]
    return "\n".join(lines)


def _pair(text: str) -> LanguagePair:
    try:
        return LanguagePair.parse(text)
    except ValueError as error:
        raise InputError("--pair", f"'{text}'", "such as 'sw>en'", "Mend it") from error


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--difference", type=float, required=True, help="in points, to be found")
    parser.add_argument(
        "--seed-ratio",
        type=float,
        help="assumed: standard deviation of a training over a cluster's",
    )
    parser.add_argument("--cluster-sd", type=float, help="assumed: in points (default: as found)")
    parser.add_argument("--clusters", type=int, default=50, help="assumed: clusters of questions")
    parser.add_argument("--items", type=float, default=1.0, help="assumed: questions a cluster")
    parser.add_argument("--claims", type=int, default=1, help="assumed: corrected together")


def _plan(chosen: argparse.Namespace) -> str:
    from polybatch.reports.results_folder import Study
    from polybatch.reports.study_plan import Assumed, study_plan

    assumed = Assumed(
        chosen.seed_ratio, chosen.cluster_sd, chosen.clusters, chosen.items, chosen.claims
    )
    return study_plan(Study(chosen.folder), chosen.difference, assumed)


def _tune(chosen: argparse.Namespace) -> str:
    import logging

    from polybatch.files import write_text
    from polybatch.reports.html.tuning_page import tuning_page
    from polybatch.reports.tuning_tables import tuning_markdown
    from polybatch.settings.load import load
    from polybatch.settings.tuned import TUNED
    from polybatch.tuning.tune import tune, write_tuned

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    logging.getLogger("polybatch").setLevel(logging.INFO)
    config = load(chosen.folder / "params.yaml")
    name, results = config.study.name, chosen.folder / "results"
    tuned = tune(chosen.folder, config)
    write_text(results / "tuning.md", tuning_markdown(name, tuned))
    write_text(results / "tuning.html", tuning_page(name, tuned))
    write_tuned(chosen.folder / TUNED, name, tuned)
    return f"{TUNED} holds what was chosen; commit it. What was tried: {results / 'tuning.md'}"


COMMANDS: dict[str, Command] = {
    "compare": Command("Two strategies side by side", _compare_arguments, _compare),
    "plan-study": Command("Trainings and questions that find a difference", _plan_arguments, _plan),
    "runs": Command("TREC runs and qrels, a file a pair of languages", _runs_arguments, _runs),
    "tune": Command("Try settings on held-out articles, write tuned.yaml", lambda _: None, _tune),
    "upgrade": Command(
        "Rewrite params.yaml of an earlier version, comments kept", _upgrade_arguments, _upgrade
    ),
}
