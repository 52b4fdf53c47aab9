"""Training that follows a batch plan: InfoNCE over in-batch negatives, resumable, same bytes twice.

The sentence-transformers trainer does the work; here it is fed by the plan in order, given the
optimiser that trains only the rows that occur, and made to write checkpoints that are whole or
ignored. Under torchrun every process takes its slice of the same batch, sees all its negatives,
and only the first one writes. Letters: B pairs a batch, D dimensions.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
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
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch import Tensor
from torch.utils.data import BatchSampler, SequentialSampler
from transformers import PreTrainedModel, PrinterCallback, TrainerCallback

from polybatch.encoders.row_table import (
    RowAdam,
    RowTable,
    average_rows,
    clip_gradients,
    trained_rows,
)
from polybatch.encoders.tokens import TokenCounts, count_tokens, features_of, padding_ids
from polybatch.errors import InputError
from polybatch.files import library_writes, write_json
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.training import TrainingSettings
from polybatch.training.machine import (
    check_machine,
    check_shares,
    from_first_process,
    is_first_process,
    join_processes,
    keep_freed_memory,
    processes,
    wait_for_all,
)

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
        if is_first_process():
            trainer.add_callback(Curves(curves))
        trainer.fingerprint = _fingerprint(encoder, plan, training, lengths, seed)
        newest = last_checkpoint(work, trainer.fingerprint) if is_first_process() else None
        trainer.train(resume_from_checkpoint=from_first_process(newest))
        trainer.accelerator.unwrap_model(encoder, keep_fp32_wrapper=False)
        trained = sum(len(table.chosen) for table in tables)
    encoder.to("cpu")
    if trainer.state.global_step != plan.steps:
        raise RuntimeError(f"{trainer.state.global_step} steps run, {plan.steps} planned")
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    wait_for_all()
    if is_first_process():
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


class _PlanTrainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """The library's trainer, in plan order, with whole checkpoints and sparse clipping."""

    fingerprint = ""
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

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        assert output_dir is not None
        folder = Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(_state(self.model), folder / _STATE)

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        # Weights that two parts share are in the file once, so one of their names is missing.
        found = load_file(Path(checkpoint_path) / _STATE)
        assert found.keys() == _state(self.model).keys()
        self.model.load_state_dict(found, strict=False)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        with library_writes(folder):
            super()._save_checkpoint(model, trial)
        wait_for_all()  # each process writes its generators' state into the folder
        if not is_first_process():
            return
        write_json(folder / _COMPLETE, {"fingerprint": self.fingerprint})
        for older in Path(self.args.output_dir).glob("checkpoint-*"):
            if older != folder:
                shutil.rmtree(older)


def _state(model: torch.nn.Module) -> dict[str, Tensor]:
    """Return the state of a model, what several names share under the first of them."""
    state: dict[str, Tensor] = {}
    seen: set[tuple[int, torch.Size]] = set()
    for name, value in model.state_dict().items():
        place = (value.data_ptr(), value.shape)
        if not value.numel() or place not in seen:
            state[name] = value.contiguous()
            seen.add(place)
    return state


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
        bf16=training.precision == "bf16",
        fp16=training.precision == "fp16",
        dataloader_drop_last=True,
        disable_tqdm=True,  # its bar would print every logged step once more, as a dictionary
        report_to=[],
        seed=seed,
        remove_unused_columns=False,
        use_cpu=not torch.cuda.is_available(),
        ddp_backend=torch.distributed.get_backend() if processes() > 1 else None,
        ddp_broadcast_buffers=False,
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
        callbacks=[_Progress(plan)] if is_first_process() else [],
    )
    trainer.remove_callback(PrinterCallback)
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
