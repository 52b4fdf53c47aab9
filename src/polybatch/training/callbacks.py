"""What a training writes while it runs: DVCLive's curves, and log lines with the rate."""

from __future__ import annotations

import logging
import math
import shutil
import time
from pathlib import Path
from typing import Any

from dvclive import Live
from transformers import TrainerCallback

log = logging.getLogger(__name__)


class _Live(Live):  # type: ignore[misc]
    """DVCLive's files alone: the repository, which may be without a commit, is never opened."""

    def _init_dvc(self) -> None:
        self._dvc_file = self._init_dvc_file()


class LastPoint(TrainerCallback):  # type: ignore[misc]
    """Asks for a point at the last step, where the trainer by itself has none.

    Every process needs it: the loss of a point is gathered from all of them.
    """

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for it."""
        if state.global_step >= state.max_steps:
            control.should_log = True


class Curves(TrainerCallback):  # type: ignore[misc]
    """DVCLive's log; begun anew from the trainer's history when a training is resumed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write what an interrupted training had logged up to its checkpoint."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.live = _Live(str(self.folder), save_dvc_exp=False, report=None, dvcyaml=None)
        for entry in state.log_history:
            self._write(entry)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Write one more point of each curve."""
        self._write({**logs, "step": state.global_step})

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the log."""
        self.live.end()

    def _write(self, entry: dict[str, Any]) -> None:
        if "loss" in entry:
            self.live.step = entry["step"]
            for name in ("loss", "learning_rate"):
                self.live.log_metric(name, entry[name])
            self.live.make_summary()


class Progress(TrainerCallback):  # type: ignore[misc]
    """Log lines: step, loss, and how many of `unit` a second (`batch` of them a step).

    `contrastive`: the loss is over the batch's own examples, so its chance level is log(batch).
    """

    def __init__(self, title: str, unit: str, batch: int, contrastive: bool) -> None:
        self.title, self.unit, self.batch = title, unit, batch
        self.chance = f" (chance {math.log(batch):.2f})" if contrastive else ""
        self.begun, self.from_step = time.monotonic(), 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note where and when this run of the training began."""
        self.begun, self.from_step = time.monotonic(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Log step, loss, chance level and rate."""
        if logs and "loss" in logs:
            done = (state.global_step - self.from_step) * self.batch
            log.info(
                "%s: step %d/%d, loss %.3f%s, %.0f %s/s",
                *(self.title, state.global_step, state.max_steps, logs["loss"], self.chance),
                *(done / max(time.monotonic() - self.begun, 1e-9), self.unit),
            )
