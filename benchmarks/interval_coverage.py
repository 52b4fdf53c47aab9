"""Do the intervals hold what they promise? Worlds without any difference, by simulation.

    python benchmarks/interval_coverage.py [--quick] [--worlds 400]

A world has ten arms that are equally good, scored on clusters of items under several seeds. An
arm gains or loses in a cluster (that standard deviation is the unit), a training moves an arm as a
whole (by 0, 0.15 or 0.4 of it), and items are alike in all arms but for noise. Scores are Gaussian,
or 0 and 1 with one in ten right. Three shares are counted in each cell:

- coverage: 95% intervals of nine differences that hold 0; wanted 93 to 98%
- family: worlds in which any of nine arms is decided to differ from the tenth, with p corrected by
  max-|t|; wanted 3 to 7%
- itself: worlds in which an arm is decided to differ from itself under other seeds (same gains in
  every cluster); wanted 3 to 7%, and 0 with two trainings, which decide nothing

`family` asks p alone, `itself` the whole decision. A cell that is done is a line of
`interval_coverage.csv`, which another call goes on from; at the end a summary is printed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from polybatch.statistics.decisions import DECIDED, Difference, Rule, decide
from polybatch.statistics.family import Claims, family
from polybatch.statistics.influence import Arm
from polybatch.statistics.multi_reader import Contrast, Estimate, estimate

ARMS, RULE, DRAWS = 10, Rule(0.005, 0.95), 1_000
CLUSTERS, ITEMS, SEEDS, RATIOS = (30, 48, 240), (1, 5, 25), (2, 3, 5), (0.0, 0.15, 0.4)
DONE = Path(__file__).with_suffix(".csv")
WANTED = {"coverage": (0.93, 0.98), "family": (0.03, 0.07), "itself": (0.03, 0.07)}
_TOGETHER = 50  # worlds drawn at once
_CONTRASTS = [Contrast(str(n), "0") for n in range(1, ARMS)]


@dataclass(frozen=True)
class Cell:
    """`ratio`: a training's standard deviation over a cluster's; `sparse`: scores 0 and 1."""

    clusters: int
    items: int
    seeds: int
    ratio: float
    sparse: bool


GRID = [
    Cell(*one) for one in itertools.product(CLUSTERS, ITEMS, SEEDS, RATIOS, (False, True))
]  # fmt: skip


def arms_of_worlds(cell: Cell, worlds: int, chance: np.random.Generator) -> dict[str, Arm]:
    """Return ten equally good arms, and `0 again`, the first under other seeds; a view a world."""
    gains = chance.standard_normal((ARMS, cell.clusters, worlds))
    items = chance.standard_normal((cell.clusters, worlds, cell.items), np.float32)
    names = [*map(str, range(ARMS)), "0 again"]
    found = {}
    for name, gain in zip(names, [*gains, gains[0]], strict=True):
        levels = [gain + cell.ratio * chance.standard_normal(worlds) for _ in range(cell.seeds)]
        means = np.stack([_means(cell, level, items, chance) for level in levels])  # (R, G, V)
        values = means.mean(axis=1)
        found[name] = Arm(values, (means - values[:, None]) / cell.clusters, trained=True)
    return found


def _means(
    cell: Cell, level: np.ndarray, items: np.ndarray, chance: np.random.Generator
) -> np.ndarray:
    """Return a training's mean score a cluster (G, V); `level` moves all items of one."""
    noise = chance.standard_normal(items.shape, np.float32)
    latent = level[:, :, None].astype(np.float32) + items + np.float32(0.5) * noise
    if not cell.sparse:
        return 0.5 + 0.1 * latent.mean(axis=2, dtype=np.float64)
    edge = 1.2816 * (1 + cell.ratio**2 + 1 + 0.25) ** 0.5
    return np.asarray((latent > edge).mean(axis=2))


def counts(cell: Cell, worlds: int, block: int) -> dict[str, float]:
    """Return of `worlds` worlds: covered differences (as worlds), false families, false selves."""
    numbers = (block, cell.clusters, cell.items, cell.seeds, round(100 * cell.ratio), cell.sparse)
    chance = np.random.default_rng([int(n) for n in numbers])
    arms = arms_of_worlds(cell, worlds, chance)
    ten = {name: arm for name, arm in arms.items() if name != "0 again"}
    estimates = [estimate(ten, one) for one in _CONTRASTS]
    ends = [one.interval(RULE.confidence) for one in estimates]
    single = np.stack([one.p for one in estimates]).min(axis=0)
    # corrected for nine, p is never smaller than the smallest of them
    wrong = sum(
        _is_wrong(ten, estimates, world, chance)
        for world in np.flatnonzero(single <= 1 - RULE.confidence)
    )
    return {
        "coverage": float(np.mean([(low <= 0) & (high >= 0) for low, high in ends]) * worlds),
        "family": wrong,
        "itself": _decided(cell, estimate(arms, Contrast("0 again", "0"))),
    }


def _is_wrong(
    arms: Mapping[str, Arm], estimates: list[Estimate], world: int, chance: np.random.Generator
) -> bool:
    """Return whether any of nine arms is decided to differ from the tenth in a world."""
    at = slice(world, world + 1)
    ten = {
        name: Arm(arm.values[:, at], arm.influence[:, :, at], True) for name, arm in arms.items()
    }
    parts = ("value", "error", "freedom", "from_seeds", "from_clusters")
    few = [replace(one, **{name: getattr(one, name)[at] for name in parts}) for one in estimates]
    found = family([Claims(ten, _CONTRASTS, few)], chance, DRAWS, RULE.confidence)
    return bool((found.p[0] <= 1 - RULE.confidence).any())


def _decided(cell: Cell, found: Estimate) -> int:
    low, high = found.interval(RULE.confidence)
    return sum(
        decide(Difference(*map(float, row), cell.seeds, cell.clusters), RULE) in DECIDED
        for row in zip(found.value, low, high, found.p, strict=True)
    )


def shares(cell: Cell, worlds: int) -> dict[str, float]:
    """Return the shares of `worlds` worlds, as the module says."""
    parts = [counts(cell, _TOGETHER, block) for block in range(-(-worlds // _TOGETHER))]
    return {name: sum(one[name] for one in parts) / (_TOGETHER * len(parts)) for name in WANTED}


def summary(done: pl.DataFrame) -> str:
    """Return how many cells hold their mark, and which miss it by more than chance of worlds."""
    lines = [f"{done.height} of {len(GRID)} cells, {done['worlds'].min()} worlds or more each"]
    for name, (low, high) in WANTED.items():
        rows = done if name == "coverage" else done.filter(pl.col("seeds") > 2)
        reach = 2 * (pl.col(name) * (1 - pl.col(name)) / pl.col("worlds")).sqrt()
        within = rows.filter(pl.col(name).is_between(low, high)).height
        below, above = (
            rows.filter(outside).height
            for outside in (pl.col(name) + reach < low, pl.col(name) - reach > high)
        )
        lines.append(
            f"{name}: {within} of {rows.height} within {low:.0%} to {high:.0%}; by more than two"
            f" standard errors {below} below and {above} above; mean {rows[name].mean():.1%},"
            f" {rows[name].min():.1%} to {rows[name].max():.1%}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="two cells, printed and not kept")
    arguments = parser.parse_args()
    if arguments.quick:
        for cell in (Cell(48, 5, 3, 0.4, False), Cell(30, 25, 2, 0.15, True)):
            sys.stdout.write(f"{cell}: {shares(cell, arguments.worlds)}\n")
        return
    kinds = {"clusters": pl.Int64, "items": pl.Int64, "seeds": pl.Int64, "ratio": pl.Float64}
    names = [*kinds, "sparse"]
    done = pl.read_csv(DONE, schema_overrides=kinds) if DONE.is_file() else pl.DataFrame()
    known = {Cell(*row) for row in done.select(names).rows()} if done.height else set()
    for cell in GRID:
        if cell not in known:
            row = asdict(cell) | {"worlds": arguments.worlds} | shares(cell, arguments.worlds)
            done = pl.concat([done, pl.DataFrame([row])], how="diagonal")
            done.write_csv(DONE, float_precision=4)
    sys.stdout.write(summary(done) + "\n")


if __name__ == "__main__":
    main()
