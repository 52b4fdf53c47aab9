"""Trainings that go on where they were: checkpoints that are whole or ignored, to the same bytes.

A base for transformers' trainers, whatever the loss. A checkpoint belongs to one training: its
fingerprint holds the settings, the texts in their order, the weights at the start, the number of
its stage and what of the machine decides bytes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PrinterCallback, TrainerCallback

from polybatch.core.files import library_writes, write_json
from polybatch.training.callbacks import Curves, LastPoint
from polybatch.training.machine import (
    device,
    from_first_process,
    is_first_process,
    processes,
    wait_for_all,
)

log = logging.getLogger(__name__)

_COMPLETE, _STATE = "complete.json", "state.safetensors"


class Course(Protocol):
    """What `training` and `dapt` of params.yaml both say of how weights move."""

    @property
    def learning_rate(self) -> float: ...  # noqa: D102
    @property
    def warmup_share(self) -> float: ...  # noqa: D102
    @property
    def max_grad_norm(self) -> float: ...  # noqa: D102
    @property
    def precision(self) -> str: ...  # noqa: D102
    @property
    def checkpoint_every(self) -> int: ...  # noqa: D102
    @property
    def log_every(self) -> int: ...  # noqa: D102


def arguments_of(course: Course, steps: int, seed: int, work: Path) -> dict[str, Any]:
    """Return what `TrainingArguments` is given in every training; `work` keeps checkpoints.

    Example:
        >>> from polybatch.settings.training import TrainingSettings
        >>> course = TrainingSettings("fp32", 2e-4, 2e-3, 0.05, 0.1, 1.0, 40, 10, 0, 0)
        >>> arguments_of(course, 85, 0, Path("work"))["warmup_steps"]  # a tenth, rounded up
        9
    """
    return {
        "output_dir": str(work),
        "max_steps": steps,
        "learning_rate": course.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": math.ceil(course.warmup_share * steps),
        "max_grad_norm": course.max_grad_norm,
        "weight_decay": 0.0,
        "save_strategy": "steps",
        "save_steps": course.checkpoint_every,
        "logging_steps": course.log_every,
        "logging_nan_inf_filter": False,
        "bf16": course.precision == "bf16",
        "fp16": course.precision == "fp16",
        "disable_tqdm": True,  # its bar would print every logged step once more, as a dictionary
        "report_to": [],
        "seed": seed,
        "remove_unused_columns": False,
        "use_cpu": not torch.cuda.is_available(),
        "ddp_backend": torch.distributed.get_backend() if processes() > 1 else None,
        "ddp_broadcast_buffers": False,
    }


class Resumable:
    """Mix-in before a transformers Trainer: `run` trains to the end, from the last checkpoint."""

    fingerprint = ""
    model: Any
    args: Any
    state: Any

    def __init__(self, *, args: Any, **named: Any) -> None:
        # More GPUs are for torchrun: in one process the library would make batches of several steps
        args._n_gpu = min(args.n_gpu, 1)
        super().__init__(args=args, **named)  # type: ignore[call-arg]

    def run(self, steps: int, curves: Path, progress: TrainerCallback) -> list[float]:
        """Train all `steps` and return the logged losses; checkpoints are removed at the end.

        `curves` gets DVCLive's log. What was saved is kept where a loss is not finite.

        Raises:
            RuntimeError: another number of steps was run than planned.
        """
        trainer: Any = self
        work = Path(self.args.output_dir)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(LastPoint())
        newest = None
        if is_first_process():
            trainer.add_callback(progress)
            trainer.add_callback(Curves(curves))
            newest = last_checkpoint(work, self.fingerprint)
        trainer.train(resume_from_checkpoint=from_first_process(newest))
        trainer.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        if self.state.global_step != steps:
            raise RuntimeError(f"{self.state.global_step} steps run, {steps} planned")
        wait_for_all()
        if is_first_process():
            shutil.rmtree(work, ignore_errors=True)
        return [entry["loss"] for entry in self.state.log_history if "loss" in entry]

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        assert output_dir is not None
        folder = Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(state_of(self.model), folder / _STATE)

    def _load_from_checkpoint(self, checkpoint_path: str, model: Any = None) -> None:
        # Weights that two parts share are in the file once, so one of their names is missing.
        found = load_file(Path(checkpoint_path) / _STATE)
        assert found.keys() == state_of(self.model).keys()
        self.model.load_state_dict(found, strict=False)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        with library_writes(folder):
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
        wait_for_all()  # each process writes its generators' state into the folder
        if not is_first_process():
            return
        write_json(folder / _COMPLETE, {"fingerprint": self.fingerprint})
        for older in Path(self.args.output_dir).glob("checkpoint-*"):
            if older != folder:
                shutil.rmtree(older)


def last_checkpoint(work: Path, fingerprint: str) -> str | None:
    """Return the newest whole checkpoint of this very training; remove all others.

    Example:
        >>> import tempfile
        >>> work = Path(tempfile.mkdtemp())
        >>> write_json(work / "checkpoint-40" / "complete.json", {"fingerprint": "mine"})
        >>> (work / "checkpoint-80").mkdir()
        >>> last_checkpoint(work, "mine") == str(work / "checkpoint-40"), len(list(work.iterdir()))
        (True, 1)
    """
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


def fingerprint_of(settings: object, texts: Iterable[str], module: nn.Module) -> str:
    """Return the digest of all that decides a training: settings, texts in order, weights, machine.

    A machine is its device, threads and processes, and torch's version.

    Example:
        >>> orders = ["a", "b"], ["b", "a"]
        >>> len({fingerprint_of("settings", texts, nn.Identity()) for texts in orders})
        2
    """
    machine = (torch.__version__, device(), torch.get_num_threads(), processes())
    digest = hashlib.sha256(repr((settings, machine)).encode())
    for text in texts:
        digest.update(text.encode() + b"\0")
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the state of a model, what several names share under the first of them.

    Example:
        >>> one, other = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        >>> other.weight = one.weight
        >>> list(state_of(nn.Sequential(one, other)))
        ['0.weight']
    """
    state: dict[str, Tensor] = {}
    seen: set[tuple[int, torch.Size]] = set()
    for name, value in model.state_dict().items():
        place = (value.data_ptr(), value.shape)
        if not value.numel() or place not in seen:
            state[name] = value.contiguous()
            seen.add(place)
    return state
