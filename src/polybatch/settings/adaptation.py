"""The section `dapt` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from polybatch.settings.types import (
    EXACT,
    Count,
    Rate,
    Share,
    Words,
    in_range,
    one_of,
)

OBJECTIVES = ("mlm", "crop", "tsdae")
"""What `dapt.objective` may say; `polybatch.adaptation.OBJECTIVES` holds a row for each."""


@dataclass(frozen=True, config=EXACT)
class AdaptationSettings:
    """Domain-adaptive pre-training: what, on which text, for how long.

    What only one objective reads (the others ignore it): `mlm`: mask_share, mlm_rows_only
    (predict only tokens that occur in the domain text: less memory, another loss). `crop`:
    temperature, crop_min_share and crop_max_share (of a document's words, for a span of it),
    rows_learning_rate (of encoders that train only the embedding rows that occur), cached_texts
    (as `training.cached_pairs`). `tsdae`: delete_share (of a document's words).

    `texts`: datasets whose corpus side is the domain text; that of an evaluation dataset only
    where `transductive` says so. `rows_per_document`: how many neighbouring rows of one group
    (article) make a document, at most. `mixed_batches`: languages mixed inside a batch, or one a
    batch. `heldout_share`: of the groups, for the perplexity of `mlm`; 0 with other objectives.
    `batch_texts`: documents a step (`mlm`: packed sequences). `max_length`: tokens of a span,
    document or sequence.
    """

    objective: Annotated[str, one_of(OBJECTIVES)]
    texts: Words
    transductive: bool
    mixed_batches: bool
    mlm_rows_only: bool
    precision: Literal["fp32", "bf16", "fp16"]
    rows_per_document: Annotated[int, in_range(1, 1000)]
    heldout_share: Annotated[float, in_range(0.0, 0.9)]
    steps: Count
    batch_texts: Annotated[int, in_range(2, 65536)]
    size_exponent: Share
    max_length: Annotated[int, in_range(8, 8192)]
    mask_share: Annotated[float, in_range(0.01, 0.99)]
    crop_min_share: Annotated[float, in_range(0.01, 1.0)]
    crop_max_share: Annotated[float, in_range(0.01, 1.0)]
    delete_share: Annotated[float, in_range(0.0, 0.99)]
    learning_rate: Rate
    rows_learning_rate: Rate
    temperature: Annotated[float, in_range(1e-4, 10.0)]
    warmup_share: Share
    max_grad_norm: Annotated[float, in_range(1e-6, 1e6)]
    checkpoint_every: Count
    log_every: Count
    cached_texts: Annotated[int, in_range(0, 65536)]
