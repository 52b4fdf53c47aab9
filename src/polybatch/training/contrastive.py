"""Training that follows a batch plan: InfoNCE over in-batch negatives, resumable, same bytes twice.

The sentence-transformers trainer does the work; here it is fed by the plan in order, given the
optimiser that trains only the rows that occur, and made to write checkpoints that are whole or
ignored. Under torchrun every process takes its slice of the same batch, sees all its negatives,
and only the first one writes. Letters: B pairs a batch, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
from transformers import PreTrainedModel

from polybatch.encoders.row_table import RowTable, trained_rows
from polybatch.encoders.tokens import TokenCounts, count_tokens, features_of, padding_ids
from polybatch.errors import InputError
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.training import TrainingSettings
from polybatch.training.callbacks import Progress
from polybatch.training.machine import (
    check_machine,
    check_shares,
    join_processes,
    keep_freed_memory,
    processes,
)
from polybatch.training.resume import Resumable, arguments_of, fingerprint_of
from polybatch.training.row_adam import RowAdam, average_rows, clip_gradients


@dataclass(frozen=True)
class Plan:
    """What training follows. `texts`: step, slot, query_text, doc_text, sorted by step and slot."""

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
    encoder: SentenceTransformer,
    plan: Plan,
    training: TrainingSettings,
    lengths: EncoderSettings,
    seed: int,
    work: Path,
    curves: Path,
) -> TrainingSummary:
    """Train `encoder` in place and return what was spent and what came of it.

    `work` keeps checkpoints: a later call with the same plan and settings goes on from the last
    whole one and ends with the same weights. `curves` gets DVCLive's log (loss, learning rate).
    InputError when the loss is not finite, or the machine cannot do what `training` asks.
    """
    if not _is_transformer(encoder):  # for those it gains nothing and costs a few percent of memory
        keep_freed_memory()
    join_processes()
    check_machine(training.precision, "training.precision")
    check_shares(plan.batch_pairs, "batches.batch_pairs")
    tokens = _Tokens(encoder, lengths)
    summary, seen = _budget(plan, tokens)
    if not plan.steps:
        return summary
    with trained_rows(encoder, seen | padding_ids(encoder)) as tables:
        trainer = _trainer(encoder, plan, training, tokens, seed, work)
        settings = (plan.batch_pairs, training, lengths, seed)
        texts = plan.texts.cast(pl.String).iter_columns()
        trainer.fingerprint = fingerprint_of(
            settings, (one.str.join("\0").item() for one in texts), encoder
        )
        progress = Progress(f"train {plan.name}", "pairs", plan.batch_pairs, contrastive=True)
        losses = trainer.run(plan.steps, curves, progress)
        trained = sum(len(table.chosen) for table in tables)
    encoder.to("cpu")
    ends = {"first_loss": losses[0], "last_loss": losses[-1], "trained_rows": trained}
    return TrainingSummary(**(asdict(summary) | ends))


class _Tokens:
    """Token features of texts, behind their prompts and cut to their lengths."""

    def __init__(self, encoder: SentenceTransformer, lengths: EncoderSettings) -> None:
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


class _Collator:
    """What the trainer expects of a data collator, around `_Tokens`."""

    valid_label_columns: tuple[str, ...] = ()

    def __init__(self, tokens: _Tokens) -> None:
        self.tokens = tokens

    def __call__(self, rows: list[dict[str, str]]) -> dict[str, Any]:
        return self.tokens(rows)


class _PlanTrainer(Resumable, SentenceTransformerTrainer):  # type: ignore[misc]
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
            raise InputError(
                f"training, step {step}",
                f"the loss {float(value.detach())}",
                "a finite loss",
                "Lower training.learning_rate, or look at the batch: rows"
                f" {step * pairs} to {step * pairs + pairs - 1} of the plan, the first {rows};"
                " the last checkpoint before it is kept",
            )
        return loss


def _trainer(
    encoder: SentenceTransformer,
    plan: Plan,
    training: TrainingSettings,
    tokens: _Tokens,
    seed: int,
    work: Path,
) -> _PlanTrainer:
    arguments = SentenceTransformerTrainingArguments(
        **arguments_of(training, plan.steps, seed, work),
        per_device_train_batch_size=plan.batch_pairs,
        dataloader_drop_last=True,
        accelerator_config={"split_batches": processes() > 1},
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # one process, one GPU; more by torchrun
    encoder.to(arguments.device)
    _keep_rows_from_ddp(encoder)
    rows = plan.texts.select("query_text", "doc_text")
    trainer = _PlanTrainer(
        model=encoder,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict(rows.to_dict(as_series=False)),
        data_collator=_Collator(tokens),
        loss=_loss(encoder, training),
        optimizers=(_optimizer(encoder, training), None),
    )
    trainer.tables = [module for module in encoder.modules() if isinstance(module, RowTable)]
    return trainer


def _loss(encoder: SentenceTransformer, training: TrainingSettings) -> torch.nn.Module:
    named = {"scale": 1 / training.temperature, "gather_across_devices": processes() > 1}
    if not training.cached_pairs:
        return MultipleNegativesRankingLoss(encoder, **named)  # type: ignore[no-any-return]
    return CachedMultipleNegativesRankingLoss(  # type: ignore[no-any-return]
        encoder, mini_batch_size=training.cached_pairs, **named
    )


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
    large = _is_transformer(encoder)
    return RowAdam(groups, fused=large or None)


def _is_transformer(encoder: SentenceTransformer) -> bool:
    return any(isinstance(module, PreTrainedModel) for module in encoder.modules())


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
