"""What the proof's tiny study does not run: published sources' parsers, objectives, precisions.

Each fixture is a small input and what comes of it: digests of tables, or numbers of weights and
vectors, held to the same record and tolerance as the study's outputs. It belongs to a stage, whose
version goes up where the fixture gives something else.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

Numbers = Callable[[Any], list[float]]
WORDS = [f"word{i}" for i in range(300)]


@dataclass(frozen=True)
class Fixture:
    """`make(folder)` returns digests by name, or arrays by name, of which numbers are recorded."""

    stage: str
    make: Callable[[Path], dict[str, Any]]


def fixtures(numbers: Numbers) -> dict[str, dict[str, Any]]:
    """Run all and return, a stage, what each fixture gives."""
    found: dict[str, dict[str, Any]] = {}
    for name, fixture in FIXTURES().items():
        with tempfile.TemporaryDirectory() as folder:
            found.setdefault(fixture.stage, {})[name] = outcome(fixture, Path(folder), numbers)
    return found


def outcome(fixture: Fixture, folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Run one in an empty folder: digests of tables, or numbers of arrays, by name."""
    values = fixture.make(folder)
    if all(isinstance(value, str) for value in values.values()):
        return values
    return {key: numbers(value) for key, value in values.items()}


def _parsers() -> Iterator[tuple[str, Fixture]]:
    """Yield a fixture a reader of the fuzz: small good files of every source."""
    from tests.helpers.fuzz_readers import READERS

    for name, reader in READERS.items():
        if name not in ("parquet", "params.yaml", "checkpoint"):

            def parsed(folder: Path, reader: Any = reader) -> dict[str, Any]:
                place = folder / "files"
                for path, content in reader.files().items():
                    (place / path).parent.mkdir(parents=True, exist_ok=True)
                    (place / path).write_bytes(content)
                return dict(_digests(reader.read(place)))

            yield f"parser {name}", Fixture("validate", parsed)


def _digests(value: Any, name: str = "parsed") -> Iterator[tuple[str, str]]:
    """Yield the digest of every table of what a source returns."""
    if isinstance(value, pl.DataFrame):
        yield name, hashlib.sha256(repr((value.schema, value.rows())).encode()).hexdigest()[:16]
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _digests(getattr(value, field.name), f"{name}.{field.name}")
    elif isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in items:
            yield from _digests(one, f"{name}.{key}")


def _pairs(steps: int, pairs: int) -> pl.DataFrame:
    chance, rows = random.Random(0), []
    for number in range(steps * pairs):
        asked = chance.sample(WORDS, 3)
        answer = [*asked, *chance.sample(WORDS, 6)]
        rows.append((number // pairs, number % pairs, " ".join(asked), " ".join(answer)))
    columns = ["step", "slot", "query_text", "doc_text"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def _encoder(kind: str, folder: Path) -> tuple[Any, Any]:
    """Return an untrained encoder and its settings: the packaged one, or a tiny transformer."""
    from polybatch.encoders.load import load_encoder
    from polybatch.training.machine import make_deterministic
    from tests.helpers.small_encoders import labse, settings_for, xlm_roberta

    make_deterministic(0, 1)
    if kind == "use-multilingual":
        lengths = settings_for("use-multilingual", query_prompt="q: ")
    elif kind == "xlm-roberta":
        lengths = settings_for(xlm_roberta(folder / "hub"), pooling="mean", query_prompt="word1 ")
    else:
        lengths = settings_for(labse(folder / "hub"))
    return load_encoder(lengths), lengths


def _weights(encoder: Any) -> dict[str, Any]:
    """Return the weights but for keys' biases: their gradient is 0, so they hold rounding alone."""
    found = encoder.state_dict().items()
    kept = {name: one for name, one in found if not name.endswith("attention.self.key.bias")}
    return {name: one.detach().float().numpy() for name, one in kept.items()}


def _base(kind: str, folder: Path) -> dict[str, Any]:
    return _weights(_encoder(kind, folder)[0])


def _vectors(kind: str, folder: Path) -> dict[str, Any]:
    from polybatch.encoders.encode import encode_texts

    encoder, lengths = _encoder(kind, folder)
    texts = [" ".join(WORDS[i : i + i % 20 + 1]) for i in range(40)]
    # A vector behind a layer norm adds up to 0, so each is weighted before numbers add it up.
    weights = np.cos(np.arange(encoder.get_embedding_dimension()))
    return {
        side: encode_texts(encoder, texts, length, 8, prompt) @ weights
        for side in ("query", "document")
        for length, prompt in [lengths.of(side)]
    }


def _trained(folder: Path, kind: str, stop: bool = False, **changes: Any) -> dict[str, Any]:
    """Train six steps; with `stop`, in two goes, the second from the first one's checkpoint."""
    from polybatch.settings.training import TrainingSettings
    from polybatch.training.contrastive import Plan, train

    given = {
        "precision": "fp32", "learning_rate": 2e-4, "rows_learning_rate": 2e-3,
        "temperature": 0.05, "warmup_share": 0.2, "max_grad_norm": 1.0, "checkpoint_every": 3,
        "log_every": 2, "cached_pairs": 0, "grouped_texts": 0,
    }  # fmt: skip
    settings = TrainingSettings(**given | changes)
    plan = Plan("fixture", _pairs(6, 4), 4)
    encoder, lengths = _encoder(kind, folder)
    places = folder / "work", folder / "curves"
    if stop:
        _stop_after_checkpoint(lambda: train(encoder, plan, settings, lengths, 0, *places))
        shutil.rmtree(folder / "hub", ignore_errors=True)
        encoder, lengths = _encoder(kind, folder)
    train(encoder, plan, settings, lengths, 0, *places)
    return _weights(encoder)


class _Stopped(Exception):
    pass


def _stop_after_checkpoint(work: Callable[[], object]) -> None:
    """Run `work` until its first checkpoint is written, as a kill right after it would."""
    from polybatch.training.resume import Resumable

    kept = Resumable._save_checkpoint

    def stop(self: Resumable, *arguments: Any) -> None:
        kept(self, *arguments)
        raise _Stopped

    Resumable._save_checkpoint = stop  # type: ignore[method-assign]
    try:
        work()
    except _Stopped:
        return
    finally:
        Resumable._save_checkpoint = kept  # type: ignore[method-assign]
    raise AssertionError("it ended before its first checkpoint")


def _adapted(folder: Path, objective: str, stop: bool = False) -> dict[str, Any]:
    from polybatch.adaptation.adapt import adapt
    from polybatch.adaptation.corpus import DOCUMENTS, DomainText
    from polybatch.adaptation.job import Job
    from polybatch.settings.adaptation import AdaptationSettings

    settings = AdaptationSettings(
        objective=objective, texts=("toy",), transductive=False, mixed_batches=False,
        mlm_rows_only=False, precision="fp32", rows_per_document=1, heldout_share=0.2, steps=6,
        batch_texts=4, size_exponent=1.0, max_length=24, mask_share=0.25, crop_min_share=0.3,
        crop_max_share=0.6, delete_share=0.6, learning_rate=2e-3, rows_learning_rate=2e-3,
        temperature=0.05, warmup_share=0.1, max_grad_norm=1.0, checkpoint_every=3, log_every=2,
        cached_texts=0,
    )  # fmt: skip
    chance = random.Random(1)
    rows = [
        (f"d{i}", ("en", "sw")[i % 2], f"g{i}", " ".join(chance.sample(WORDS, 8 + i % 5)))
        for i in range(30)
    ]
    frame = pl.DataFrame(rows, schema=DOCUMENTS, orient="row")
    texts = DomainText(frame.head(24), frame.tail(6), 0, 0)
    for last in (False, True) if stop else (True,):
        shutil.rmtree(folder / "hub", ignore_errors=True)
        encoder, lengths = _encoder("xlm-roberta", folder)
        job = Job(encoder, texts, settings, lengths, 0, folder / "work", folder / "curves")
        if last:
            adapt(job)
        else:
            _stop_after_checkpoint(lambda job=job: adapt(job))  # type: ignore[misc]
    return _weights(encoder)


def FIXTURES() -> dict[str, Fixture]:  # noqa: N802
    """Return all by name; a function, so that importing this module imports nothing heavy."""
    kinds = ("use-multilingual", "xlm-roberta", "labse")
    found = dict(_parsers())
    found |= {f"base {k}": Fixture("base", lambda f, k=k: _base(k, f)) for k in kinds[1:]}
    found |= {f"vectors {k}": Fixture("index", lambda f, k=k: _vectors(k, f)) for k in kinds}
    trainings: dict[str, dict[str, Any]] = {
        "bf16": {"kind": "use-multilingual", "precision": "bf16"},
        "GradCache": {"kind": "use-multilingual", "cached_pairs": 2},
        "resumed": {"kind": "use-multilingual", "stop": True},
        "transformer": {"kind": "xlm-roberta"},
        "transformer, resumed": {"kind": "xlm-roberta", "stop": True},
        "dense head": {"kind": "labse"},
    }
    found |= {
        f"training {name}": Fixture("train", lambda f, how=how: _trained(f, **how))
        for name, how in trainings.items()
    }
    for objective in ("mlm", "tsdae", "crop"):
        for stop in (False, True):
            name = f"adaptation {objective}{', resumed' * stop}"
            how = {"objective": objective, "stop": stop}
            found[name] = Fixture("dapt", lambda f, how=how: _adapted(f, **how))
    return found
