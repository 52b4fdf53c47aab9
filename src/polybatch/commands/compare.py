"""`polybatch compare`: two strategies side by side."""

from __future__ import annotations

import argparse

from polybatch.core.errors import InputError

# Written again: help and completion wait for none of the libraries behind the tables.
_SETTINGS = ("mono", "cross", "multi")
_FORMATS = ("markdown", "json", "latex")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("first", help="a strategy")
    parser.add_argument("second", help="the strategy whose gains are shown")
    parser.add_argument("--dataset", help="one evaluation dataset (default: all)")
    parser.add_argument("--setting", choices=_SETTINGS, help="one setting (default: all)")
    parser.add_argument("--measure", help="default: AP, else the study's first")
    parser.add_argument("--questions", type=int, default=20, help="how many that changed most")
    formats = parser.add_mutually_exclusive_group()
    for name in _FORMATS:
        formats.add_argument(f"--{name}", dest="format", action="store_const", const=name)
    parser.set_defaults(format="markdown")


def work(chosen: argparse.Namespace) -> str:
    """Do it, and return what to print.

    Raises:
        InputError: a negative number of questions, or rows that cannot be compared.
    """
    from polybatch.reports.pairwise import Choice, side_by_side
    from polybatch.reports.pairwise_formats import FORMATS
    from polybatch.reports.results_folder import Study

    if chosen.questions < 0:
        raise InputError("--questions", str(chosen.questions), "0 or more", "Change the number")
    choice = Choice(chosen.dataset, chosen.setting, chosen.measure, chosen.questions)
    found = side_by_side(Study(chosen.folder), chosen.first, chosen.second, choice)
    return FORMATS[chosen.format](found)
