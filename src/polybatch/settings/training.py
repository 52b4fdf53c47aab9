"""The section `training` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from polybatch.settings.types import (
    EXACT,
    Count,
    Rate,
    Share,
    in_range,
)


@dataclass(frozen=True, config=EXACT)
class TrainingSettings:
    """InfoNCE over in-batch negatives; `temperature` divides the cosine.

    `cached_pairs`: 0, or the pairs that GradCache holds in memory at a time, for batches that
    would not fit; the gradient is the same. `fp16` needs a GPU.
    """

    precision: Literal["fp32", "bf16", "fp16"]
    learning_rate: Rate
    rows_learning_rate: Rate
    temperature: Annotated[float, in_range(1e-4, 10.0)]
    warmup_share: Share
    max_grad_norm: Annotated[float, in_range(1e-6, 1e6)]
    checkpoint_every: Count
    log_every: Count
    cached_pairs: Annotated[int, in_range(0, 65536)]
