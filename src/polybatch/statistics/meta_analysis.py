"""A contrast over several datasets: random effects, with the interval of Hartung and Knapp.

The variance between datasets is DerSimonian and Laird's (1986, doi 10.1016/0197-2456(86)90046-2);
the standard error is Hartung and Knapp's (2001, doi 10.1002/sim.1009; Sidik and Jonkman 2002) with
k - 1 degrees of freedom, never smaller than the usual one (Roever, Knapp and Friede 2015, doi
10.1186/s12874-015-0091-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

FEWEST = 5
"""Datasets below which nothing is pooled."""


@dataclass(frozen=True)
class Effect:
    """`spread`: the standard deviation of the true effects between datasets (tau)."""

    value: float
    low: float
    high: float
    p: float
    spread: float


@dataclass(frozen=True)
class Pooled(Effect):
    """An effect over `datasets` of a contrast, `first` - `second`, in a setting."""

    first: str
    second: str
    setting: str
    datasets: int


def random_effects(values: Sequence[float], errors: Sequence[float], confidence: float) -> Effect:
    """Return the mean of the true effects; `errors`: standard errors of `values`, more than one.

    Example:
        >>> found = random_effects([0.1, 0.2, 0.3], [0.1, 0.1, 0.1], 0.95)
        >>> round(found.value, 3), round(found.spread, 3)
        (0.2, 0.0)
    """
    effect, variance = np.asarray(values), np.asarray(errors) ** 2
    freedom = len(effect) - 1
    weight = 1 / variance
    excess = float(weight @ (effect - np.average(effect, weights=weight)) ** 2) - freedom
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    between = max(0.0, excess / scale)
    weight = 1 / (variance + between)
    value = float(np.average(effect, weights=weight))
    quality = max(1.0, float(weight @ (effect - value) ** 2) / freedom)
    error = float(np.sqrt(quality / weight.sum()))
    reach = float(stats.t.ppf((1 + confidence) / 2, freedom)) * error
    p = float(2 * stats.t.sf(abs(value) / error, freedom))
    return Effect(value, value - reach, value + reach, p, float(np.sqrt(between)))


def pool(contrasts: pl.DataFrame, confidence: float) -> list[Pooled]:
    """Return each contrast and setting over its datasets, where FEWEST or more have an interval.

    `contrasts`: contrasts.CONTRASTS.

    Example:
        >>> table = pl.DataFrame({"kind": "setting", "setting": "mono", "first": "a", "second": "b",
        ...                       "difference": [0.1, 0.2, 0.3, 0.2, 0.2], "error": 0.1})
        >>> [(one.setting, round(one.value, 3), one.datasets) for one in pool(table, 0.95)]
        [('mono', 0.2, 5)]
        >>> pool(table.head(4), 0.95)
        []
    """
    found = []
    rows = contrasts.filter(pl.col("kind") == "setting", pl.col("error") > 0)
    for (first, second, setting), part in rows.group_by(
        "first", "second", "setting", maintain_order=True
    ):
        if part.height >= FEWEST:
            one = random_effects(part["difference"].to_list(), part["error"].to_list(), confidence)
            names = (str(first), str(second), str(setting))
            numbers = (one.value, one.low, one.high, one.p, one.spread)
            found.append(Pooled(*numbers, *names, part.height))
    return found
