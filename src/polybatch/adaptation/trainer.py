"""The transformers trainer in the order of a plan: whole checkpoints, same bytes, resumable.

For objectives that are a module of their own (mlm, tsdae): its `forward` returns the mean loss of
a batch that a function makes of the step's number.

Several processes (torchrun) take a share of each batch. Their gradients are averaged, so a
share's mean is weighted by how many of the batch's losses it holds: the sum is that of one process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import Trainer, TrainingArguments

from polybatch.adaptation.crop import not_finite
from polybatch.adaptation.job import Job
from polybatch.batches.pairs import Int64
from polybatch.training.callbacks import Progress
from polybatch.training.machine import processes
from polybatch.training.resume import Resumable, arguments_of, fingerprint_of

Batch = dict[str, Any]


@dataclass(frozen=True)
class Steps:
    """What is trained on: `batch(step, slots)` makes a step's batch, or the part in some slots.

    `plan`: (S, B). `texts`: all that decides the batches beside settings and seed. `losses(batch)`:
    how many losses the batch's mean is over. `names(step)`: its texts, for messages.
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
    settings = job.settings
    trainer = _StepTrainer(
        model=module,
        args=TrainingArguments(
            **arguments_of(settings, settings.steps, job.seed, job.work),
            per_device_train_batch_size=1,  # a row of the dataset is a whole step
            dataloader_pin_memory=False,
        ),
        train_dataset=_Numbers(len(steps.plan) * processes()),
        data_collator=lambda numbers: _share(steps, numbers[0]),
        optimizers=(torch.optim.Adam(module.parameters(), settings.learning_rate), None),
    )
    trainer.names = steps.names
    decides = (settings, job.lengths, job.seed, job.version, steps.plan.tolist())
    trainer.fingerprint = fingerprint_of(decides, steps.texts, module)
    title = f"dapt, {settings.objective}"
    progress = Progress(title, "texts", settings.batch_texts, contrastive=False)
    losses = trainer.run(len(steps.plan), job.curves, progress)
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


class _StepTrainer(Resumable, Trainer):  # type: ignore[misc]
    """The library's trainer in the order of the steps, with whole checkpoints."""

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
