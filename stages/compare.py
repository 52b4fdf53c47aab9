"""Put all strategies side by side: results/compare.md, tables, and the focus's metrics."""

from __future__ import annotations

from pathlib import Path

from polybatch.core.files import whole_file, write_json, write_text
from polybatch.reports.results_folder import Study
from polybatch.reports.study_comparison import compare_study
from polybatch.settings.config import Config

from .common import RESULTS, run


def compare(config: Config, _: str) -> str:
    """Compare all strategies of the study on the same queries and return how many there were."""
    found = compare_study(Study(Path()))
    for name, table in (
        ("compare", found.table),
        ("contrasts", found.contrasts),
        ("seeds", found.seeds),
        ("significance", found.sure),
    ):
        with whole_file(RESULTS / f"{name}.csv") as temporary:
            table.write_csv(temporary)
    write_text(RESULTS / "compare.md", found.text)
    page = {
        "budgets": found.budgets,
        "costs": found.costs,
        "made": found.made,
        "flagged": found.flagged,
        "headlines": found.headlines,
        "notes": found.notes,
    }
    write_json(RESULTS / "compare.json", page)
    write_json(RESULTS / "metrics.json", found.metrics[config.study.focus])
    return f"{len(found.metrics)} strategies in results/compare.md"


if __name__ == "__main__":
    run("compare", compare)
