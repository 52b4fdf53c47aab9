"""The transformers trainer in the order of a plan: whole checkpoints, same bytes, resumable.

For objectives that are a module of their own (mlm, tsdae): its `forward` returns the mean loss of
a batch that a function makes of the step's number.

Several processes (torchrun) take a share of each batch. Their gradients are averaged, so a
share's mean is weighted by how many of the batch's losses it holds: the sum is that of one process.
"""

from __future__ import annotations

import hashlib
import logging
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model, save_model
from torch import nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from polybatch.adaptation.crop import not_finite
from polybatch.adaptation.job import Job
from polybatch.batches.pairs import Int64
from polybatch.files import write_json
from polybatch.settings.adaptation import AdaptationSettings
from polybatch.training.contrastive import Curves, last_checkpoint
from polybatch.training.machine import (
    from_first_process,
    is_first_process,
    keep_freed_memory,
    processes,
    wait_for_all,
)

log = logging.getLogger(__name__)

_STATE, _COMPLETE = "state.safetensors", "complete.json"
Batch = dict[str, Any]


@dataclass(frozen=True)
class Steps:
    """What is trained on: `batch(step, slots)` makes a step's batch, or the part in some slots.

    `plan`: (S, B). `texts`: all that decides the batches beside settings and seed. `losses(batch)`:
    how many losses the batch's mean is over. `names(step)` tells its texts.
    """

    plan: Int64
    texts: Sequence[str]
    batch: Callable[[int, range], Batch]
    losses: Callable[[Batch], int]
    names: Callable[[int], list[str]]


def follow(job: Job, module: nn.Module, steps: Steps) -> tuple[float, float]:
    """Train `module` in place along `steps`; return the first and the last mean loss.

    InputError with the step and its texts when a loss is not finite; what was saved is kept.
    """
    keep_freed_memory()
    trainer = _StepTrainer(
        model=module,
        args=_arguments(job),
        train_dataset=_Numbers(len(steps.plan) * processes()),
        data_collator=lambda numbers: _share(steps, numbers[0]),
        optimizers=(torch.optim.Adam(module.parameters(), job.settings.learning_rate), None),
        callbacks=[_Progress(job.settings)] if is_first_process() else [],
    )
    trainer.remove_callback(PrinterCallback)
    if is_first_process():
        trainer.add_callback(Curves(job.curves))
    trainer.names = steps.names
    trainer.fingerprint = _fingerprint(job, module, steps)
    newest = last_checkpoint(job.work, trainer.fingerprint) if is_first_process() else None
    trainer.train(resume_from_checkpoint=from_first_process(newest))
    trainer.accelerator.unwrap_model(module, keep_fp32_wrapper=False)
    if trainer.state.global_step != len(steps.plan):
        raise RuntimeError(f"{trainer.state.global_step} steps run, {len(steps.plan)} planned")
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    wait_for_all()
    if is_first_process():
        shutil.rmtree(job.work, ignore_errors=True)
    return losses[0], losses[-1]


def _share(steps: Steps, number: int) -> Batch:
    """Return one process's share of a step, with its weight in the mean over processes."""
    (step, share), size = divmod(number, processes()), steps.plan.shape[1]
    if processes() == 1:
        return {"weight": 1.0, **steps.batch(step, range(size))}
    mine = size // processes()
    batch = steps.batch(step, range(share * mine, (share + 1) * mine))
    whole = steps.losses(steps.batch(step, range(size)))
    return {"weight": processes() * steps.losses(batch) / max(whole, 1), **batch}


class _Numbers(Dataset[int]):
    """Numbers that stand for a process's share of a step; the collator makes a batch of each."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, number: int) -> int:
        return number


class _StepTrainer(Trainer):  # type: ignore[misc]
    """The library's trainer in the order of the steps, with whole checkpoints."""

    fingerprint = ""
    names: Callable[[int], list[str]]

    def _get_train_sampler(self, *_: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)

    def compute_loss(self, model: Any, inputs: Batch, *_: Any, **__: Any) -> Any:
        """Return the loss; InputError with step and texts when it is not finite."""
        weight = inputs.pop("weight")
        loss = model(**inputs) * weight
        if not torch.isfinite(loss):
            step = self.state.global_step
            raise not_finite(step, f"the loss {float(loss.detach())}", self.names(step))
        return loss

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        assert output_dir is not None
        folder = Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_model(self.model, str(folder / _STATE))  # keeps tied weights tied

    def _load_from_checkpoint(self, checkpoint_path: str, model: Any = None) -> None:
        load_model(self.model, str(Path(checkpoint_path) / _STATE))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        wait_for_all()  # each process writes its generators' state into the folder
        if not is_first_process():
            return
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        write_json(folder / _COMPLETE, {"fingerprint": self.fingerprint})
        for older in Path(self.args.output_dir).glob("checkpoint-*"):
            if older != folder:
                shutil.rmtree(older)


class _Progress(TrainerCallback):  # type: ignore[misc]
    """Log lines with the rate."""

    def __init__(self, settings: AdaptationSettings) -> None:
        self.settings, self.begun, self.from_step = settings, time.monotonic(), 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note where and when this run of the training began."""
        self.begun, self.from_step = time.monotonic(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Say step, loss and rate."""
        if logs and "loss" in logs:
            texts = (state.global_step - self.from_step) * self.settings.batch_texts
            log.info(
                "dapt, %s: step %d/%d, loss %.3f, %.0f texts/s",
                self.settings.objective,
                state.global_step,
                self.settings.steps,
                logs["loss"],
                texts / max(time.monotonic() - self.begun, 1e-9),
            )


def _arguments(job: Job) -> TrainingArguments:
    settings = job.settings
    return TrainingArguments(
        output_dir=str(job.work),
        per_device_train_batch_size=1,  # a row of the dataset is a whole step
        max_steps=settings.steps,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(settings.warmup_share * settings.steps),
        max_grad_norm=settings.max_grad_norm,
        weight_decay=0.0,
        save_strategy="steps",
        save_steps=settings.checkpoint_every,
        logging_steps=settings.log_every,
        logging_nan_inf_filter=False,
        bf16=settings.precision == "bf16",
        fp16=settings.precision == "fp16",
        disable_tqdm=True,  # its bar would print every logged step once more, as a dictionary
        report_to=[],
        seed=job.seed,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        use_cpu=not torch.cuda.is_available(),
        ddp_backend=torch.distributed.get_backend() if processes() > 1 else None,
        ddp_broadcast_buffers=False,
    )


def _fingerprint(job: Job, module: nn.Module, steps: Steps) -> str:
    digest = hashlib.sha256()
    digest.update(repr((job.settings, job.lengths, job.seed, steps.plan.tolist())).encode())
    digest.update("\0".join(steps.texts).encode())
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
