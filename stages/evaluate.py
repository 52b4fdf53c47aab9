"""Score a trial: one score per query, TREC runs, metrics and the language heat map's data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl

from polybatch.core.dataset import Dataset, read_dataset, revision_of, write_table
from polybatch.core.files import whole_together, write_json
from polybatch.evaluation.alignment import alignment_and_uniformity, distinct_queries
from polybatch.evaluation.language_bias import TOP_DOCUMENTS, Bias, language_bias
from polybatch.evaluation.scores import Scores, evaluate_source, left_out, refuse_missing
from polybatch.retrieval.arm_folders import index_bytes, open_queries, open_source
from polybatch.retrieval.index import TOKENS, EncodedQueries
from polybatch.retrieval.score_rows import ScoreRows
from polybatch.retrieval.trec import write_runs
from polybatch.settings.config import Config
from polybatch.settings.strategies import ARM_SECTIONS
from polybatch.settings.study import Trial

from .common import INDEX, RESULTS, VALID, log, run_trial

_HEATMAP_MEASURE = "AP"


def evaluate_strategy(config: Config, trial: Trial) -> str:
    """Score the trial on every evaluation dataset and write what came of it."""
    scored: list[Scores] = []
    bias: dict[str, Bias] = {}
    revisions: dict[str, str] = {}
    runs = RESULTS / "runs" / trial.path
    with whole_together(runs) as place:
        folder = place(runs)
        for name in config.used_for("evaluate"):
            dataset = read_dataset(VALID / name)
            source = open_source(INDEX / trial.path, dataset)
            scores = _score(config, source, dataset)
            refuse_missing(dataset, scores.per_query)
            (folder / name).mkdir(parents=True)
            shown = scores.runs.filter(pl.col("rank") <= config.evaluation.run_depth)
            write_runs(dataset, shown, folder / name, str(trial))
            scored.append(scores)
            bias[name] = replace(
                _bias(dataset, scores, open_queries(INDEX / trial.path, dataset)),
                tokens=_tokens(INDEX / trial.path / name),
                index_bytes=index_bytes(source),
            )
            revisions[name] = revision_of(dataset)
            if without := left_out(scores.counts[name]):
                log.info("%s: queries without a relevant document, left out: %s", name, without)
        per_query = pl.concat([scores.per_query for scores in scored])
        write_table(per_query, place(RESULTS / "scores" / f"{trial.path}.parquet"), revisions)
        heatmap = pl.concat([scores.heatmap for scores in scored])
        _write_heatmap(heatmap, place(RESULTS / "languages" / f"{trial.path}.csv"))
        summary = {name: values for scores in scored for name, values in scores.summary.items()}
        write_json(place(RESULTS / "metrics" / f"{trial.path}.json"), summary)
        found = {name: each.as_json() for name, each in bias.items()}
        write_json(place(RESULTS / "bias" / f"{trial.path}.json"), found)
    return f"{per_query.height:,} scores"


def _score(config: Config, source: ScoreRows, dataset: Dataset) -> Scores:
    settings = config.evaluation
    depth = max(settings.run_depth, TOP_DOCUMENTS)  # the bias panel needs these whatever is kept
    return evaluate_source(dataset, source, settings.measures, depth)


def _bias(dataset: Dataset, scores: Scores, queries: EncodedQueries | None) -> Bias:
    bias = language_bias(dataset, scores.relevant, scores.runs) or Bias()
    if queries is None:
        return bias
    return replace(
        bias,
        vectors=alignment_and_uniformity(dataset, queries.vectors),
        distinct_queries=distinct_queries(dataset, queries.vectors),
    )


def _tokens(folder: Path) -> dict[str, dict[str, float | None]]:
    path = folder / TOKENS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _write_heatmap(heatmap: pl.DataFrame, path: Path) -> None:
    rows = heatmap.filter(measure=_HEATMAP_MEASURE).rename({"value": _HEATMAP_MEASURE})
    with path.open("wb") as stream:
        rows.drop("measure").write_csv(stream)


if __name__ == "__main__":
    run_trial("evaluate", evaluate_strategy, ARM_SECTIONS)
