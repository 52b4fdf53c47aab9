"""What Prefect's pages show of a study: stages, comparison, validation, budgets, reports."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact

_LINKS = {
    "report": "results/report.html",
    "data-docs": "results/expectations/index.html",
}


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
    for name, place in _LINKS.items():
        if (root / place).is_file():
            create_link_artifact((root / place).resolve().as_uri(), key=name, link_text=place)


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
