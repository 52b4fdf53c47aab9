"""The section `training` of params.yaml."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from polybatch.settings.types import (
    EXACT,
    Count,
    Rate,
    Share,
    in_range,
)

Precision = Literal["fp32", "bf16", "fp16"]
Temperature = Annotated[float, in_range(1e-4, 10.0)]
Norm = Annotated[float, in_range(1e-6, 1e6)]
CachedPairs = Annotated[int, in_range(0, 65536)]
GroupedTexts = Annotated[int, in_range(0, 65536)]


@dataclass(frozen=True, config=EXACT)
class TrainingSettings:
    """InfoNCE over in-batch negatives; `temperature` divides the cosine.

    `cached_pairs`: 0, or the pairs that GradCache holds in memory at a time, for batches that
    would not fit; the gradient is the same. `grouped_texts`: 0, or how many texts of like length a
    transformer encodes at a time, so that it computes little padding; with `cached_pairs`, that
    many. `fp16` needs a GPU.
    """

    precision: Precision
    learning_rate: Rate
    rows_learning_rate: Rate
    temperature: Temperature
    warmup_share: Share
    max_grad_norm: Norm
    checkpoint_every: Count
    log_every: Count
    cached_pairs: CachedPairs
    grouped_texts: GroupedTexts

    def changed(self, changes: TrainingChanges | None) -> TrainingSettings:
        """Return these settings with those of `changes` that say something.

        Example:
            >>> shared = TrainingSettings("fp32", 2e-4, 2e-3, 0.05, 0.1, 1.0, 40, 10, 0, 0)
            >>> shared.changed(TrainingChanges(temperature=0.03)).temperature
            0.03
        """
        found = dataclasses.asdict(changes) if changes else {}
        changed = {key: value for key, value in found.items() if value is not None}
        return dataclasses.replace(self, **changed)


@dataclass(frozen=True, config=EXACT)
class TrainingChanges:
    """Settings of one strategy in place of those of the section `training`."""

    precision: Precision | None = None
    learning_rate: Rate | None = None
    rows_learning_rate: Rate | None = None
    temperature: Temperature | None = None
    warmup_share: Share | None = None
    max_grad_norm: Norm | None = None
    checkpoint_every: Count | None = None
    log_every: Count | None = None
    cached_pairs: CachedPairs | None = None
    grouped_texts: GroupedTexts | None = None
