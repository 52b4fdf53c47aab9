"""XLM-R base's shape on a GPU: pairs a second, memory, and share of the card's matrix rate.

    python benchmarks/gpu_speed.py [--pairs 256] [--steps 20] [--precision bf16] [--cached 0]

Random weights, queries of 24 tokens, documents of 160, training as the train stage does it. The
matrix rate is measured on the same card: products of two 8192 x 8192 matrices in the precision of
the training. A training step counts as three times its forward pass: two operations a weight and
token in the layers, and the two products of attention. Without a GPU it says so and ends.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import logging
import statistics
import tempfile
import time
from pathlib import Path

import torch
from transformer_speed import SETTINGS, make_xlm_roberta, settings_for, texts

from polybatch.encoders.load import load_encoder
from polybatch.training.contrastive import Plan, train
from polybatch.training.machine import make_deterministic

WARM_UP, WIDTH, SIDE = 3, 768, 8192
LENGTHS = {"query": (24, 0.0, 24), "doc": (160, 0.0, 160)}
KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def matrix_rate(kind: torch.dtype) -> float:
    """Return operations a second of a large matrix product, the best of ten."""
    a, b = (torch.randn(SIDE, SIDE, device="cuda").to(kind) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        torch.cuda.synchronize()
        begun = time.perf_counter()
        a @ b
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begun)
    return 2 * SIDE**3 / best


def operations(pairs: int, layers: int, weights: int) -> float:
    """Return the operations of a training step; `weights`: those of all layers."""
    forward = 0.0
    for *_, length in LENGTHS.values():
        forward += pairs * length * (2 * weights + 4 * layers * length * WIDTH)
    return 3 * forward


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--precision", default="bf16", choices=list(KINDS))
    parser.add_argument("--cached", type=int, default=0)
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        print("gpu_speed: this machine has no GPU that torch can use; nothing was measured")
        return
    logging.disable()
    make_deterministic(0, 8)
    begins: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_xlm_roberta(folder / "encoder")
        lengths = settings_for(folder / "encoder", LENGTHS)
        encoder = load_encoder(lengths)
        layers = encoder[0].model.encoder
        weights = sum(parameter.numel() for parameter in layers.parameters())
        depth = len(layers.layer)
        drawn = texts(encoder, asked.steps + WARM_UP + 1, asked.pairs, LENGTHS)
        plan = Plan("bench", drawn, asked.pairs)
        rate = matrix_rate(KINDS[asked.precision])
        torch.cuda.reset_peak_memory_stats()

        def note(*_: object) -> None:
            torch.cuda.synchronize()
            begins.append(time.perf_counter())

        encoder.register_forward_pre_hook(note)
        settings = dataclasses.replace(
            SETTINGS, precision=asked.precision, cached_pairs=asked.cached
        )
        train(encoder, plan, settings, lengths, 0, folder / "r", folder / "c")
    calls = len(begins) // plan.steps  # two, or with GradCache two for each of its parts
    steps = begins[::calls][WARM_UP:]
    seconds = statistics.median(b - a for a, b in itertools.pairwise(steps))
    share = operations(asked.pairs, depth, weights) / seconds / rate
    print(f"{torch.cuda.get_device_name()}, {asked.precision}, {asked.pairs} pairs a batch")
    print(f"  {asked.pairs / seconds:.0f} pairs/s, {seconds * 1e3:.0f} ms a step")
    print(f"  {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB of GPU memory at most")
    print(f"  {share:.0%} of its matrix rate ({rate / 1e12:.0f} TFLOP/s measured)")


if __name__ == "__main__":
    main()
