"""Train one strategy: follow data/batches/<strategy> from where it starts to models/<strategy>."""

from __future__ import annotations

import time
from dataclasses import asdict

import polars as pl

from polybatch.config import Config
from polybatch.encoders import open_checkpoint, save_checkpoint
from polybatch.files import whole_folder, write_json
from polybatch.machine import make_deterministic
from polybatch.training import Plan, train
from stages.common import BATCHES, MODELS, RESULTS, START, known, run


def train_strategy(config: Config, key: str) -> str:
    """Follow the plan of the strategy `key` and write its checkpoint, loss curve and budget."""
    known(dict(config.strategies), key, "strategy")
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
    write_json(log_folder / "summary.json", asdict(summary))
    with whole_folder(MODELS / key) as folder:
        save_checkpoint(encoder, folder)
    return f"{summary.steps} steps, {summary.pairs} pairs, {time.monotonic() - begun:.0f} s"


if __name__ == "__main__":
    run("train", train_strategy, "strategy")
