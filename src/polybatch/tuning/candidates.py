"""Which settings are tried: the same ones, in the same order, for every strategy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from polybatch.core.randomness import stream

Values = dict[str, float]
"""Settings of one trial, by the key of their section."""


def candidates(
    space: Mapping[str, Sequence[float]],
    trials: int,
    names: tuple[object, ...],
    own: Mapping[str, Sequence[float]] | None = None,
) -> list[Values]:
    """Return the settings of each trial: points of the grid, none twice, in a random order.

    `names`: of the random stream, the same for all strategies, so that trial k of one has the
    settings of trial k of another. `own`: what only one strategy has; each value is tried
    equally often, but for one time. `trials`: at most the grid's points (a rule of params).

    Example:
        >>> found = candidates({"temperature": (0.03, 0.05)}, 2, (0,), {"cross_ratio": (0.5,)})
        >>> sorted(each["temperature"] for each in found), found[0]["cross_ratio"]
        ([0.03, 0.05], 0.5)
    """
    grid = [dict(zip(space, point, strict=True)) for point in product(*space.values())]
    order = stream(*names, "grid").permutation(len(grid))[:trials]
    found: list[Values] = [dict(grid[place]) for place in order]
    for key, values in (own or {}).items():
        chance, rounds = stream(*names, key), math.ceil(len(found) / len(values))
        places = np.concatenate([chance.permutation(len(values)) for _ in range(rounds)])
        for candidate, place in zip(found, places, strict=False):
            candidate[key] = values[place]
    return found
