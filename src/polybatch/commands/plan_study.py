"""`polybatch plan-study`: trainings and questions that find a difference."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("--difference", type=float, required=True, help="in points, to be found")
    parser.add_argument(
        "--seed-ratio",
        type=float,
        help="assumed: standard deviation of a training over a cluster's",
    )
    parser.add_argument("--cluster-sd", type=float, help="assumed: in points (default: as found)")
    parser.add_argument("--clusters", type=int, default=50, help="assumed: clusters of questions")
    parser.add_argument("--items", type=float, default=1.0, help="assumed: questions a cluster")
    parser.add_argument("--claims", type=int, default=1, help="assumed: corrected together")


def work(chosen: argparse.Namespace) -> str:
    """Do it, and return what to print."""
    from polybatch.reports.results_folder import Study
    from polybatch.reports.study_plan import Assumed, study_plan

    assumed = Assumed(
        chosen.seed_ratio, chosen.cluster_sd, chosen.clusters, chosen.items, chosen.claims
    )
    return study_plan(Study(chosen.folder), chosen.difference, assumed)
