"""Training that follows a batch plan: InfoNCE over in-batch negatives, resumable, same bytes twice.

The sentence-transformers trainer does the work; here it is fed by the plan in order, given the
optimiser that trains only the rows that occur, and made to write checkpoints that are whole or
ignored. Letters: B pairs a batch, D dimensions.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import torch
from dvclive import Live
from safetensors.torch import load_file, save_file
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch import Tensor
from torch.utils.data import BatchSampler, SequentialSampler
from transformers import PrinterCallback, TrainerCallback

from polybatch.encoders import token_limit
from polybatch.errors import InputError
from polybatch.files import library_writes, write_json
from polybatch.machine import keep_freed_memory
from polybatch.rows import RowAdam, RowTable, clip_gradients
from polybatch.settings import EncoderSettings, TrainingSettings

log = logging.getLogger(__name__)

_COMPLETE, _STATE = "complete.json", "state.safetensors"


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
    InputError when the loss is not finite.
    """
    keep_freed_memory()
    tokens = _Tokens(encoder, lengths)
    summary = _budget(plan, tokens)
    if not plan.steps:
        return summary
    tables = [module for module in encoder.modules() if isinstance(module, RowTable)]
    for table in tables:
        table.choose(tokens.seen)
    trainer = _trainer(encoder, plan, training, tokens, seed, work)
    trainer.add_callback(Curves(curves))
    fingerprint = _fingerprint(encoder, plan, training, lengths, seed)
    trainer.fingerprint = fingerprint
    trainer.train(resume_from_checkpoint=last_checkpoint(work, fingerprint))
    if trainer.state.global_step != plan.steps:
        raise RuntimeError(f"{trainer.state.global_step} steps run, {plan.steps} planned")
    trained = sum(len(table.chosen) for table in tables)
    for table in tables:
        table.merge()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    shutil.rmtree(work, ignore_errors=True)
    ends = {"first_loss": losses[0], "last_loss": losses[-1], "trained_rows": trained}
    return TrainingSummary(**(asdict(summary) | ends))


def last_checkpoint(work: Path, fingerprint: str) -> str | None:
    """Return the newest whole checkpoint of this very training; remove all others."""
    whole = []
    for folder in work.glob("checkpoint-*"):
        marker = folder / _COMPLETE
        if marker.is_file() and json.loads(marker.read_text())["fingerprint"] == fingerprint:
            whole.append(folder)
        else:
            shutil.rmtree(folder)
    newest = max(whole, key=lambda folder: int(folder.name.split("-")[1]), default=None)
    if newest:
        log.info("resuming from %s", newest.name)
    return str(newest) if newest else None


class _Tokens:
    """Token features of texts, cut to their lengths; counts what it sees."""

    def __init__(self, encoder: SentenceTransformer, lengths: EncoderSettings) -> None:
        self.encoder = encoder
        self.lengths = {"query": lengths.query_length, "doc": lengths.document_length}
        self.seen: set[int] = set()

    def features(self, texts: Sequence[str], side: str) -> dict[str, Tensor]:
        """Return the encoder's features of `texts`, (B, longest)."""
        with token_limit(self.encoder, self.lengths[side]):
            features: dict[str, Tensor] = self.encoder.preprocess(list(texts))
        return features

    def count(self, texts: Sequence[str], side: str) -> dict[str, tuple[int, bool]]:
        """Return (tokens, whether cut) of each distinct text, and remember the token ids."""
        counted = {}
        distinct = sorted(set(texts))
        for start in range(0, len(distinct), 1024):
            some = distinct[start : start + 1024]
            features = self.features(some, side)
            mask = features["attention_mask"].bool()
            self.seen.update(features["input_ids"][mask].tolist())
            counts = mask.sum(dim=1).tolist()
            cut = self._cut(
                [text for text, n in zip(some, counts, strict=True) if n == self.lengths[side]],
                side,
            )
            counted.update({text: (n, text in cut) for text, n in zip(some, counts, strict=True)})
        return counted

    def _cut(self, full: list[str], side: str) -> set[str]:
        """Return those of texts that fill their length which one more token would lengthen."""
        if not full:
            return set()
        with token_limit(self.encoder, self.lengths[side] + 1):
            counts = self.encoder.preprocess(full)["attention_mask"].sum(dim=1).tolist()
        return {text for text, n in zip(full, counts, strict=True) if n > self.lengths[side]}

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


class _PlanTrainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """The library's trainer, in plan order, with whole checkpoints and sparse clipping."""

    fingerprint = ""

    def add_model_card_callback(self, default_args_dict: Any) -> None:
        """Write no model card: it would run the encoder on examples and hold the date."""

    def get_batch_sampler(
        self, dataset: Any, batch_size: int, drop_last: bool, **_: Any
    ) -> BatchSampler:
        """Return batches in the order of the plan's rows."""
        return BatchSampler(SequentialSampler(dataset), batch_size, drop_last)

    def _clip_grad_norm(self, model: torch.nn.Module) -> Tensor:
        return clip_gradients(model.parameters(), self.args.max_grad_norm)

    def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **named: Any) -> Any:
        """Return the loss; InputError with step and first tokens when it is not finite."""
        loss = super().compute_loss(model, inputs, *arguments, **named)
        value = loss[0] if isinstance(loss, tuple) else loss
        if not torch.isfinite(value):
            step = self.state.global_step
            rows = self.train_dataset[step * self.args.train_batch_size]
            raise InputError(
                f"training, step {step}",
                f"the loss {float(value)}",
                "a finite loss",
                f"Lower training.learning_rate, or look at the batch's rows; its first: {rows}",
            )
        return loss

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        assert output_dir is not None
        folder = Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in self.model.state_dict().items()}
        save_file(state, folder / _STATE)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        self.model.load_state_dict(load_file(Path(checkpoint_path) / _STATE))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        with library_writes(folder):
            super()._save_checkpoint(model, trial)
        write_json(folder / _COMPLETE, {"fingerprint": self.fingerprint})
        for older in Path(self.args.output_dir).glob("checkpoint-*"):
            if older != folder:
                shutil.rmtree(older)


class Curves(TrainerCallback):  # type: ignore[misc]
    """DVCLive's log; begun anew from the trainer's history when a training is resumed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write what an interrupted training had logged up to its checkpoint."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.live = Live(str(self.folder), save_dvc_exp=False, report=None, dvcyaml=None)
        for entry in state.log_history:
            self._write(entry)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Write one more point of each curve."""
        self._write({**logs, "step": state.global_step})

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for a point at the last step, where the trainer by itself has none."""
        if state.global_step >= state.max_steps:
            control.should_log = True

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the log."""
        self.live.end()

    def _write(self, entry: dict[str, Any]) -> None:
        if "loss" in entry:
            self.live.step = entry["step"]
            for name in ("loss", "learning_rate"):
                self.live.log_metric(name, entry[name])
            self.live.make_summary()


class _Progress(TrainerCallback):  # type: ignore[misc]
    """Log lines with rate and chance level."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.begun, self.from_step = plan, time.monotonic(), 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note where and when this run of the training began."""
        self.begun, self.from_step = time.monotonic(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Say step, loss, chance level and rate."""
        if logs and "loss" in logs:
            pairs = (state.global_step - self.from_step) * self.plan.batch_pairs
            rate = pairs / max(time.monotonic() - self.begun, 1e-9)
            log.info(
                "train %s: step %d/%d, loss %.3f (chance %.2f), %.0f pairs/s",
                self.plan.name,
                state.global_step,
                self.plan.steps,
                logs["loss"],
                math.log(self.plan.batch_pairs),
                rate,
            )


def _trainer(
    encoder: SentenceTransformer,
    plan: Plan,
    training: TrainingSettings,
    tokens: _Tokens,
    seed: int,
    work: Path,
) -> _PlanTrainer:
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(work),
        per_device_train_batch_size=plan.batch_pairs,
        max_steps=plan.steps,
        learning_rate=training.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(training.warmup_share * plan.steps),
        max_grad_norm=training.max_grad_norm,
        weight_decay=0.0,
        save_strategy="steps",
        save_steps=training.checkpoint_every,
        logging_steps=training.log_every,
        logging_nan_inf_filter=False,
        dataloader_drop_last=True,
        disable_tqdm=not sys.stderr.isatty(),
        report_to=[],
        seed=seed,
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
    )
    rows = plan.texts.select("query_text", "doc_text")
    trainer = _PlanTrainer(
        model=encoder,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict(rows.to_dict(as_series=False)),
        data_collator=_Collator(tokens),
        loss=MultipleNegativesRankingLoss(encoder, scale=1 / training.temperature),
        optimizers=(_optimizer(encoder, training), None),
        callbacks=[_Progress(plan)],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _optimizer(encoder: SentenceTransformer, training: TrainingSettings) -> RowAdam:
    rows = [module.rows for module in encoder.modules() if isinstance(module, RowTable)]
    names = {id(parameter) for parameter in rows}
    dense = [each for each in encoder.parameters() if id(each) not in names]
    groups = [{"params": dense, "lr": training.learning_rate}]
    if rows:
        groups.append({"params": rows, "lr": training.rows_learning_rate})
    return RowAdam(groups)


def _budget(plan: Plan, tokens: _Tokens) -> TrainingSummary:
    counts = {
        side: tokens.count(plan.texts[f"{side}_text"].to_list(), side) for side in ("query", "doc")
    }
    spent = {
        side: [counts[side][text] for text in plan.texts[f"{side}_text"]]
        for side in ("query", "doc")
    }
    return TrainingSummary(
        steps=plan.steps,
        pairs=plan.texts.height,
        distinct_pairs=plan.texts.select("query_text", "doc_text").n_unique(),
        query_tokens=sum(n for n, _ in spent["query"]),
        document_tokens=sum(n for n, _ in spent["doc"]),
        truncated_queries=sum(cut for _, cut in spent["query"]),
        truncated_documents=sum(cut for _, cut in spent["doc"]),
        trained_rows=0,
        first_loss=None,
        last_loss=None,
    )


def _fingerprint(
    encoder: SentenceTransformer,
    plan: Plan,
    training: TrainingSettings,
    lengths: EncoderSettings,
    seed: int,
) -> str:
    digest = hashlib.sha256()
    digest.update(repr((plan.batch_pairs, training, lengths, seed)).encode())
    for column in plan.texts.columns:
        digest.update(plan.texts[column].cast(pl.String).str.join("\0").item().encode())
    for name, value in sorted(encoder.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
