"""Do the intervals hold what they promise? Worlds without any difference, by simulation.

    python benchmarks/interval_coverage.py [--quick] [--worlds 400]

A world has ten arms that are equally good, scored on clusters of items under several seeds. An
arm gains or loses in a cluster (that standard deviation is the unit), a training moves an arm as a
whole (by 0, 0.15 or 0.4 of it), and items are alike in all arms but for noise. Scores are Gaussian,
or 0 and 1 with one in ten right. Three shares are printed of each cell:

- coverage: 95% intervals of a difference that hold 0; wanted 93 to 98%
- family: worlds in which any of nine arms is decided to differ from the tenth, with p corrected by
  max-|t|; wanted 3 to 7%, and of few trainings at most 7%
- itself: worlds in which an arm is decided to differ from itself under other seeds (same gains in
  every cluster); wanted at most 7%, and 0 with two trainings, which decide nothing

`family` asks p alone, `itself` the whole decision.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from dataclasses import dataclass

import numpy as np

from polybatch.statistics.decisions import DECIDED, Difference, Rule, decide
from polybatch.statistics.family import Claims, family
from polybatch.statistics.multi_reader import Arm, Contrast, arm_of, estimate

ARMS, RULE, DRAWS = 10, Rule(0.005, 0.95), 1_000
CLUSTERS, ITEMS, SEEDS, RATIOS = (30, 48, 240), (1, 5, 25), (2, 3, 5), (0.0, 0.15, 0.4)


@dataclass(frozen=True)
class Cell:
    """`ratio`: a training's standard deviation over a cluster's; `sparse`: scores 0 and 1."""

    clusters: int
    items: int
    seeds: int
    ratio: float
    sparse: bool


@dataclass(frozen=True)
class Shares:
    """Of worlds, as the module says."""

    coverage: float
    family: float
    itself: float


def arms_of_a_world(cell: Cell, chance: np.random.Generator) -> dict[str, Arm]:
    """Return ten equally good arms, and `0 again`: the first one under other seeds."""
    gains = chance.standard_normal((ARMS, cell.clusters))
    items = chance.standard_normal((cell.clusters, cell.items))
    counts = np.full((cell.clusters, 1), float(cell.items))
    names = [*map(str, range(ARMS)), "0 again"]
    found = {}
    for name, gain in zip(names, [*gains, gains[0]], strict=True):
        sums = [
            _scores(cell, gain + cell.ratio * chance.standard_normal(), items, chance).sum(
                axis=1, keepdims=True
            )
            for _ in range(cell.seeds)
        ]
        found[name] = arm_of(sums, counts, np.ones((1, 1)), trained=True)
    return found


def _scores(
    cell: Cell, level: np.ndarray, items: np.ndarray, chance: np.random.Generator
) -> np.ndarray:
    """Return scores (G, items) of a training, whose `level` (G,) moves all items of a cluster."""
    noise = 0.5 * chance.standard_normal(items.shape)
    latent = level[:, None] + items + noise
    if not cell.sparse:
        return 0.5 + 0.1 * latent
    return (latent > 1.2816 * (1 + cell.ratio**2 + 1 + 0.25) ** 0.5).astype(float)


def shares(cell: Cell, worlds: int) -> Shares:
    """Return the shares of `worlds` worlds."""
    covered = wrong = itself = 0
    contrasts = [Contrast(str(n), "0") for n in range(1, ARMS)]
    for number in range(worlds):
        chance = np.random.default_rng([number, cell.clusters, cell.items, cell.seeds])
        arms = arms_of_a_world(cell, chance)
        ten = {name: arm for name, arm in arms.items() if name != "0 again"}
        estimates = [estimate(ten, one) for one in contrasts]
        low, high = estimates[0].interval(RULE.confidence)
        covered += bool(low[0] <= 0 <= high[0])
        found = family([Claims(ten, contrasts, estimates)], chance, DRAWS, RULE.confidence)
        wrong += bool((found.p[0] <= 1 - RULE.confidence).any())
        again = estimate(arms, Contrast("0 again", "0"))
        ends = (float(end[0]) for end in again.interval(RULE.confidence))
        one = Difference(float(again.value[0]), *ends, float(again.p[0]), cell.seeds, cell.clusters)
        itself += decide(one, RULE) in DECIDED
    return Shares(covered / worlds, wrong / worlds, itself / worlds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="two cells instead of all 162")
    arguments = parser.parse_args()
    cells = [Cell(48, 5, 3, 0.4, False), Cell(30, 25, 2, 0.15, True)]
    if not arguments.quick:
        grid = itertools.product(CLUSTERS, ITEMS, SEEDS, RATIOS, (False, True))
        cells = [Cell(*one) for one in grid]
    sys.stdout.write("clusters items seeds ratio scores   coverage family itself\n")
    for cell in cells:
        found = shares(cell, arguments.worlds)
        kind = "0/1" if cell.sparse else "Gauss"
        sys.stdout.write(
            f"{cell.clusters:8} {cell.items:5} {cell.seeds:5} {cell.ratio:5} {kind:6}"
            f" {found.coverage:10.1%} {found.family:6.1%} {found.itself:6.1%}\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
