"""Training that follows a batch plan: InfoNCE over in-batch negatives, resumable, same bytes twice.

InfoNCE: van den Oord et al., arXiv 1807.03748. What is trained on and what it costs; `plan_trainer`
does the work, and is imported where there is some, as the libraries behind it take seconds.
Letters: B pairs a batch, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from polybatch.encoders.light import Encoder
from polybatch.encoders.loading import enough_memory
from polybatch.encoders.row_table import trained_rows
from polybatch.encoders.tokens import TokenCounts, count_tokens, features_of, padding_ids
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.training import TrainingSettings
from polybatch.training.machine import (
    check_machine,
    check_shares,
    join_processes,
    keep_freed_memory,
    share_one_heap,
)

_SMALLER = "Set training.cached_pairs, or lower encoder.document_length or study.workers"


@dataclass(frozen=True)
class Plan:
    """What training follows. `texts`: step, slot, query_text, doc_text, sorted by step and slot.

    Example:
        >>> texts = pl.DataFrame({"step": [0, 0, 1, 1], "slot": [0, 1, 0, 1]})  # and what they pair
        >>> Plan("mono", texts, batch_pairs=2).steps
        2
    """

    name: str
    texts: pl.DataFrame
    batch_pairs: int

    @property
    def steps(self) -> int:
        """Batches planned."""
        return self.texts.height // self.batch_pairs


@dataclass(frozen=True)
class TrainingSummary:
    """What was spent and what came of it; the same for the same parameters (no seconds in it)."""

    steps: int
    pairs: int
    distinct_pairs: int
    query_tokens: int
    document_tokens: int
    truncated_queries: int
    truncated_documents: int
    trained_rows: int
    first_loss: float | None
    last_loss: float | None


def train(
    encoder: Encoder,
    plan: Plan,
    training: TrainingSettings,
    lengths: EncoderSettings,
    seed: int,
    work: Path,
    curves: Path,
    version: int = 0,
) -> TrainingSummary:
    """Train `encoder` in place and return what was spent and what came of it.

    `work` keeps checkpoints: a later call with the same plan and settings goes on from the last
    whole one and ends with the same weights. `version`: of the stage's results, as other code may
    not go on with its checkpoints. `curves` gets DVCLive's log (loss, learning rate).
    InputError when the loss is not finite, or the machine cannot do what `training` asks.
    """
    if encoder.transformers_model is None:
        keep_freed_memory()
    else:  # its tensors take gigabytes
        share_one_heap()
    join_processes()
    check_machine(training.precision, "training.precision")
    check_shares(plan.batch_pairs, "batches.batch_pairs")
    tokens = _Tokens(encoder, lengths)
    summary, seen = _budget(plan, tokens)
    if not plan.steps:
        return summary
    # Imported here: a strategy that trains nothing should not wait for the trainer.
    from polybatch.training.callbacks import Progress
    from polybatch.training.plan_trainer import plan_trainer
    from polybatch.training.resume import fingerprint_of

    with trained_rows(encoder, seen | padding_ids(encoder)) as tables:
        rows = plan.texts.select("query_text", "doc_text")
        trainer = plan_trainer(encoder, rows, plan.batch_pairs, training, tokens, seed, work)
        settings = (plan.batch_pairs, training, lengths, seed, version)
        texts = plan.texts.cast(pl.String).iter_columns()
        trainer.fingerprint = fingerprint_of(
            settings, (one.str.join("\0").item() for one in texts), encoder
        )
        progress = Progress(f"train {plan.name}", "pairs", plan.batch_pairs, contrastive=True)
        with enough_memory("training", _SMALLER):
            losses = trainer.run(plan.steps, curves, progress)
        trained = sum(len(table.chosen) for table in tables)
    encoder.to("cpu")
    ends = {"first_loss": losses[0], "last_loss": losses[-1], "trained_rows": trained}
    return TrainingSummary(**(asdict(summary) | ends))


class _Tokens:
    """Token features of texts, behind their prompts and cut to their lengths."""

    def __init__(self, encoder: Encoder, lengths: EncoderSettings) -> None:
        self.encoder = encoder
        self.sides = {
            "query": (lengths.query_length, lengths.query_prompt),
            "doc": (lengths.document_length, lengths.document_prompt),
        }

    def features(self, texts: Sequence[str], side: str) -> dict[str, Tensor]:
        """Return the encoder's features of `texts`, (B, longest)."""
        return features_of(self.encoder, texts, *self.sides[side])

    def count(self, texts: Sequence[str], side: str) -> TokenCounts:
        """Return the tokens of each distinct text, and which ids occur."""
        return count_tokens(self.encoder, texts, *self.sides[side])

    def __call__(self, rows: list[dict[str, str]]) -> dict[str, Any]:
        """Collate rows of the plan into one batch."""
        batch: dict[str, Any] = {"return_loss": True}
        for side in ("query", "doc"):
            features = self.features([row[f"{side}_text"] for row in rows], side)
            batch.update({f"{side}_{name}": value for name, value in features.items()})
        return batch


def _budget(plan: Plan, tokens: _Tokens) -> tuple[TrainingSummary, frozenset[int]]:
    """Return what the plan will spend, and the token ids that occur in it."""
    texts = {side: plan.texts[f"{side}_text"].to_list() for side in ("query", "doc")}
    counts = {side: tokens.count(texts[side], side) for side in texts}
    spent = {side: counts[side].total(texts[side]) for side in texts}
    summary = TrainingSummary(
        steps=plan.steps,
        pairs=plan.texts.height,
        distinct_pairs=plan.texts.select("query_text", "doc_text").n_unique(),
        query_tokens=spent["query"][0],
        document_tokens=spent["doc"][0],
        truncated_queries=spent["query"][1],
        truncated_documents=spent["doc"][1],
        trained_rows=0,
        first_loss=None,
        last_loss=None,
    )
    return summary, counts["query"].ids | counts["doc"].ids
