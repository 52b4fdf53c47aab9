"""The section `batches` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from polybatch.settings.types import (
    EXACT,
    Count,
    Share,
    in_range,
)


@dataclass(frozen=True, config=EXACT)
class BatchSettings:
    """The budget that all trained strategies share, and how languages are drawn.

    `match_budget`: trained strategies that start from the base encoder get as many steps more as
    the adaptation of the others took (`dapt.steps`), so that all took equally many.
    `exposure`: `pairs` draws languages by their number of pairs, `equal` asks every language
    equally often in every strategy, `item` also gives all strategies the same items at the same
    steps (only items in every language). `size_exponent` is of `pairs`.
    """

    steps: Count
    batch_pairs: Annotated[int, in_range(2, 65536)]
    size_exponent: Share
    match_budget: bool
    exposure: Literal["pairs", "equal", "item"]
