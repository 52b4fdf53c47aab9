"""What the evaluate stages wrote, as flows need it: one set of metrics a strategy."""

from __future__ import annotations

import csv
import json
import statistics
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from polybatch.core.errors import InputError
from polybatch.settings.config import Config
from polybatch.settings.study import Trial

_CONTRAST = frozenset(
    ("kind", "dataset", "setting", "first", "second", "outcome", "detectable", "margin", "seeds")
)
"""The columns of results/contrasts.csv that flows read."""


def strategy_of(key: str, strategies: Collection[str]) -> str | None:
    """Return the strategy that a stage's key (`hybrid-0`, `hybrid`) belongs to, if any.

    Example:
        >>> strategy_of("dapt-mono-1", ["dapt", "dapt-mono"]), strategy_of("cldr", ["mono"])
        ('dapt-mono', None)
    """
    if key in strategies:
        return key
    name, _, seed = key.rpartition("-")
    return name if seed.isdigit() and name in strategies else None


def metrics_of(root: Path, config: Config, strategy: str) -> Any:
    """Return a strategy's metrics, averaged over the study's seeds.

    Raises:
        InputError: a seed has none yet, or its file is broken.
    """
    section = config.arms[strategy].section
    stage = "evaluate" if section == "strategies" else f"evaluate-{section}"
    found = [_metrics(root, trial, f"{stage}@{trial}") for trial in config.trials_of(strategy)]
    return found[0] if len(found) == 1 else _mean(found)


def contrast_rows(root: Path) -> list[dict[str, str]]:
    """Return the declared contrasts in each setting, as compare wrote them; none before it ran.

    Nor of a file that is not as it wrote it (a merge's conflict): compare makes it again.
    """
    path = root / "results" / "contrasts.csv"
    if not path.is_file():
        return []
    with suppress(UnicodeDecodeError, csv.Error), path.open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        if _CONTRAST.issubset(rows.fieldnames or ()):
            return [row for row in rows if row["kind"] == "setting" and None not in row.values()]
    return []


def _metrics(root: Path, trial: Trial, address: str) -> Any:
    path = root / "results" / "metrics" / f"{trial.path}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            path,
            "no such file",
            f"the metrics of '{trial.strategy}', seed {trial.seed}",
            f"Run `dvc repro {address}`, or `git checkout -- results && dvc pull`",
        ) from error
    except ValueError as error:
        raise InputError(
            path,
            "no JSON",
            "what evaluate wrote",
            f"Run `dvc repro -f -s {address}`",
        ) from error


def _mean(trees: list[Any]) -> Any:
    if isinstance(trees[0], Mapping):
        return {key: _mean([tree[key] for tree in trees]) for key in trees[0]}
    return statistics.fmean(trees)
