"""Write results/report.html: the whole study on one page that opens offline."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from polybatch.files import whole_file, write_text
from polybatch.reports.costs import cost_page, machine_costs
from polybatch.reports.environment import environment
from polybatch.reports.html.page import page
from polybatch.reports.html.study_page import study_page
from polybatch.reports.results_folder import Study
from polybatch.settings.config import Config

from .common import LATENCY, RAW, RESULTS, TIMING, run


def report(config: Config, _: str) -> str:
    """Put everything that was found on one page and return its size."""
    manifests = {
        name: json.loads((RAW / name / "manifest.json").read_text(encoding="utf-8"))
        for name in config.sources
    }
    timing, latency = _measured(TIMING), _measured(LATENCY)
    _write_costs(machine_costs(config, timing, latency))
    made = study_page(Study(Path()), manifests, environment(), timing)
    text = page(made)
    write_text(RESULTS / "report.html", text)
    held = sum(count for count, _ in made.shown.values())
    return f"{len(text.encode()) / 1e6:.1f} MB, {held} questions"


def _measured(folder: Path) -> dict[str, dict[str, float]]:
    """Return what stages of this machine measured, by the stage's or the trial's name."""
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def _write_costs(costs: pl.DataFrame) -> None:
    """Write what rows cost on this machine, for people: neither in git nor in DVC."""
    write_text(TIMING / "costs.md", cost_page(costs, environment()))
    with whole_file(TIMING / "costs.csv") as temporary:
        costs.write_csv(temporary)


if __name__ == "__main__":
    run("report", report)
