"""The sentence-transformers trainer, made to follow a plan.

It is fed by the plan in order, given the optimiser that trains only the rows that occur, and made
to write checkpoints that are whole or ignored. Under torchrun every process takes its slice of the
same batch, sees all its negatives, and only the first one writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import torch
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch import Tensor
from torch.utils.data import BatchSampler, SequentialSampler

from polybatch.core.errors import DivergedError
from polybatch.encoders.library import as_sentence_transformer
from polybatch.encoders.light import Encoder
from polybatch.encoders.row_table import RowTable
from polybatch.settings.training import TrainingSettings
from polybatch.training.like_length import GroupedLoss, SortedCachedLoss
from polybatch.training.machine import processes
from polybatch.training.resume import Resumable, arguments_of
from polybatch.training.row_adam import RowAdam, average_rows, clip_gradients

Collate = Callable[[list[dict[str, str]]], dict[str, Any]]


class _Collator:
    """What the trainer expects of a data collator, around a function."""

    valid_label_columns: tuple[str, ...] = ()

    def __init__(self, collate: Collate) -> None:
        self.collate = collate

    def __call__(self, rows: list[dict[str, str]]) -> dict[str, Any]:
        return self.collate(rows)


class PlanTrainer(Resumable, SentenceTransformerTrainer):  # type: ignore[misc]
    """The library's trainer, in plan order, with whole checkpoints and sparse clipping."""

    tables: Sequence[RowTable] = ()

    def add_model_card_callback(self, default_args_dict: Any) -> None:
        """Write no model card: it would run the encoder on examples and hold the date."""

    def get_batch_sampler(
        self, dataset: Any, batch_size: int, drop_last: bool, **_: Any
    ) -> BatchSampler:
        """Return batches in the order of the plan's rows."""
        return BatchSampler(SequentialSampler(dataset), batch_size, drop_last)

    def _clip_grad_norm(self, model: torch.nn.Module) -> Tensor:
        for table in self.tables:
            average_rows(table.rows)  # before unscaling, so that all see the same overflow
        if self.args.fp16:
            self.accelerator.unscale_gradients()
        return clip_gradients(model.parameters(), self.args.max_grad_norm)

    def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **named: Any) -> Any:
        """Return the loss; InputError with step and rows when it is not finite."""
        loss = super().compute_loss(model, inputs, *arguments, **named)
        value = loss[0] if isinstance(loss, tuple) else loss
        if not torch.isfinite(value):
            step = self.state.global_step
            pairs = self.args.train_batch_size
            rows = self.train_dataset[step * pairs]
            raise DivergedError(
                f"training, step {step}",
                f"the loss {float(value.detach())}",
                "a finite loss",
                "Lower training.learning_rate, or look at the batch: rows"
                f" {step * pairs} to {step * pairs + pairs - 1} of the plan, the first {rows};"
                " the last checkpoint before it is kept",
            )
        return loss


def plan_trainer(
    encoder: Encoder,
    rows: pl.DataFrame,
    batch_pairs: int,
    training: TrainingSettings,
    collate: Collate,
    seed: int,
    work: Path,
) -> PlanTrainer:
    """Return the trainer of `encoder`, in place, on `rows` (query_text, doc_text) in their order.

    `collate` makes a batch of `batch_pairs` rows; `work` keeps checkpoints.
    """
    steps, model = rows.height // batch_pairs, as_sentence_transformer(encoder)
    arguments = SentenceTransformerTrainingArguments(
        **arguments_of(training, steps, seed, work),
        per_device_train_batch_size=batch_pairs,
        dataloader_drop_last=True,
        accelerator_config={"split_batches": processes() > 1},
    )
    model.to(arguments.device)
    _keep_rows_from_ddp(model)
    trainer = PlanTrainer(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict(rows.to_dict(as_series=False)),
        data_collator=_Collator(collate),
        loss=_loss(model, training),
        optimizers=(_optimizer(model, training), None),
    )
    trainer.tables = [module for module in model.modules() if isinstance(module, RowTable)]
    return trainer


def _loss(encoder: SentenceTransformer, training: TrainingSettings) -> torch.nn.Module:
    named = {"scale": 1 / training.temperature, "gather_across_devices": processes() > 1}
    grouped, cached = training.grouped_texts, training.cached_pairs
    if cached:
        kind = SortedCachedLoss if grouped else CachedMultipleNegativesRankingLoss
        return kind(encoder, mini_batch_size=cached, **named)
    if grouped:
        return GroupedLoss(encoder, grouped, **named)
    return MultipleNegativesRankingLoss(encoder, **named)  # type: ignore[no-any-return]


def _keep_rows_from_ddp(encoder: SentenceTransformer) -> None:
    """Hide row tables from DDP, which takes no sparse gradients of modules it does not know."""
    names = [name for name, module in encoder.named_modules() if isinstance(module, RowTable)]
    hidden = [f"{name}.{part}" for name in names for part in ("rows", "table", "place")]
    ddp: Any = torch.nn.parallel.DistributedDataParallel
    ddp._set_params_and_buffers_to_ignore_for_model(encoder, hidden)


def _optimizer(encoder: SentenceTransformer, training: TrainingSettings) -> RowAdam:
    rows = [module.rows for module in encoder.modules() if isinstance(module, RowTable)]
    names = {id(parameter) for parameter in rows}
    dense = [each for each in encoder.parameters() if id(each) not in names]
    groups = [{"params": dense, "lr": training.learning_rate}]
    if rows:
        groups.append({"params": rows, "lr": training.rows_learning_rate})
    # For a hundred million dense parameters one pass over memory counts; the packaged encoder has
    # five, and its figures were measured with the plain form.
    large = encoder.transformers_model is not None
    return RowAdam(groups, fused=large or None)
