"""Write results/report.html: the whole study on one page that opens offline."""

from __future__ import annotations

import json
from pathlib import Path

from polybatch.files import write_text
from polybatch.reports.environment import environment
from polybatch.reports.html.page import page
from polybatch.reports.html.study_page import study_page
from polybatch.reports.results_folder import Study
from polybatch.settings.config import Config

from .common import RAW, RESULTS, TIMING, run


def report(config: Config, _: str) -> str:
    """Put everything that was found on one page and return its size."""
    manifests = {
        name: json.loads((RAW / name / "manifest.json").read_text(encoding="utf-8"))
        for name in config.sources
    }
    times = sorted(TIMING.glob("*.json")) if TIMING.is_dir() else []
    timing = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in times}
    made = study_page(Study(Path()), manifests, environment(), timing)
    text = page(made)
    write_text(RESULTS / "report.html", text)
    held = sum(count for count, _ in made.shown.values())
    return f"{len(text.encode()) / 1e6:.1f} MB, {held} questions"


if __name__ == "__main__":
    run("report", report)
