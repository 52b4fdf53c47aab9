"""`polybatch tune`: settings tried on held-out articles."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from polybatch.core.errors import InputError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes: params.yaml says what is tried."""
    words = "trials at the same time (default: study.workers of params.yaml)"
    parser.add_argument("--workers", type=int, metavar="N", help=words)


def work(chosen: argparse.Namespace) -> str:
    """Do it, and return what to print.

    Raises:
        InputError: no trial at a time.
    """
    import logging

    from polybatch.core.files import write_text
    from polybatch.core.processes import end_children_at_sigterm
    from polybatch.reports.html.tuning_page import tuning_page
    from polybatch.reports.tuning_tables import tuning_markdown
    from polybatch.settings.load import load
    from polybatch.settings.tuned import TUNED
    from polybatch.tuning.tune import tune, write_tuned

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    logging.getLogger("polybatch").setLevel(logging.INFO)
    end_children_at_sigterm()
    config = load(chosen.folder / "params.yaml")
    if chosen.workers is not None:
        if chosen.workers < 1:
            raise InputError("--workers", str(chosen.workers), "1 or more", "Change the number")
        config = replace(config, study=replace(config.study, workers=chosen.workers))
    name, results = config.study.name, chosen.folder / "results"
    tuned = tune(chosen.folder, config)
    write_text(results / "tuning.md", tuning_markdown(name, tuned))
    write_text(results / "tuning.html", tuning_page(name, tuned))
    write_tuned(chosen.folder / TUNED, name, tuned)
    return f"{TUNED} holds what was chosen; commit it. What was tried: {results / 'tuning.md'}"
