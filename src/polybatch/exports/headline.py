"""The measure that a card and the choice of a seed go by."""

from __future__ import annotations

from polybatch.reports.results_folder import Study


def headline(study: Study) -> str:
    """Return the measure by which a seed is chosen: AP, else the study's first."""
    measures = study.config.evaluation.measures
    return "AP" if "AP" in measures else measures[0]
