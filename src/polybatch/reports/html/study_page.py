"""From a study's folder to the page: what stands in which section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from polybatch.reports.comparison import COMPARISON
from polybatch.reports.contrasts import decided
from polybatch.reports.html import shape
from polybatch.reports.html.charts import curves, gains, heatmap, language_gains, trade_off
from polybatch.reports.html.explorer import TOP, QuestionSet, explorer, questions
from polybatch.reports.html.page import Report
from polybatch.reports.languages import MEANING
from polybatch.reports.results_folder import Study
from polybatch.retrieval.trec import read_run
from polybatch.sources.manifest import Manifest
from polybatch.statistics.seeds import mean_scores
from polybatch.statistics.significance import SIGNIFICANCE
from polybatch.validation.summary import DatasetSummary

_MOST = 2_300_000  # bytes of the explorer's data, so that the page stays below 5 MB
_HEAT = "AP"  # the measure of results/languages


def study_page(study: Study, manifests: Mapping[str, Manifest]) -> Report:
    """Return what the page shows. `manifests`: of each source."""
    config, results = study.config, study.folder / "results"
    names, measure = list(study.kinds), config.evaluation.headline
    focus, baseline = config.study.focus, config.study.baseline
    sure = pl.read_csv(results / "significance.csv", schema=SIGNIFICANCE)
    comparison = pl.read_csv(results / "compare.csv", schema=COMPARISON)
    compared = study.json("compare.json")
    data, shown = explorer(_question_sets(study, measure), names, measure, _MOST)
    bold = decided(study.contrasts, baseline)
    budgets = {name: compared["budgets"].get(name, {}) for name in names}
    return Report(
        study=config.study.name,
        focus=focus,
        baseline=baseline,
        headlines=compared["headlines"],
        scores=shape.score_rows(comparison, sure, measure, (focus, baseline), bold),
        plots=_plots(study, sure, measure, compared["flagged"]),
        tables={
            "contrasts": shape.contrast_tables(study.contrasts),
            "bias": shape.bias_tables(study.bias),
            "index": shape.index_tables(study.fidelity),
            "training": [shape.cost_table(compared["costs"], names), shape.budget_table(budgets)],
            "data": [shape.data_table(study.validation, manifests)],
        },
        facts={
            "data": [(name, each.citation) for name, each in manifests.items() if each.citation],
            "made": [(name, str(value)) for name, value in compared["made"].items()],
        },
        explorer=data,
        shown=shown,
        notes=[*compared["notes"], *_important(study.validation)],
        languages_note=MEANING if compared["flagged"] else "",
    )


def _plots(study: Study, sure: pl.DataFrame, measure: str, flagged: list[str]) -> dict[str, Any]:
    config, results = study.config, study.folder / "results"
    names = list(study.kinds)
    first = {name: kind.trials[0] for name, kind in study.kinds.items()}
    datasets = list(config.used_for("evaluate"))
    trade_offs = {name: trade_off(sure, measure, name, names) for name in datasets}
    languages = {name: _languages(study, name) for name in names}
    losses = {name: _loss(results / "training" / first[name]) for name in names}
    adapted = {}
    if settings := config.adaptation:
        folder = results / "adaptation" / str(config.study.seeds[0])
        adapted[settings.objective] = _loss(folder)
    return {
        "measure": measure,
        "focus": config.study.focus,
        "baseline": config.study.baseline,
        "trade_offs": {name: spec for name, spec in trade_offs.items() if spec},
        "heat": {
            "cells": shape.heat_cells(languages, _HEAT, flagged),
            "retrieved": shape.retrieved_cells(study.bias, flagged),
            "values": heatmap(differences=False),
            "differences": heatmap(differences=True),
        },
        "gains": {name: language_gains(sure, measure, name, flagged) for name in datasets},
        "gain": gains(),
        "curves": curves({k: v for k, v in losses.items() if v is not None}, names),
        "adaptation": curves({k: v for k, v in adapted.items() if v is not None}, list(adapted)),
    }


def _languages(study: Study, name: str) -> pl.DataFrame:
    """Return a row's scores by pair of languages (results/languages), averaged over trainings."""
    folder = study.folder / "results" / "languages"
    frames = [pl.read_csv(folder / f"{trial}.csv") for trial in study.kinds[name].trials]
    pairs = pl.concat(frames).group_by("dataset", "query_lang", "doc_lang", maintain_order=True)
    return pairs.agg(pl.col(_HEAT).mean())


def _loss(folder: Path) -> pl.DataFrame | None:
    path = folder / "plots" / "metrics" / "loss.tsv"
    return pl.read_csv(path, separator="\t") if path.is_file() else None


def _question_sets(study: Study, measure: str) -> Iterator[QuestionSet]:
    """Yield each evaluation dataset's questions: in the pool, else each in its only list."""
    scores = {
        name: mean_scores([_scores(study, trial, measure) for trial in kind.trials])
        for name, kind in study.kinds.items()
    }
    for name in study.config.used_for("evaluate"):
        dataset = study.dataset(name)
        found = {key: frame.filter(dataset=name) for key, frame in scores.items()}
        pooled = any((frame["setting"] == "multi").any() for frame in found.values())
        shown = ("multi",) if pooled else ("mono", "cross")
        part = {key: frame.filter(pl.col("setting").is_in(shown)) for key, frame in found.items()}
        runs = {
            key: pl.concat(_run(study, kind.trials[0], f"{name}/{setting}") for setting in shown)
            for key, kind in study.kinds.items()
        }
        yield QuestionSet(dataset, "/".join(shown), questions(dataset, part, runs))


def _run(study: Study, trial: str, part: str) -> pl.DataFrame:
    """Return what the page shows of a run: a small part of the file."""
    found = read_run(study.folder / "results" / "runs" / trial / f"{part}.run.gz")
    return found.filter(pl.col("rank") <= TOP)


def _scores(study: Study, trial: str, measure: str) -> pl.DataFrame:
    """Return one measure of what the page shows, the pool where there is one: a small part."""
    found = study.trial_scores(trial).filter(measure=measure)
    pooled = (pl.col("setting") == "multi").any().over("dataset")
    return found.filter((pl.col("setting") == "multi") | ~pooled)


def _important(validation: Mapping[str, DatasetSummary]) -> list[str]:
    """Return what a reader must know before the numbers: the data are made up, or do not hold."""
    found = {note for one in validation.values() for note in one.notes if "proves" in note}
    failed = [name for name, one in validation.items() if not one.holds]
    failure = f"Not all expectations hold of {', '.join(failed)}: see results/validation.md."
    return [*sorted(found), *([failure] if failed else [])]
