"""Put all strategies side by side: results/compare.md, compare.csv and the focus's metrics."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from polybatch import __version__
from polybatch.compare import comparison, refuse_different_queries, report
from polybatch.config import Config
from polybatch.contamination import zero_shot
from polybatch.evaluation import SCORES
from polybatch.files import whole_file, write_json, write_text
from polybatch.tables import read_table
from stages.common import RESULTS, run

_BUDGET = ("pairs", "distinct_pairs", "query_tokens", "document_tokens")


def compare(config: Config, _: str) -> str:
    """Compare all strategies of the study on the same queries and return how many there were."""
    baseline = config.study.baseline
    per_query = {name: _scores(name) for name in config.strategies}
    refuse_different_queries(per_query, baseline)
    metrics = {name: _json("metrics", f"{name}.json") for name in config.strategies}
    table = comparison(metrics, baseline)
    with whole_file(RESULTS / "compare.csv") as temporary:
        table.write_csv(temporary)
    budgets = {name: _budget(name) for name in config.strategies}
    write_text(RESULTS / "compare.md", report(table, baseline, budgets, _signature(config)))
    write_json(RESULTS / "metrics.json", metrics[config.study.focus])
    return f"{len(metrics)} strategies in results/compare.md"


def _scores(name: str) -> pl.DataFrame:
    return read_table(RESULTS / "scores" / f"{name}.parquet", SCORES)


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
        "evaluated on": uses["evaluate"],
        **flags,
        "ties": "broken by doc_id, descending, as trec_eval does",
        "seed": config.study.seed,
        "polybatch": __version__,
        "notes on the data": "; ".join(notes) or "none",
    }


if __name__ == "__main__":
    run("compare", compare)
