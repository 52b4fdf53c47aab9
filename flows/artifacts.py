"""What Prefect's pages show of a study: stages, comparison, validation, budgets, reports."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact

_PAGES = ("results/report.html", "results/expectations/index.html")


def show_results(root: Path, stages: Mapping[str, str]) -> None:
    """Make the artifacts of what is on disk now; `stages`: how each of them ended."""
    rows = [f"| {at} | {_cell(said)} |" for at, said in stages.items()]
    _markdown("stages", ["| stage | |", "|---|---|", *rows], "How each stage ended")
    comparison = root / "results" / "compare.md"
    if comparison.is_file():
        text = comparison.read_text(encoding="utf-8")
        if any(
            at.startswith("compare") and said.startswith("not run") for at, said in stages.items()
        ):
            text = f"**Old: not all strategies are up to date.**\n\n{text}"
        _markdown("comparison", [text], "All strategies side by side")
    _validation(root / "results" / "validation.json")
    _budgets(root / "results" / "training")
    alerts = root / "results" / "alerts.md"
    if alerts.is_file():
        _markdown("alerts", [alerts.read_text(encoding="utf-8")], "What fell, and who was told")
    _pages(root)


def _pages(root: Path) -> None:
    """Tell how to open the HTML pages: a browser follows no file:// link of an http page."""
    there = [root / page for page in _PAGES if (root / page).is_file()]
    if there:
        lines = [f"On {socket.gethostname()}, where the flow ran:", "", "```sh"]
        lines += [f"python -m webbrowser {page.resolve().as_uri()}" for page in there]
        _markdown("reports", [*lines, "```"], "How to open the pages of results/")


def _validation(path: Path) -> None:
    if not path.is_file():
        return
    datasets = json.loads(path.read_text(encoding="utf-8")).get("datasets", {})
    columns = sorted({key for found in datasets.values() for key, value in _numbers(found)})
    rows = [
        f"| {name} | {' | '.join(str(dict(_numbers(found)).get(key, '')) for key in columns)} |"
        for name, found in datasets.items()
    ]
    head = [f"| dataset | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    _markdown("validation", [*head, *rows], "What every dataset holds")


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
