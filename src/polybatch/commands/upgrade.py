"""`polybatch upgrade`: a study of an earlier version: its params, and what the new code reruns."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from polybatch.commands.run import FLOWS, inside
from polybatch.core.errors import InputError
from polybatch.core.files import write_text
from polybatch.versions.record import VERSIONS, raised, read_versions

_PIPELINE = {VERSIONS.name: VERSIONS, "pipeline.yaml": Path("dvc.yaml")}
"""File of the package -> the study's, which `--pipeline` replaces."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    words = "studies or presets (default: params.yaml, and what the study would rerun)"
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help=words)
    words = "also take dvc.yaml and versions.yaml of this version, so that the next run reruns it"
    parser.add_argument("--pipeline", action="store_true", help=words)


def work(chosen: argparse.Namespace) -> str:
    """Do it, and return what to print.

    Raises:
        InputError: a file that cannot be upgraded; changes of dvc.yaml that git does not have.
    """
    from polybatch.settings.upgrade import upgrade

    folder: Path = chosen.folder
    lines = []
    for path in chosen.files or [folder / "params.yaml"]:
        changes = upgrade(path) or ["is of this version already: nothing was changed"]
        lines += [f"{path}: {change}" for change in changes]
    if not chosen.files and (chosen.pipeline or (folder / VERSIONS).is_file()):
        lines += _results(folder)  # says so if --pipeline finds no versions.yaml
    if chosen.pipeline:
        lines += _replace(folder)
    return "\n".join(lines)


def _results(folder: Path) -> list[str]:
    """Say which results are of an earlier version, and which stages give others."""
    found = raised(read_versions(folder / VERSIONS), read_versions(_packaged(VERSIONS.name)))
    if not found:
        return [f"{folder / VERSIONS}: results are of this version: nothing reruns"]
    lines = [
        f"{folder / VERSIONS}: {name} is {'not there' if old is None else old}, and {new} now"
        for name, (old, new) in found.items()
    ]
    with inside(folder) as here:
        again = import_module(f"{FLOWS}.status").reruns(here, found)
    return [*lines, f"with `--pipeline` at most {len(again)} stages rerun: {', '.join(again)}"]


def _replace(folder: Path) -> list[str]:
    """Write the package's pipeline into the study, unless that loses what git does not have."""
    new = {path: _packaged(name).read_text(encoding="utf-8") for name, path in _PIPELINE.items()}
    others = [path for path in new if _text(folder / path) != new[path]]
    git = import_module(f"{FLOWS}.repository").git
    changed = git(folder, "status", "--porcelain", *map(str, others)) if others else ""
    if changed is None or changed:
        raise InputError(
            folder,
            f"changes of {', '.join(map(str, others))} that are in no commit",
            "a study whose pipeline git has, since --pipeline replaces it",
            "Commit them first; `git diff` then shows what was replaced",
        )
    for path in others:
        write_text(folder / path, new[path])
    return [f"{folder / path}: replaced by this version's" for path in others]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _packaged(name: str) -> Path:
    return Path(str(files("polybatch").joinpath("study_template", name)))
