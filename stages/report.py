"""Write results/report.html: the whole study on one page that opens offline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from polybatch.dataset import read_dataset, read_table
from polybatch.evaluation.scores import SCORES
from polybatch.files import write_text
from polybatch.reports.comparison import COMPARISON
from polybatch.reports.environment import environment
from polybatch.reports.html import shape
from polybatch.reports.html.charts import curves, gains, heatmap, language_gains, trade_off
from polybatch.reports.html.explorer import TOP, Asked, explorer, questions
from polybatch.reports.html.page import Report, page
from polybatch.reports.html.words import headlines
from polybatch.retrieval.trec import read_run
from polybatch.settings.config import Config
from polybatch.settings.study import Trial
from polybatch.statistics.seeds import SEEDS, below_noise, mean_numbers, mean_scores
from polybatch.statistics.significance import SIGNIFICANCE

from .common import RAW, RESULTS, TIMING, VALID, run

_MOST = 2_300_000  # bytes of the explorer's data, so that the page stays below 5 MB
_HEAT = "AP"  # the measure of results/languages


def report(config: Config, _: str) -> str:
    """Put everything that was found on one page and return its size."""
    names, study = list(config.arms), config.study
    measure = config.evaluation.headline
    sure = pl.read_csv(RESULTS / "significance.csv", schema=SIGNIFICANCE)
    comparison = pl.read_csv(RESULTS / "compare.csv", schema=COMPARISON)
    seeds = below_noise(pl.read_csv(RESULTS / "seeds.csv", schema=SEEDS))
    noisy = seeds.filter(measure=measure).select("strategy", "dataset", "setting").rows()
    told = _json("compare.json")
    validation = _json("validation.json")["datasets"]
    bias = {name: _of_seeds(config, "bias", name) for name in names}
    scores = shape.score_rows(comparison, sure, measure, study.focus, study.baseline)
    data, shown = explorer(_asked(config, measure), names, measure, _MOST)
    timing = {path.stem: json.loads(path.read_text("utf-8")) for path in _timed()}
    made = Report(
        study=study.name,
        focus=study.focus,
        baseline=study.baseline,
        headlines=headlines(sure, measure, study.focus, study.baseline, noisy),
        scores=scores,
        plots=_plots(config, sure, measure, bias),
        tables={
            "bias": shape.bias_tables(bias),
            "training": [shape.budget_table(told["budgets"], _seconds(config, timing))],
            "data": [shape.data_table(validation, _manifests(config))],
            "environment": shape.timing_table(timing),
        },
        facts={
            "data": [(name, text) for name, text in _cited(config)],
            "made": [(name, str(value)) for name, value in told["made"].items()],
            "environment": list(environment().items()),
        },
        explorer=data,
        shown=shown,
        notes=_important(validation),
    )
    text = page(made)
    write_text(RESULTS / "report.html", text)
    return f"{len(text.encode()) / 1e6:.1f} MB, {sum(held for held, _ in shown.values())} questions"


def _plots(
    config: Config, sure: pl.DataFrame, measure: str, bias: dict[str, Any]
) -> dict[str, Any]:
    names, seed = list(config.arms), str(config.study.seeds[0])
    datasets = list(config.used_for("evaluate"))
    trade_offs = {name: trade_off(sure, measure, name, names) for name in datasets}
    first = {name: config.trials_of(name)[0].path for name in names}
    languages = {name: pl.read_csv(RESULTS / "languages" / f"{first[name]}.csv") for name in names}
    losses = {name: _loss(RESULTS / "training" / name / seed) for name in names}
    settings = config.adaptation
    adapted = {settings.objective: _loss(RESULTS / "adaptation" / seed)} if settings else {}
    return {
        "measure": measure,
        "focus": config.study.focus,
        "baseline": config.study.baseline,
        "trade_offs": {name: spec for name, spec in trade_offs.items() if spec},
        "heat": {
            "cells": shape.heat_cells(languages, _HEAT),
            "retrieved": shape.retrieved_cells(bias),
            "values": heatmap(differences=False),
            "differences": heatmap(differences=True),
        },
        "gains": {name: language_gains(sure, measure, name) for name in datasets},
        "gain": gains(),
        "curves": curves({k: v for k, v in losses.items() if v is not None}, names),
        "adaptation": curves({k: v for k, v in adapted.items() if v is not None}, list(adapted)),
    }


def _loss(folder: Path) -> pl.DataFrame | None:
    path = folder / "plots" / "metrics" / "loss.tsv"
    return pl.read_csv(path, separator="\t") if path.is_file() else None


def _asked(config: Config, measure: str) -> Iterator[Asked]:
    """Yield each evaluation dataset's questions, in the pool where there is one."""
    scores = {
        name: mean_scores([_scores(trial, measure) for trial in config.trials_of(name)])
        for name in config.arms
    }
    for name in config.used_for("evaluate"):
        dataset = read_dataset(VALID / name)
        found = {key: frame.filter(dataset=name) for key, frame in scores.items()}
        pooled = any((frame["setting"] == "multi").any() for frame in found.values())
        setting = "multi" if pooled else "mono"
        part = {key: frame.filter(setting=setting) for key, frame in found.items()}
        runs = {key: _run(config.trials_of(key)[0], f"{name}/{setting}") for key in config.arms}
        yield Asked(dataset, setting, questions(dataset, part, runs))


def _run(trial: Trial, part: str) -> pl.DataFrame:
    """Return what the page shows of a run: a small part of the file."""
    found = read_run(RESULTS / "runs" / trial.path / f"{part}.run.gz")
    return found.filter(pl.col("rank") <= TOP)


def _scores(trial: Trial, measure: str) -> pl.DataFrame:
    """Return one measure of a language's own list and of the pool: a small part of the file."""
    found = read_table(RESULTS / "scores" / f"{trial.path}.parquet", SCORES)
    return found.filter(pl.col("measure") == measure, pl.col("setting").is_in(["mono", "multi"]))


def _of_seeds(config: Config, folder: str, name: str) -> Any:
    return mean_numbers([_json(folder, f"{one.path}.json") for one in config.trials_of(name)])


def _json(*parts: str) -> Any:
    return json.loads(RESULTS.joinpath(*parts).read_text(encoding="utf-8"))


def _timed() -> list[Path]:
    return sorted(TIMING.glob("*.json")) if TIMING.is_dir() else []


def _seconds(config: Config, timing: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return each strategy's seconds of training with the first seed, where they are known."""
    found = {name: timing.get(f"train-{config.trials_of(name)[0]}") for name in config.arms}
    return {name: told["seconds"] for name, told in found.items() if told}


def _important(validation: dict[str, Any]) -> list[str]:
    """Return what a reader must know before the numbers: the data are made up, or do not hold."""
    found = {note for one in validation.values() for note in one["notes"] if "proves" in note}
    failed = [name for name, one in validation.items() if one.get("holds") is False]
    told = f"Not all expectations hold of {', '.join(failed)}: see results/validation.md."
    return [*sorted(found), *([told] if failed else [])]


def _manifests(config: Config) -> dict[str, Any]:
    return {
        name: json.loads((RAW / name / "manifest.json").read_text(encoding="utf-8"))
        for name in config.sources
    }


def _cited(config: Config) -> Iterator[tuple[str, str]]:
    for name, told in _manifests(config).items():
        if told.get("citation"):
            yield name, told["citation"]


if __name__ == "__main__":
    run("report", report)
