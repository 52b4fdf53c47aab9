"""The section `strategies` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from polybatch.settings.types import (
    EXACT,
    in_range,
    one_of,
)

BATCH_KINDS = ("none", "en-en", "x-x", "mono", "x-y", "cross", "hybrid")
"""What `strategies.<name>.batches` may say; `polybatch.batches.plan.KINDS` holds a row for each."""


@dataclass(frozen=True, config=EXACT)
class Strategy:
    """Where training starts and what its batches are (`batches`: a row of plans.KINDS)."""

    start: Literal["base", "dapt"]
    batches: Annotated[str, one_of(BATCH_KINDS)]
    cross_ratio: Annotated[float | None, in_range(0.0, 1.0)] = None
