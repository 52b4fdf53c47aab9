"""The declared contrasts: a claim each, tested on the headline measure, all corrected together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from scipy import stats

from polybatch.core.randomness import stream
from polybatch.statistics.arms import Scored
from polybatch.statistics.clusters import LEAST
from polybatch.statistics.decisions import Difference, Outcome, Rule, decide, too_few
from polybatch.statistics.family import Claims, Corrected, family, holm
from polybatch.statistics.influence import Float64
from polybatch.statistics.multi_reader import (
    Estimate,
    equal_seed_variances,
    estimate,
    seed_variance,
)
from polybatch.statistics.significance import DIGITS

CONTRASTS = pl.Schema(
    {
        "dataset": pl.String,
        "kind": pl.String,
        "setting": pl.String,
        "group": pl.String,
        "measure": pl.String,
        "first": pl.String,
        "second": pl.String,
        "difference": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "p": pl.Float64,
        "p_corrected": pl.Float64,
        "p_holm": pl.Float64,
        "detectable": pl.Float64,
        "margin": pl.Float64,
        "error": pl.Float64,
        "freedom": pl.Float64,
        "from_seeds": pl.Float64,
        "seed_freedom": pl.Float64,
        "from_clusters": pl.Float64,
        "equal_seeds": pl.Float64,
        "seeds": pl.Int64,
        "items": pl.Int64,
        "clusters": pl.Int64,
        "level": pl.String,
        "outcome": pl.String,
    }
)
"""One row per dataset, view (breakdowns.View) and contrast; claims are those of the kind `setting`.

`difference`: first minus second. `p_corrected`: max-|t| over all rows of a kind, `p_holm` Holm's
over the same. `detectable`: the smallest difference found with 80% power after correction;
`margin`: half of the interval, which the smallest difference has to exceed for two equal arms to be
called equal. `error`, `freedom`: standard error and degrees of freedom, made of `from_seeds` and
`from_clusters`, variances; `seed_freedom`: degrees of freedom of the former; `equal_seeds`:
Bartlett's p of all trained arms having the seed variance that is pooled over them. Null where
nothing can be decided: with fewer than five clusters, (`detectable`) with one training or two, or
(of seeds) with one; `seed_freedom` also where nothing was trained."""

POWER = 0.8


def contrast_table(
    scored: Sequence[Scored],
    pairs: Sequence[tuple[str, str]],
    rule: Rule,
    draws: int,
    seed: int,
    kind: str = "setting",
) -> pl.DataFrame:
    """Return CONTRASTS of `pairs` (first, second) in the views of a kind, of every dataset.

    `scored`: one a dataset, of the measure that claims are about.
    """
    parts = [part.only(lambda view: view.kind == kind) for part in scored]
    if not pairs:
        return CONTRASTS.to_frame()
    tested = [_tested(part.testable(), pairs) for part in parts]
    enough = [one for one in tested if one.estimates[0].value.size]
    chance = stream(seed, "contrasts", kind)
    found = family(enough, chance, draws, rule.confidence) if enough else Corrected([], np.nan)
    corrected = iter(found.p)
    rows = []
    for part, one in zip(parts, tested, strict=True):
        p = next(corrected) if one.estimates[0].value.size else np.empty((len(pairs), 0))
        rows += _rows(part, pairs, p, found.level, rule)
    table = pl.DataFrame(rows, CONTRASTS, orient="row").fill_nan(None)
    known = table["p"].is_not_null()
    table = table.with_columns(
        pl.when(known).then(pl.Series(_holm(table["p"].to_numpy()))).alias("p_holm")
    )
    exact = ("freedom", "from_seeds", "from_clusters")
    table = table.with_columns(
        pl.selectors.float().exclude(exact).round(DIGITS) + 0.0, pl.col("freedom").round(2)
    )
    outcomes = [outcome(row, rule) for row in table.iter_rows(named=True)]
    return table.with_columns(outcome=pl.Series(outcomes, dtype=pl.String))


def _tested(part: Scored, pairs: Sequence[tuple[str, str]]) -> Claims:
    contrasts = [part.contrast(*pair) for pair in pairs]
    return Claims(part.arms, contrasts, [estimate(part.arms, one) for one in contrasts])


def _rows(
    part: Scored, pairs: Sequence[tuple[str, str]], p: Float64, level: float, rule: Rule
) -> list[tuple[object, ...]]:
    """Return rows of CONTRASTS; `p` (K, V') of the views with enough clusters, in their order."""
    rows: list[tuple[object, ...]] = []
    equal = equal_seed_variances(part.arms)
    enough = [int(v) for v in np.flatnonzero(part.clusters >= LEAST)]
    for k, (first, second) in enumerate(pairs):
        one = estimate(part.arms, part.contrast(first, second))
        low, high = one.interval(rule.confidence)
        seeds, seed_freedom = part.seeds(first, second), _seed_freedom(part, first, second)
        reach = _detectable(one, level, seeds)
        for v, view in enumerate(part.views):
            sure = v in enough
            numbers = (
                low[v], high[v], one.p[v], float(p[k][enough.index(v)]) if sure else np.nan, np.nan,
                reach[v], (high[v] - low[v]) / 2, one.error[v], one.freedom[v],
                _digits(one.from_seeds[v]), seed_freedom, _digits(one.from_clusters[v]), equal[v],
            )  # fmt: skip
            known = [float(x) if sure and np.isfinite(x) else None for x in numbers]
            rows.append(
                (
                    *(part.dataset, view.kind, view.setting, view.group),
                    *(part.measure, first, second),
                    *(float(one.value[v]), *known),
                    *(seeds, part.items[v], int(part.clusters[v])),
                    *(part.level, ""),
                )
            )
    return rows


def _seed_freedom(part: Scored, first: str, second: str) -> float:
    """Return the degrees of freedom of the variance over seeds, NaN where there is none."""
    seeds = part.seeds(first, second)
    if seeds is None or seeds < 2:
        return np.nan
    return seeds - 1 if part.contrast(first, second).shared_plan else seed_variance(part.arms)[1]


def _digits(value: float) -> float:
    return float(f"{value:.6g}")


def _detectable(one: Estimate, level: float, seeds: int | None) -> Float64:
    """Return the smallest true difference that a single test at `level` finds with POWER (V,).

    NaN where too few trainings allow no decision on any difference.
    """
    if too_few(seeds):
        return np.full_like(one.value, np.nan)
    limit = stats.t.isf(level / 2, one.freedom)
    found: Float64 = (limit + stats.t.ppf(POWER, one.freedom)) * one.error
    return found


def _holm(p: Float64) -> Float64:
    corrected = np.full(len(p), np.nan)
    known = ~np.isnan(p)
    corrected[known] = holm(p[known])
    return corrected


def difference_of(row: Mapping[str, object]) -> Difference:
    """Return what a row of CONTRASTS says, for `decisions`.

    Example:
        >>> row = {"difference": 0.02, "low": 0.01, "high": 0.03, "p": 0.002, "p_corrected": 0.007}
        >>> difference_of(row | {"seeds": 3, "clusters": 48}).p
        0.007
    """
    return Difference(
        *(row[name] for name in ("difference", "low", "high", "p_corrected", "seeds", "clusters"))  # type: ignore[arg-type]
    )


def outcome(row: Mapping[str, object], rule: Rule) -> Outcome:
    """Return the decision on a row of CONTRASTS.

    Example:
        >>> row = {"difference": 0.02, "low": 0.01, "high": 0.03, "seeds": 3, "clusters": 48}
        >>> [outcome(row | {"p_corrected": p}, Rule(0.005, 0.95)) for p in (0.007, 0.07)]
        ['better', 'no worse']
    """
    return decide(difference_of(row), rule)
