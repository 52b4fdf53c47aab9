"""A contrast over several datasets: random effects, with the interval of Hartung and Knapp.

The variance between datasets is DerSimonian and Laird's (1986, doi 10.1016/0197-2456(86)90046-2);
the standard error is Hartung and Knapp's (2001, doi 10.1002/sim.1009; Sidik and Jonkman 2002) with
k - 1 degrees of freedom, never smaller than the usual one (Roever, Knapp and Friede 2015, doi
10.1186/s12874-015-0091-1).

One checkpoint is scored on every dataset, so what a seed adds is in all of them alike, and the
spread between datasets does not show it. The variance over seeds is added to that of the mean as if
it were common to all datasets (the most that it can be), with Satterthwaite's degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from polybatch.statistics.decisions import TRAININGS

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


def random_effects(
    values: Sequence[float],
    errors: Sequence[float],
    confidence: float,
    from_seeds: Sequence[float] = (0.0,),
    seed_freedom: float = np.inf,
) -> Effect:
    """Return the mean of the true effects; `errors`: standard errors of `values`, more than one.

    `from_seeds`: of each dataset, or of all alike, the part of its variance that seeds add, with
    `seed_freedom` degrees of freedom. It is left out of the spread between datasets.

    Example:
        >>> found = random_effects([0.1, 0.2, 0.3], [0.1, 0.1, 0.1], 0.95)
        >>> round(found.value, 3), round(found.spread, 3)
        (0.2, 0.0)
    """
    effect, whole = np.asarray(values), np.asarray(errors) ** 2
    variance = np.maximum(whole - np.asarray(from_seeds), 1e-9 * whole)
    freedom = len(effect) - 1
    weight = 1 / variance
    excess = float(weight @ (effect - np.average(effect, weights=weight)) ** 2) - freedom
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    between = max(0.0, excess / scale)
    weight = 1 / (variance + between)
    value = float(np.average(effect, weights=weight))
    quality = max(1.0, float(weight @ (effect - value) ** 2) / freedom)
    own = quality / weight.sum()
    common = np.average(np.broadcast_to(np.sqrt(from_seeds), weight.shape), weights=weight) ** 2
    error = float(np.sqrt(own + common))
    freedom = error**4 / (own**2 / freedom + common**2 / seed_freedom)
    reach = float(stats.t.ppf((1 + confidence) / 2, freedom)) * error
    p = float(2 * stats.t.sf(abs(value) / error, freedom))
    return Effect(value, value - reach, value + reach, p, float(np.sqrt(between)))


def pool(contrasts: pl.DataFrame, confidence: float) -> list[Pooled]:
    """Return each contrast and setting over its datasets, where FEWEST or more can be decided on.

    `contrasts`: contrasts.CONTRASTS. One training or two decide nothing, over datasets neither.

    Example:
        >>> table = pl.DataFrame({"kind": "setting", "setting": "mono", "first": "a", "second": "b",
        ...                       "difference": [0.1, 0.2, 0.3, 0.2, 0.2], "error": 0.1,
        ...                       "seeds": 3, "from_seeds": 0.001, "seed_freedom": 4.0})
        >>> [(one.setting, round(one.value, 3), one.datasets) for one in pool(table, 0.95)]
        [('mono', 0.2, 5)]
        >>> pool(table.head(4), 0.95)
        []
    """
    found = []
    enough = pl.col("seeds").is_null() | (pl.col("seeds") >= TRAININGS)
    rows = contrasts.filter(pl.col("kind") == "setting", pl.col("error") > 0, enough)
    for (first, second, setting), part in rows.group_by(
        "first", "second", "setting", maintain_order=True
    ):
        if part.height >= FEWEST:
            values, errors, from_seeds, freedom = (
                part[name].fill_null(np.inf).to_list()
                for name in ("difference", "error", "from_seeds", "seed_freedom")
            )
            one = random_effects(values, errors, confidence, from_seeds, min(freedom))
            names = (str(first), str(second), str(setting))
            numbers = (one.value, one.low, one.high, one.p, one.spread)
            found.append(Pooled(*numbers, *names, part.height))
    return found
