"""What Prefect's pages show of a study: stages, comparison, validation, budgets, reports."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)

from polybatch.validation.summary import read_summaries

_STEP = re.compile(r"\bstep (\d+)/(\d+)\b")
_VALIDATION = (
    "| dataset | items | queries | documents | judgements | rejected | merged | leaks | holds |",
    "|---" * 9 + "|",
)
_PAGES = ("results/report.html", "results/expectations/index.html")


class Progress:
    """A progress artifact that follows `step 20/400` in a stage's lines, whole percents only."""

    def __init__(self, address: str) -> None:
        self.address, self.percent = address, -1
        self.artifact: Any = None

    def update(self, line: str) -> None:
        """Follow a line of the stage: one that names a step moves the artifact."""
        found = _STEP.search(line)
        if not found:
            return
        done, of = int(found[1]), int(found[2])
        percent = 100 * done // max(of, 1)
        if percent == self.percent:
            return
        self.percent = percent
        if self.artifact is None:
            key = re.sub("[^a-z0-9]+", "-", f"progress-{self.address}")
            self.artifact = create_progress_artifact(float(percent), key, line)
        else:
            update_progress_artifact(self.artifact, float(percent), line)


def show_results(root: Path, stages: Mapping[str, str]) -> None:
    """Make the artifacts of what is on disk now; `stages`: how each of them ended."""
    rows = [f"| {at} | {_cell(state)} |" for at, state in stages.items()]
    _markdown("stages", ["| stage | |", "|---|---|", *rows], "How each stage ended")
    comparison = root / "results" / "compare.md"
    if comparison.is_file():
        text = comparison.read_text(encoding="utf-8")
        if any(
            at.startswith("compare") and state.startswith("not run") for at, state in stages.items()
        ):
            text = f"**Old: not all strategies are up to date.**\n\n{text}"
        _markdown("comparison", [text], "All strategies side by side")
    _validation(root / "results" / "validation.json")
    _budgets(root / "results" / "training")
    alerts = root / "results" / "alerts.md"
    if alerts.is_file():
        _markdown("alerts", [alerts.read_text(encoding="utf-8")], "Alerts, and who was notified")
    _pages(root)


def _pages(root: Path) -> None:
    """Show how to open the HTML pages: a browser follows no file:// link of an http page."""
    there = [root / page for page in _PAGES if (root / page).is_file()]
    if there:
        lines = [f"On {socket.gethostname()}, where the flow ran:", "", "```sh"]
        lines += [f"python -m webbrowser {page.resolve().as_uri()}" for page in there]
        _markdown("reports", [*lines, "```"], "How to open the pages of results/")


def _validation(path: Path) -> None:
    if not path.is_file():
        return
    rows = [
        f"| {name} | {found.items} | {sum(found.queries.values())} |"
        f" {sum(found.documents.values())} |"
        f" {found.judgements} | {sum(found.rejected.values())} | {found.merged} | {found.leaks} |"
        f" {'yes' if found.holds else 'no'} |"
        for name, found in read_summaries(path).items()
    ]
    _markdown("validation", [*_VALIDATION, *rows], "What every dataset holds")


def _budgets(folder: Path) -> None:
    found = {
        path.parent.relative_to(folder).as_posix(): dict(
            _numbers(json.loads(path.read_text(encoding="utf-8")))
        )
        for path in sorted(folder.glob("*/*/summary.json"))
    }
    columns = sorted({key for budget in found.values() for key in budget})
    rows = [
        f"| {name} | {' | '.join(str(budget.get(key, '')) for key in columns)} |"
        for name, budget in found.items()
    ]
    if rows:
        head = [f"| strategy | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        _markdown("budgets", [*head, *rows], "What each training saw")


def _numbers(found: Mapping[str, Any]) -> list[tuple[str, object]]:
    return [(key, value) for key, value in found.items() if isinstance(value, (int, float))]


def _markdown(key: str, lines: list[str], description: str) -> None:
    create_markdown_artifact("\n".join(lines), key=key, description=description)


def _cell(text: str) -> str:
    return re.sub(r"\s*\|\s*", " / ", text.replace("\n", " "))
