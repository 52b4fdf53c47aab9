"""Train one strategy: follow data/batches/<strategy> from where it starts to models/<strategy>.

`torchrun --nproc-per-node N -m stages.train --strategy NAME` shares every batch among N processes.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict

import polars as pl

from polybatch.config import Config
from polybatch.encoders import open_checkpoint, save_checkpoint
from polybatch.files import whole_folder, write_json
from polybatch.machine import (
    is_first_process,
    join_processes,
    leave_processes,
    make_deterministic,
    processes,
)
from polybatch.training import Plan, train
from stages.common import BATCHES, MODELS, RESULTS, START, known, log, run


def train_strategy(config: Config, key: str) -> str:
    """Follow the plan of the strategy `key` and write its checkpoint, loss curve and budget."""
    known(dict(config.strategies), key, "strategy")
    join_processes()
    if not is_first_process():
        log.setLevel(logging.WARNING)
    make_deterministic(config.study.seed, config.study.threads)
    begun = time.monotonic()
    encoder = open_checkpoint(START / config.strategies[key].start)
    texts = pl.read_parquet(BATCHES / key / "texts.parquet")
    plan = Plan(key, texts, config.batches.batch_pairs)
    resume = MODELS / ".resume" / key
    log_folder = RESULTS / "training" / key
    summary = train(
        encoder, plan, config.training, config.encoder, config.study.seed, resume, log_folder
    )
    if is_first_process():
        write_json(log_folder / "summary.json", asdict(summary))
        with whole_folder(MODELS / key) as folder:
            save_checkpoint(encoder, folder)
    together = f", {processes()} processes" if processes() > 1 else ""
    leave_processes()
    seconds = time.monotonic() - begun
    return f"{summary.steps} steps, {summary.pairs} pairs, {seconds:.0f} s{together}"


if __name__ == "__main__":
    run("train", train_strategy, "strategy")
