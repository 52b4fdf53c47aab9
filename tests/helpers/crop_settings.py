"""Settings of an adaptation by crops."""

from __future__ import annotations

import dataclasses
from typing import Any

from polybatch.settings.adaptation import AdaptationSettings

SETTINGS = AdaptationSettings(
    objective="crop",
    texts=("news",),
    transductive=False,
    mixed_batches=False,
    mlm_rows_only=False,
    precision="fp32",
    rows_per_document=2,
    heldout_share=0.0,
    steps=6,
    batch_texts=3,
    size_exponent=1.0,
    max_length=32,
    mask_share=0.15,
    crop_min_share=0.2,
    crop_max_share=0.6,
    delete_share=0.6,
    learning_rate=1e-4,
    rows_learning_rate=1e-3,
    temperature=0.05,
    warmup_share=0.1,
    max_grad_norm=1.0,
    checkpoint_every=10,
    log_every=10,
    cached_texts=0,
)


def changed(**values: Any) -> AdaptationSettings:
    return dataclasses.replace(SETTINGS, **values)
