"""Put all strategies side by side: results/compare.md, compare.csv and the focus's metrics."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from polybatch import __version__
from polybatch.batches.exposure import budget
from polybatch.dataset import read_notes, read_table
from polybatch.encoders.pretraining_data import zero_shot
from polybatch.evaluation.scores import SCORES
from polybatch.files import whole_file, write_json, write_text
from polybatch.reports.comparison import (
    comparison,
    refuse_different_queries,
    refuse_different_revisions,
    report,
)
from polybatch.reports.comparison_sections import (
    bias_section,
    exposure_section,
    significance_section,
    study_views,
    view_sections,
)
from polybatch.settings.config import Config
from polybatch.statistics.resampling import Resampling
from polybatch.statistics.seeds import mean_numbers, mean_scores, seeds_section, spread_over_seeds
from polybatch.statistics.significance import assess

from .common import RESULTS, run

_ROW = ("strategy", "dataset", "setting", "measure")


def compare(config: Config, _: str) -> str:
    """Compare all strategies of the study on the same queries and return how many there were."""
    baseline = config.study.baseline
    per_query, revisions = _per_query(config)
    by_seed = {
        name: [_json("metrics", f"{trial.path}.json") for trial in config.trials_of(name)]
        for name in config.arms
    }
    seeds = spread_over_seeds(by_seed, baseline)
    with whole_file(RESULTS / "seeds.csv") as temporary:
        seeds.write_csv(temporary)
    metrics = {name: mean_numbers(found) for name, found in by_seed.items()}
    spreads = {row[:4]: row[4] for row in seeds.select(*_ROW, "spread").rows()}
    table = comparison(metrics, baseline, spreads)
    with whole_file(RESULTS / "compare.csv") as temporary:
        table.write_csv(temporary)
    budgets = {
        name: _budget(config, name) | _adaptation(config, strategy.start)
        for name, strategy in config.strategies.items()
    }
    sure = _assessed(config, per_query)
    with whole_file(RESULTS / "significance.csv") as temporary:
        sure.write_csv(temporary)
    signature = _signature(config) | {
        f"{name} revision": revision for name, revision in revisions.items()
    }
    text = report(table, baseline, budgets, signature, _sections(config, sure, seeds), sure)
    write_text(RESULTS / "compare.md", text)
    write_json(RESULTS / "compare.json", {"budgets": budgets, "made": signature})
    write_json(RESULTS / "metrics.json", metrics[config.study.focus])
    return f"{len(metrics)} strategies in results/compare.md"


def _per_query(config: Config) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    """Return each strategy's scores, averaged over seeds, and the revisions of the datasets.

    InputErrorList unless all strategies and seeds were scored on the same data.
    """
    first = str(config.trials_of(config.study.baseline)[0])
    paths = {str(trial): RESULTS / "scores" / f"{trial.path}.parquet" for trial in config.trials}
    revisions = {name: read_notes(path) for name, path in paths.items()}
    refuse_different_revisions(revisions, first)
    scores = {name: read_table(path, SCORES) for name, path in paths.items()}
    refuse_different_queries(scores, first)
    per_query = {
        name: mean_scores([scores[str(trial)] for trial in config.trials_of(name)])
        for name in config.arms
    }
    return per_query, revisions[first]


def _assessed(config: Config, per_query: dict[str, pl.DataFrame]) -> pl.DataFrame:
    trained = {lang for data in config.used_for("train").values() for lang in data.languages}
    views = study_views(config.evaluation.headline, trained, config.encoder.name)
    settings = config.evaluation
    resampling = Resampling(settings.resamples, settings.confidence, config.study.seeds[0])
    return assess(per_query, config.study.baseline, views, resampling)


def _sections(config: Config, sure: pl.DataFrame, seeds: pl.DataFrame) -> dict[str, str]:
    headline, baseline = config.evaluation.headline, config.study.baseline
    bias = {
        name: mean_numbers([_json("bias", f"{one.path}.json") for one in config.trials_of(name)])
        for name in config.arms
    }
    seed = config.study.seeds[0]
    plans = {name: _json("plans", name, f"{seed}.json") for name in config.strategies}
    return {
        "How sure the differences are": significance_section(
            sure, headline, config.evaluation.confidence
        ),
        "How much is chance of training": seeds_section(seeds, headline, baseline),
        "What each strategy was asked": exposure_section(plans),
        "Language bias": bias_section(bias),
        "Which languages gain or lose": view_sections(sure, headline, baseline),
    }


def _json(*parts: str) -> Any:
    return json.loads(RESULTS.joinpath(*parts).read_text(encoding="utf-8"))


def _budget(config: Config, name: str) -> dict[str, int | str]:
    """Return what training with the first seed saw; other seeds see as many steps and pairs."""
    seed = str(config.study.seeds[0])
    plan = _json("plans", name, f"{seed}.json")
    return budget(plan, _json("training", name, seed, "summary.json"))


def _adaptation(config: Config, start: str) -> dict[str, int | str]:
    if start != "dapt":
        return {}
    told = _json("adaptation", str(config.study.seeds[0]), "summary.json")
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
        "seeds": ", ".join(map(str, config.study.seeds)),
        "polybatch": __version__,
        "notes on the data": "; ".join(notes) or "none",
    }


def _adapted(config: Config) -> dict[str, object]:
    """Return what the study adapted on, if it did, and what its summary notes."""
    if config.adaptation is None:
        return {}
    told = _json("adaptation", str(config.study.seeds[0]), "summary.json")
    how = f"{config.adaptation.objective} on {', '.join(config.adaptation.texts)}"
    return {"adapted by": "; ".join([how, *told["notes"]])}


if __name__ == "__main__":
    run("compare", compare)
