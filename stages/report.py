"""Write results/report.html: the whole study on one page that opens offline."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from polybatch.core.files import whole_file, write_text
from polybatch.reports.costs import cost_page, machine_costs
from polybatch.reports.environment import environment, machine_page
from polybatch.reports.html.page import page
from polybatch.reports.html.study_page import study_page
from polybatch.reports.results_folder import Study
from polybatch.settings.config import Config
from polybatch.sources.manifest import Manifest

from .common import LATENCY, RAW, RESULTS, TIMING, run


def report(config: Config, _: str) -> str:
    """Put the whole study on one page and return its size.

    Times and this machine's facts go into results/timing, which neither git nor DVC watches: the
    page has the same bytes wherever it is made.
    """
    manifests = {name: Manifest.read(RAW / name) for name in config.sources}
    made = study_page(Study(Path()), manifests)
    text = page(made)
    write_text(RESULTS / "report.html", text)
    timing = _measured(TIMING)
    write_text(TIMING / "machine.md", machine_page(environment(), timing))
    _write_costs(machine_costs(config, timing, _measured(LATENCY)))
    held = sum(count for count, _ in made.shown.values())
    return f"{len(text.encode()) / 1e6:.1f} MB, {held:,} questions"


def _measured(folder: Path) -> dict[str, dict[str, float]]:
    """Return what stages of this machine measured, by the stage's or the trial's name."""
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def _write_costs(costs: pl.DataFrame) -> None:
    write_text(TIMING / "costs.md", cost_page(costs))
    with whole_file(TIMING / "costs.csv") as temporary:
        costs.write_csv(temporary)


if __name__ == "__main__":
    run("report", report)
