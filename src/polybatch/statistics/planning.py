"""How many trainings and questions find a difference, from the variances of an earlier study.

The error of a difference is sqrt(A / R + C / G): A the variance by a single training, C that by a
single cluster of questions, R trainings of each arm, G clusters. What a study finds with 80% power
is that error times two quantiles of t (`statistics.contrasts`), at a level that is corrected for
the number of claims as Bonferroni did, which needs no correlations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from scipy import stats

from polybatch.core.markdown import MISSING, escape, markdown, number
from polybatch.statistics.clusters import LEAST
from polybatch.statistics.contrasts import POWER
from polybatch.statistics.decisions import TRAININGS

SEEDS = (3, 5, 10)
"""Trainings that a plan is made for: with fewer than three nothing is decided."""

_MOST = 1_000_000  # clusters: no data have more


@dataclass(frozen=True)
class Variances:
    """Of a difference: by a single training (0 where nothing is trained), by a single cluster.

    `arms`: how many trained arms the seed variance is pooled over, 1 where seeds are paired.
    """

    training: float
    cluster: float
    arms: int


@dataclass(frozen=True)
class Earlier:
    """A contrast of an earlier study, or an assumed one. `name`: what it is, for the table."""

    name: str
    variances: Variances
    items_a_cluster: float
    seeds: int | None
    clusters: int


def detectable(found: Variances, seeds: int, clusters: int, level: float) -> float:
    """Return the smallest difference found with 80% power at a level.

    Infinite with fewer trainings than decide anything.

    Example:
        >>> round(detectable(Variances(0.0, 0.01, 1), 1, 100, 0.05), 4)  # 2.83 errors of 0.01
        0.0283
    """
    if clusters < 2 or (found.training and seeds < TRAININGS):
        return math.inf
    training, cluster = found.training / seeds, found.cluster / clusters
    below = cluster**2 / (clusters - 1)
    if training:
        below += training**2 / (found.arms * (seeds - 1))
    total = training + cluster
    freedom = total**2 / below if below else float(clusters - 1)
    quantiles = stats.t.isf(level / 2, freedom) + stats.t.ppf(POWER, freedom)
    return float(quantiles * math.sqrt(total))


def clusters_needed(found: Variances, seeds: int, difference: float, level: float) -> int | None:
    """Return the fewest clusters that find a difference; None where no number of them does.

    Example:
        >>> clusters_needed(Variances(0.0, 1.0, 1), 3, 0.2, 0.05)  # about (2.8 / 0.2) ** 2
        199
    """
    if detectable(found, seeds, _MOST, level) > difference:
        return None
    low, high = LEAST - 1, _MOST
    while high - low > 1:
        middle = (low + high) // 2
        found_there = detectable(found, seeds, middle, level) <= difference
        low, high = (low, middle) if found_there else (middle, high)
    return high


def plan_text(earlier: Sequence[Earlier], difference: float, confidence: float) -> str:
    """Return the plan as Markdown: what the study finds now, and what finds `difference`.

    Example:
        >>> one = Earlier("bm25 - zero-shot", Variances(0.0, 1.0, 1), 2.0, None, 400)
        >>> print(plan_text([one], 0.2, 0.95).splitlines()[-1])  # finds 2.8 / sqrt(400)
        | bm25 - zero-shot | – | 400 | 14.0 | 199 (398) | 199 (398) | 199 (398) |
    """
    level = (1 - confidence) / len(earlier)
    rows = []
    for one in dict.fromkeys(earlier):  # assumed claims are all alike
        needed = [clusters_needed(one.variances, n, difference, level) for n in SEEDS]
        trained = one.variances.training > 0
        now = detectable(one.variances, one.seeds or 1, one.clusters, level)
        rows.append(
            (
                escape(one.name),
                MISSING if one.seeds is None else str(one.seeds),
                f"{one.clusters:,}",
                MISSING if math.isinf(now) else number(now),
                *(_needed(each, one) for each in (needed if trained else needed[:1] * len(SEEDS))),
            )
        )
    head = ["contrast", "seeds", "clusters", "finds", *(f"with {n} seeds" for n in SEEDS)]
    table = markdown(pl.DataFrame(rows, head, orient="row"))
    return (
        f"Clusters of questions (and questions) that find a difference of {100 * difference:g} "
        f"points with {POWER:.0%} power at {100 * confidence:g}% confidence, corrected for "
        f"{len(earlier)} claims. *finds*: the smallest difference that the seeds and clusters "
        "before it find. *more seeds*: no number of questions is enough.\n\n" + table
    )


def _needed(clusters: int | None, one: Earlier) -> str:
    if clusters is None:
        return "more seeds"
    return f"{clusters:,} ({math.ceil(clusters * one.items_a_cluster):,})"
