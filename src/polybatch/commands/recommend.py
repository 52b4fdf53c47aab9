"""`polybatch recommend`: which row of a finished study to take."""

from __future__ import annotations

import argparse
import json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--dataset", help="one evaluation dataset (default: all)")
    words = "mono, cross or multi: how people will ask (default: all)"
    parser.add_argument("--setting", choices=("mono", "cross", "multi"), help=words)
    parser.add_argument("--measure", help="default: AP, else the study's first")
    parser.add_argument("--json", action="store_true", help="print JSON")


def work(chosen: argparse.Namespace) -> str:
    """Do it, and return what to print."""
    from polybatch.reports.recommendation import recommend
    from polybatch.reports.results_folder import Study

    found = recommend(Study(chosen.folder), chosen.dataset, chosen.setting, chosen.measure)
    if chosen.json:
        names = ["dataset", "setting", "measure", "chosen", "best", "left", "score", "once", "few"]
        names.append("unknown")
        return json.dumps([{name: getattr(one, name) for name in names} for one in found], indent=2)
    return "\n".join(one.sentence() for one in found)
