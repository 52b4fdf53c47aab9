"""Train a strategy with a seed: follow data/batches/<strategy>/<seed> to models/<strategy>/<seed>.

What it starts from stands in data/starts/<strategy>/<seed>.json.

`torchrun --nproc-per-node N -m stages.train --strategy NAME` shares every batch among N processes.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict
from pathlib import Path

import polars as pl

from polybatch.core.files import whole_folder, write_json
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.settings.config import Config
from polybatch.settings.study import Trial
from polybatch.training.contrastive import Plan, train
from polybatch.training.machine import (
    is_first_process,
    join_processes,
    leave_processes,
    make_deterministic,
    processes,
)
from polybatch.versions.record import VERSIONS, read_versions

from .common import BATCHES, MODELS, RESULTS, STARTS, log, run_trial


def train_strategy(config: Config, trial: Trial) -> str:
    """Follow the plan of the trial and write its checkpoint, loss curve and budget."""
    join_processes()
    if not is_first_process():
        log.setLevel(logging.WARNING)
    make_deterministic(trial.seed, config.study.threads)
    begun = time.monotonic()
    encoder = open_checkpoint(_start(trial))
    texts = pl.read_parquet(BATCHES / trial.path / "texts.parquet")
    plan = Plan(trial.strategy, texts, config.batches.batch_pairs)
    resume = MODELS / ".resume" / str(trial)
    log_folder = RESULTS / "training" / trial.path
    settings = config.training_of(trial.strategy)
    places = (resume, log_folder, read_versions(VERSIONS).numbers["train"])
    summary = train(encoder, plan, settings, config.encoder, trial.seed, *places)
    if is_first_process():
        write_json(log_folder / "summary.json", asdict(summary))
        with whole_folder(MODELS / trial.path) as folder:
            save_checkpoint(encoder, folder)
    together = f", {processes()} processes" if processes() > 1 else ""
    leave_processes()
    seconds = time.monotonic() - begun
    return f"{summary.steps} steps, {summary.pairs:,} pairs, {seconds:.0f} s{together}"


def _start(trial: Trial) -> Path:
    start = json.loads((STARTS / f"{trial.path}.json").read_text(encoding="utf-8"))
    return Path(start["checkpoint"])


if __name__ == "__main__":
    run_trial("train", train_strategy)
