"""Sentence-transformers' own trainer over the rows of a plan, with its own batches and AdamW."""

from __future__ import annotations

import tempfile

import datasets
import polars as pl
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from polybatch.settings.training import TrainingSettings


def train_stock(
    encoder: SentenceTransformer, plan: pl.DataFrame, pairs: int, settings: TrainingSettings
) -> None:
    """Train on a CPU; `pairs`: of a batch."""
    arguments = SentenceTransformerTrainingArguments(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=pairs,
        num_train_epochs=1,
        learning_rate=settings.learning_rate,
        bf16=settings.precision == "bf16",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    rows = plan.select(anchor="query_text", positive="doc_text").to_dict(as_series=False)
    SentenceTransformerTrainer(
        model=encoder,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict(rows),
        loss=MultipleNegativesRankingLoss(encoder, scale=1 / settings.temperature),
    ).train()
