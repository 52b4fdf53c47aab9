"""What every row costs: tokens and index on any machine alike, seconds and memory on one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import polars as pl

from polybatch.core.markdown import MISSING, escape, markdown, number
from polybatch.reports.results_folder import Study
from polybatch.settings.config import Config
from polybatch.settings.strategies import Centred, Fusion

Timing = Mapping[str, Mapping[str, float]]
"""Of each stage that ran on this machine, what it took: seconds, cpu_seconds, peak_gib, joules."""

COSTS = pl.Schema(
    {
        "strategy": pl.String,
        "training_seconds": pl.Float64,
        "index_seconds": pl.Float64,
        "peak_gib": pl.Float64,
        "query_milliseconds": pl.Float64,
    }
)
"""One row per arm, of its first seed. Null where a stage did not run on this machine, and for the
time per question of `external` rows, which cannot be measured again."""

TOKENS = "training tokens"
_UNITS = {"training (s)": 1, "index (s)": 1, "peak memory (GiB)": 1, "question (ms)": 2}
"""Heads of the table, and how many decimals its columns have."""

HOW = (
    "Training: with adaptation, of all strategies that a row is made of, first seed. Index: "
    "encoding or cutting the texts of all evaluation datasets, or taking vectors made before of "
    "the same. Peak memory: of the largest of these stages. Question: encoding and searching one "
    "in the largest pool, the median of at most 50; of two rows joined, both."
)


def budget(plan: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, int | str]:
    """Return what a strategy's budget bought, for the tables of compare.md and the report.

    `plan`: results/plans/<trial>.json; `training`: its training's summary.json.

    Example:
        >>> budget({"steps": 0, "pairs": 0}, {"steps": 0})
        {}
    """
    if not training["steps"]:
        return {}
    names = ("steps", "pairs", "distinct_pairs", "query_tokens", "document_tokens")
    pairs = training["pairs"]
    return {name: training[name] for name in names} | {
        "items": plan["distinct"]["items"],
        "language_pairs": plan["language_pairs"]["drawn"],
        "language_pairs_never_drawn": plan["language_pairs"]["never_drawn"],
        "cut_documents": f"{training['truncated_documents'] / pairs:.1%}",
        "one_sentence_targets": f"{plan['one_sentence_targets']:.1%}",
    }


def fixed_costs(study: Study) -> dict[str, dict[str, int | None]]:
    """Return of each row its TOKENS, and the bytes of its index of each dataset.

    Tokens are those of the first seed, None of what was trained elsewhere (`external`).
    """
    costs: dict[str, dict[str, int | None]] = {}
    for name in study.kinds:
        costs[name] = {TOKENS: None if _elsewhere(study.config, name) else _tokens(study, name)}
        for dataset, one in study.bias[name].items():
            costs[name][f"{dataset} index"] = one.index_bytes
    return costs


def _elsewhere(config: Config, name: str) -> bool:
    """Return whether a row, or one that it is made of, is `external`."""
    arm = config.arms[name]
    return arm.section == "external" or any(_elsewhere(config, part) for part in arm.parts)


def _tokens(study: Study, name: str) -> int:
    """Return the tokens that a row's strategies were trained on, those of an adaptation once."""
    seed, made_of = str(study.config.study.seeds[0]), study.made_of(name)
    trained = [study.json("training", each, seed, "summary.json") for each in made_of]
    found = sum(one.get("query_tokens", 0) + one.get("document_tokens", 0) for one in trained)
    adapted = any(one.start == "dapt" for one in made_of.values())
    more = study.json("adaptation", seed, "summary.json")["tokens"] if adapted else 0
    return int(found + more)


def cost_section(
    table: pl.DataFrame, measure: str, costs: Mapping[str, Mapping[str, int | None]]
) -> str:
    """Return scores and costs beside each other. `table`: comparison.COMPARISON.

    Example:
        >>> table = pl.DataFrame({"strategy": ["mono"], "dataset": "d", "setting": "mono",
        ...                       "measure": "AP", "value": 0.5})
        >>> costs = {"mono": {"training tokens": 12800, "d index": 5738496}}
        >>> print(cost_section(table, "AP", costs).splitlines()[-1])
        | mono | 50.0 | 12,800 | 5.7 |
    """
    names = list(costs)
    columns: dict[str, list[str]] = {"strategy": [escape(name) for name in names]}
    for (dataset, setting), part in table.filter(measure=measure).group_by(
        "dataset", "setting", maintain_order=True
    ):
        values = dict(part.select("strategy", "value").rows())
        shown = [number(values[name]) if name in values else MISSING for name in names]
        columns[f"{escape(measure)}, {escape(dataset)} {setting}"] = shown
    for key in next(iter(costs.values())):
        unit = "" if key == TOKENS else " (MB)"
        columns[escape(key) + unit] = [cost_cell(key, costs[name].get(key)) for name in names]
    return (
        "Tokens of training, with those of adaptation, of all strategies that a row is made of, "
        "with the first seed; an index holds all lists of its dataset. What depends on the machine "
        "(seconds, memory, the time of a question) stands in results/timing/costs.md.\n\n"
    ) + markdown(pl.DataFrame(columns))


def cost_cell(key: str, value: int | None) -> str:
    """Return a fixed cost as tables show it: tokens as they are, bytes in megabytes.

    Example:
        >>> cost_cell("training tokens", 12800), cost_cell("d index", 5738496), cost_cell("d", None)
        ('12,800', '5.7', '–')
    """
    if value is None:
        return MISSING
    return f"{value:,.0f}" if key == TOKENS else f"{value / 1e6:,.1f}"


def machine_costs(config: Config, timing: Timing, latency: Timing) -> pl.DataFrame:
    """Return COSTS. `timing`: by stage, `latency`: by trial, as results/timing holds them."""
    rows = []
    for name in config.arms:
        parts = {part: set(_stages(config, name, part)) for part in ("training", "index")}
        peaks = [timing[each]["peak_gib"] for part in parts.values() for each in part & set(timing)]
        seconds = [_seconds(timing, stages) for stages in parts.values()]
        rows.append((name, *seconds, max(peaks, default=None), _latency(config, name, latency)))
    return pl.DataFrame(rows, COSTS, orient="row")


def _stages(config: Config, name: str, part: Literal["training", "index"] | str) -> Iterator[str]:
    """Yield the stages that train what a row is made of, or that make what it searches."""
    arm, (trial, *_) = config.arms[name], config.trials_of(name)
    if part == "index" and arm.section in ("strategies", "merges"):
        yield f"index-{trial}"
        return
    if part == "index" and arm.section in ("centred", "lexical", "external"):
        yield f"{_STAGE.get(arm.section, arm.section)}-{name}"
    if part == "training" and arm.section == "strategies":
        yield f"train-{trial}"
        if config.strategies[name].start == "dapt":
            yield f"dapt-{trial.seed}"
    for each in arm.parts:
        yield from _stages(config, each, part)


_STAGE = {"centred": "centre"}


def _seconds(timing: Timing, stages: set[str]) -> float | None:
    if any(stage not in timing for stage in stages):
        return None
    return round(sum(timing[stage]["seconds"] for stage in stages), 1)


def _latency(config: Config, name: str, latency: Timing) -> float | None:
    """Return what a question takes; subtracting a mean from a vector takes microseconds."""
    arm = config.arms[name]
    if not isinstance(arm.settings, Centred | Fusion):
        return latency.get(str(config.trials_of(name)[0]), {}).get("milliseconds")
    found = [_latency(config, part, latency) for part in arm.parts]
    return None if None in found else sum(one or 0 for one in found)


def cost_page(costs: pl.DataFrame) -> str:
    """Return results/timing/costs.md. `costs`: COSTS.

    Example:
        >>> costs = pl.DataFrame([("bm25", 0.0, 2.5, None, 0.31)], COSTS, orient="row")
        >>> print(cost_page(costs).splitlines()[-1])
        | bm25 | 0.0 | 2.5 | – | 0.31 |
    """
    cells = {
        unit: [MISSING if value is None else f"{value:,.{decimals}f}" for value in costs[column]]
        for (unit, decimals), column in zip(_UNITS.items(), costs.columns[1:], strict=True)
    }
    table = pl.DataFrame({"strategy": [escape(name) for name in costs["strategy"]]} | cells)
    return "\n\n".join(["# Cost of each row on this machine", HOW, markdown(table)]) + "\n"
