"""Put all strategies side by side: results/compare.md, compare.csv and the focus's metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from polybatch import __version__
from polybatch.compare import (
    comparison,
    refuse_different_queries,
    refuse_different_revisions,
    report,
)
from polybatch.config import Config
from polybatch.contamination import zero_shot
from polybatch.evaluation import SCORES
from polybatch.files import whole_file, write_json, write_text
from polybatch.resampling import Resampling
from polybatch.sections import bias_section, significance_section, study_views, view_sections
from polybatch.significance import assess
from polybatch.tables import read_notes, read_table
from stages.common import RESULTS, run

_BUDGET = ("pairs", "distinct_pairs", "query_tokens", "document_tokens")


def compare(config: Config, _: str) -> str:
    """Compare all strategies of the study on the same queries and return how many there were."""
    baseline = config.study.baseline
    per_query = {name: _scores(name) for name in config.strategies}
    revisions = {name: read_notes(_path(name)) for name in config.strategies}
    refuse_different_revisions(revisions, baseline)
    refuse_different_queries(per_query, baseline)
    metrics = {name: _json("metrics", f"{name}.json") for name in config.strategies}
    table = comparison(metrics, baseline)
    with whole_file(RESULTS / "compare.csv") as temporary:
        table.write_csv(temporary)
    budgets = {
        name: _budget(name) | _adaptation(strategy.start)
        for name, strategy in config.strategies.items()
    }
    sure = _assessed(config, per_query)
    with whole_file(RESULTS / "significance.csv") as temporary:
        sure.write_csv(temporary)
    signature = _signature(config) | {
        f"{name} revision": revision for name, revision in revisions[baseline].items()
    }
    text = report(table, baseline, budgets, signature, _sections(config, sure), sure)
    write_text(RESULTS / "compare.md", text)
    write_json(RESULTS / "metrics.json", metrics[config.study.focus])
    return f"{len(metrics)} strategies in results/compare.md"


def _path(name: str) -> Path:
    return RESULTS / "scores" / f"{name}.parquet"


def _scores(name: str) -> pl.DataFrame:
    return read_table(_path(name), SCORES)


def _headline(config: Config) -> str:
    measures = config.evaluation.measures
    return "AP" if "AP" in measures else measures[0]


def _assessed(config: Config, per_query: dict[str, pl.DataFrame]) -> pl.DataFrame:
    trained = {lang for data in config.used_for("train").values() for lang in data.languages}
    views = study_views(_headline(config), trained, config.encoder.name)
    settings = config.evaluation
    resampling = Resampling(settings.resamples, settings.confidence, config.study.seed)
    return assess(per_query, config.study.baseline, views, resampling)


def _sections(config: Config, sure: pl.DataFrame) -> dict[str, str]:
    headline, baseline = _headline(config), config.study.baseline
    bias = {name: _json("bias", f"{name}.json") for name in config.strategies}
    return {
        "How sure the differences are": significance_section(
            sure, headline, config.evaluation.confidence
        ),
        "Language bias": bias_section(bias),
        "Which languages gain or lose": view_sections(sure, headline, baseline),
    }


def _json(*parts: str) -> Any:
    return json.loads(RESULTS.joinpath(*parts).read_text(encoding="utf-8"))


def _budget(name: str) -> dict[str, int]:
    plan, training = _json("plans", f"{name}.json"), _json("training", name, "summary.json")
    steps = {"steps": training["steps"]} if training["steps"] else {}
    return (
        steps
        | {key: training[key] for key in _BUDGET if training["steps"]}
        | ({"items": plan["distinct"]["items"]} if training["steps"] else {})
    )


def _adaptation(start: str) -> dict[str, int]:
    if start != "dapt":
        return {}
    told = _json("adaptation", "summary.json")
    return {f"adaptation_{key}": told[key] for key in ("steps", "texts", "tokens")}


def _signature(config: Config) -> dict[str, object]:
    validation = _json("validation.json")["datasets"]
    notes = sorted({note for dataset in validation.values() for note in dataset["notes"]})
    uses = {use: ", ".join(config.used_for(use)) for use in ("train", "evaluate")}
    flags = {
        f"zero-shot for the encoder, {name}": str(zero_shot(config.encoder.name, dataset.source))
        for name, dataset in config.used_for("evaluate").items()
    }
    return {
        "study": config.study.name,
        "encoder": config.encoder.name,
        "trained on": uses["train"],
        **_adapted(config),
        "evaluated on": uses["evaluate"],
        **flags,
        "ties": "broken by doc_id, descending, as trec_eval does",
        "seed": config.study.seed,
        "polybatch": __version__,
        "notes on the data": "; ".join(notes) or "none",
    }


def _adapted(config: Config) -> dict[str, object]:
    """Return what the study adapted on, if it did, and what its summary notes."""
    if config.dapt is None:
        return {}
    told = _json("adaptation", "summary.json")
    how = f"{config.dapt.objective} on {', '.join(config.dapt.texts)}"
    return {"adapted by": "; ".join([how, *told["notes"]])}


if __name__ == "__main__":
    run("compare", compare)
