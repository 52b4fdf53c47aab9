"""Seconds a training step: ours beside the stock trainer and beside a plain loop.

    python benchmarks/train_speed.py [--steps 8] [--repeats 3] [--only NAME ...]

The default encoder, 64 pairs a batch, queries of 24 tokens, documents of 160, words drawn as they
fall in texts (Zipf), two threads. All contenders train the same network on the same batches; what
differs is who runs the loop, how the embedding table (96% of the parameters) is updated, and
whether freed memory is kept. Each runs in a process of its own, in turns, so that a busy machine
is busy for all; a step lasts from one call of the encoder on queries to the next.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import sentencepiece
import torch
from sentence_transformers import SentenceTransformer
from stock import train_stock
from torch.nn import functional

from polybatch.encoders.library import as_sentence_transformer
from polybatch.encoders.load import load_encoder
from polybatch.encoders.packaged import resource
from polybatch.encoders.row_table import RowTable
from polybatch.encoders.tokens import token_limit
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.training import TrainingSettings
from polybatch.training.contrastive import Plan, train
from polybatch.training.machine import keep_freed_memory, make_deterministic
from polybatch.training.row_adam import RowAdam, clip_gradients

PAIRS, THREADS, QUERY, DOCUMENT = 64, 2, 24, 160
LENGTHS = EncoderSettings("use-multilingual", "", "as-saved", "", "", QUERY, DOCUMENT, 256, "fp32")
SETTINGS = TrainingSettings("fp32", 2e-4, 2e-3, 0.05, 0.1, 1.0, 10_000, 10, 0, 0)
WARM_UP = 2  # steps that are not counted


class DenseTable(torch.nn.Module):
    """The whole table as one parameter, the way embedding layers usually are."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(table)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return functional.embedding(ids, self.weight)


def texts(steps: int) -> pl.DataFrame:
    """Return a plan's texts; a few tokens longer than their limits, as most real ones are."""
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(resource("sp.model")))
    chance = np.random.default_rng(0)
    words = [pieces.id_to_piece(i).replace("▁", "") or "a" for i in range(3, 100_000)]

    def text(tokens: int) -> str:
        drawn = chance.zipf(1.2, tokens) % len(words)
        return " ".join(words[i] for i in drawn)

    count = steps * PAIRS
    return pl.DataFrame(
        {
            "step": np.repeat(np.arange(steps), PAIRS),
            "slot": np.tile(np.arange(PAIRS), steps),
            "query_text": [text(QUERY) for _ in range(count)],
            "doc_text": [text(DOCUMENT) for _ in range(count)],
        }
    )


def ours(encoder: SentenceTransformer, plan: pl.DataFrame, precision: str = "fp32") -> None:
    folder, settings = Path(tempfile.mkdtemp()), replace(SETTINGS, precision=precision)
    train(encoder, Plan("bench", plan, PAIRS), settings, LENGTHS, 0, folder / "r", folder / "c")


def ours_in_bf16(encoder: SentenceTransformer, plan: pl.DataFrame) -> None:
    ours(encoder, plan, "bf16")


def stock_trainer(encoder: SentenceTransformer, plan: pl.DataFrame) -> None:
    _dense(encoder)
    encoder.max_seq_length = DOCUMENT
    train_stock(encoder, plan, PAIRS, SETTINGS)


def stock_trainer_that_keeps_memory(encoder: SentenceTransformer, plan: pl.DataFrame) -> None:
    keep_freed_memory()
    stock_trainer(encoder, plan)


def loop_dense(encoder: SentenceTransformer, plan: pl.DataFrame) -> None:
    _dense(encoder)
    _loop(encoder, plan, torch.optim.AdamW(encoder.parameters(), lr=2e-4, weight_decay=0.0))


def loop_dense_fused(encoder: SentenceTransformer, plan: pl.DataFrame) -> None:
    keep_freed_memory()
    _dense(encoder)
    _loop(encoder, plan, torch.optim.AdamW(encoder.parameters(), weight_decay=0.0, fused=True))


def loop_compact_fused(encoder: SentenceTransformer, plan: pl.DataFrame) -> None:
    """Only the rows that occur, but dense gradients and fused AdamW with both moments."""
    keep_freed_memory()
    table = encoder[0].embedding
    ids = {i for column in ("query_text", "doc_text") for i in _ids(encoder, plan[column])}
    table.choose(ids)
    places, rows = table.place, table.rows
    table.forward = lambda ids: functional.embedding(places[ids], rows)
    _loop(encoder, plan, torch.optim.AdamW(encoder.parameters(), weight_decay=0.0, fused=True))


def loop_rows(encoder: SentenceTransformer, plan: pl.DataFrame) -> None:
    """What `ours` does, without any trainer around it."""
    keep_freed_memory()
    table: RowTable = encoder[0].embedding
    table.choose({i for column in ("query_text", "doc_text") for i in _ids(encoder, plan[column])})
    _loop(encoder, plan, RowAdam(encoder.parameters(), lr=2e-4))


CONTENDERS: dict[str, Callable[[SentenceTransformer, pl.DataFrame], None]] = {
    "ours": ours,
    "ours, bf16": ours_in_bf16,
    "loop, rows as ours": loop_rows,
    "loop, compact table, fused AdamW": loop_compact_fused,
    "loop, dense AdamW": loop_dense,
    "loop, dense fused AdamW, memory kept": loop_dense_fused,
    "stock trainer, dense AdamW": stock_trainer,
    "stock trainer, dense AdamW, memory kept": stock_trainer_that_keeps_memory,
}


def _dense(encoder: SentenceTransformer) -> None:
    encoder[0].embedding = DenseTable(encoder[0].embedding.table)


def _ids(encoder: SentenceTransformer, column: pl.Series) -> set[int]:
    return {i for ids in encoder[0].tokenizer(column.to_list()) for i in ids}


def _loop(
    encoder: SentenceTransformer, plan: pl.DataFrame, optimizer: torch.optim.Optimizer
) -> None:
    for batch in plan.partition_by("step"):
        vectors = []
        for column, length in (("query_text", QUERY), ("doc_text", DOCUMENT)):
            with token_limit(encoder, length):
                features = encoder.preprocess(batch[column].to_list())
            vectors.append(encoder(features)["sentence_embedding"])
        scores = vectors[0] @ vectors[1].T / SETTINGS.temperature
        functional.cross_entropy(scores, torch.arange(PAIRS)).backward()
        clip_gradients(encoder.parameters(), SETTINGS.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()


def run(name: str, steps: int) -> float:
    """Return the median seconds of a step of one contender."""
    logging.disable()
    make_deterministic(0, THREADS)
    encoder = as_sentence_transformer(load_encoder(LENGTHS))
    calls: list[float] = []
    encoder.register_forward_pre_hook(lambda *_: calls.append(time.perf_counter()))
    CONTENDERS[name](encoder, texts(steps + WARM_UP + 1))
    begins = calls[::2][WARM_UP:]
    return statistics.median(b - a for a, b in itertools.pairwise(begins))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS), choices=list(CONTENDERS))
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in arguments.only}
    for _ in range(arguments.repeats):
        for name, found in seconds.items():
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found.append(pool.apply(run, (name, arguments.steps)))
    first = statistics.median(next(iter(seconds.values())))
    print(f"{'seconds a step, median':45}{'s':>7}  times {arguments.only[0]}   (each repeat)")
    for name, found in seconds.items():
        middle = statistics.median(found)
        each = " ".join(f"{value:.2f}" for value in found)
        print(f"{name:45}{middle:7.2f}  {middle / first:5.2f}   ({each})")


if __name__ == "__main__":
    main()
