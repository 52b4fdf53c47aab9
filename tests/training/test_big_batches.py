"""GradCache, lower precision, and several processes: the same training, other means."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import psutil
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from torch import Tensor
from torch.nn import functional

from polybatch.core.errors import InputError
from polybatch.core.files import write_json
from polybatch.encoders.checkpoints import save_checkpoint
from polybatch.encoders.load import load_encoder
from polybatch.encoders.tokens import features_of
from polybatch.training import machine
from polybatch.training.contrastive import Plan, train
from polybatch.training.machine import make_deterministic
from polybatch.training.plan_trainer import _loss
from tests.helpers.small_encoders import settings_for, xlm_roberta
from tests.training.test_training import PAIRS, SETTINGS, plan

ROOT = Path(__file__).parents[2]
STEPS = 18
TEXTS = plan().texts.filter(pl.col("step") < 2)  # one batch of eight


def _encoder(folder: Path, dropout: float) -> SentenceTransformer:
    encoder = load_encoder(settings_for(xlm_roberta(folder, dropout=dropout))).double()
    encoder.train()
    return encoder


def _features(encoder: SentenceTransformer, rows: slice) -> list[dict[str, Tensor]]:
    columns = ("query_text", "doc_text")
    return [features_of(encoder, TEXTS[name].to_list()[rows], 32, "") for name in columns]


def _gradients(encoder: SentenceTransformer) -> dict[str, Tensor]:
    found = {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None}
    encoder.zero_grad()
    return found


def _cached(encoder: SentenceTransformer, pairs: int) -> tuple[float, dict[str, Tensor]]:
    loss_of = _loss(encoder, dataclasses.replace(SETTINGS, cached_pairs=pairs))
    loss = loss_of(_features(encoder, slice(None)), None)
    loss.backward()
    return float(loss.detach()), _gradients(encoder)


def _assert_same(
    one: tuple[float, dict[str, Tensor]], other: tuple[float, dict[str, Tensor]]
) -> None:
    assert one[0] == pytest.approx(other[0], abs=1e-12)
    assert one[1].keys() == other[1].keys()
    for name, gradient in one[1].items():
        torch.testing.assert_close(gradient, other[1][name], atol=1e-10, rtol=1e-8, msg=name)


@pytest.mark.parametrize("pairs", [1, 3, 8])
def test_gradcache_has_the_loss_and_the_gradients_of_the_plain_loss(
    tmp_path: Path, pairs: int
) -> None:
    encoder = _encoder(tmp_path, dropout=0.0)
    _assert_same(_cached(encoder, pairs), _cached(encoder, 0))


WORDS_OF = {"query": [3, 1, 5, 2, 1, 4, 2, 3], "doc": [12, 2, 7, 20, 3, 9, 1, 5]}


@pytest.mark.parametrize(("cached", "grouped"), [(0, 1), (0, 3), (0, 8), (3, 1)])
def test_texts_of_like_length_together_have_the_loss_and_the_gradients_of_the_batch(
    tmp_path: Path, cached: int, grouped: int
) -> None:
    encoder, shapes = _encoder(tmp_path, dropout=0.0), []
    sides = [
        [" ".join(f"word{20 * i + j}" for j in range(n)) for i, n in enumerate(counts)]
        for counts in WORDS_OF.values()
    ]
    found = []
    for changes in ({}, {"cached_pairs": cached, "grouped_texts": grouped}):
        loss_of = _loss(encoder, dataclasses.replace(SETTINGS, **changes))
        hook = encoder[0].register_forward_pre_hook(
            lambda _, given: shapes.append(tuple(given[0]["input_ids"].shape))
        )
        loss = loss_of([features_of(encoder, side, 32, "") for side in sides], None)
        loss.backward()
        hook.remove()
        found.append((float(loss.detach()), _gradients(encoder)))
    _assert_same(*found)
    documents = [(3, 5), (3, 11), (2, 22)]  # 1 2 3 | 5 7 9 | 12 20 words, begin and end
    if grouped == 3:
        assert shapes == [(8, 7), (8, 22), (3, 4), (3, 5), (2, 7), *documents]
    if cached:
        assert shapes[5:8] == shapes[-3:] == documents  # without gradients, then with


def test_gradcache_drops_the_same_numbers_in_both_of_its_passes(tmp_path: Path) -> None:
    """Against the mini-batches run once each, in its order, with all activations kept."""
    encoder = _encoder(tmp_path, dropout=0.3)
    torch.manual_seed(7)
    found = _cached(encoder, 4)
    torch.manual_seed(7)
    sides = zip(_features(encoder, slice(0, 4)), _features(encoder, slice(4, 8)), strict=True)
    queries, documents = (
        torch.cat([encoder(part)["sentence_embedding"] for part in side]) for side in sides
    )
    loss = functional.cross_entropy(queries @ documents.T / SETTINGS.temperature, torch.arange(8))
    loss.backward()
    _assert_same(found, (float(loss.detach()), _gradients(encoder)))
    torch.manual_seed(8)
    assert _cached(encoder, 4)[0] != found[0]  # dropout was at work


def test_bf16_follows_fp32_and_leaves_fp32_weights(tmp_path: Path) -> None:
    lengths = settings_for(xlm_roberta(tmp_path))
    losses = {}
    for precision in ("fp32", "bf16"):
        make_deterministic(0, 1)
        encoder = load_encoder(lengths)
        settings = dataclasses.replace(SETTINGS, precision=precision)
        work, curves = tmp_path / f"{precision}-r", tmp_path / f"{precision}-c"
        summary = train(encoder, plan(4), settings, lengths, 0, work, curves)
        losses[precision] = (summary.first_loss, summary.last_loss)
        assert {value.dtype for value in encoder.parameters()} == {torch.float32}
        features = features_of(encoder, ["word1"], 8, "")
        assert encoder(features)["token_embeddings"].dtype == torch.float32
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.1)
    assert losses["bf16"] != losses["fp32"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without a GPU says")
def test_fp16_without_a_gpu_is_refused(tmp_path: Path) -> None:
    lengths = settings_for(xlm_roberta(tmp_path))
    settings = dataclasses.replace(SETTINGS, precision="fp16")
    with pytest.raises(InputError, match=r"training.precision: found fp16 .* without a GPU"):
        train(load_encoder(lengths), plan(), settings, lengths, 0, tmp_path / "r", tmp_path / "c")


def test_bf16_on_a_processor_without_it_is_said_and_runs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said = "training.precision: this processor has no bf16: it runs, but slower than fp32"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for found, expected in (({"avx512_f": True}, [said]), ({"amx_bf16": True}, [])):
        caplog.clear()
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=found: found)
        machine.check_machine("bf16", "training.precision")
        assert caplog.messages == expected


def test_a_batch_that_processes_cannot_share_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "processes", lambda: 3)
    with pytest.raises(InputError, match=r"batches.batch_pairs: found a batch of 4 for 3 proc"):
        machine.check_shares(4, "batches.batch_pairs")


def _study(folder: Path) -> Plan:
    """Lay out what the stage reads: params, the encoder all start from, a plan."""
    followed = plan(STEPS)
    given = xlm_roberta(folder / "given")
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    for old, new in (
        ("name: use-multilingual", f"name: {given}"),
        ("query_length: 64", "query_length: 16"),
        ("document_length: 160", "document_length: 32"),
        ("batch_pairs: 32", f"batch_pairs: {PAIRS}"),
        ("checkpoint_every: 40", "checkpoint_every: 3"),
        ("log_every: 10", "log_every: 1"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "versions.yaml", folder)
    save_checkpoint(load_encoder(settings_for(given)), folder / "models" / "start" / "base")
    write_json(folder / "data/starts/mono/0.json", {"checkpoint": "models/start/base"})
    (folder / "data/batches/mono/0").mkdir(parents=True)
    followed.texts.write_parquet(folder / "data/batches/mono/0/texts.parquet")
    return followed


def _start(folder: Path, processes: int) -> subprocess.Popen[str]:
    many = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(many if processes > 1 else []), "-m", "stages.train"]
    return subprocess.Popen(
        [*command, "--strategy", "mono"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _kill_after_a_checkpoint(folder: Path) -> None:
    child = _start(folder, 2)
    deadline = time.monotonic() + 900
    while not list((folder / "models/.resume/mono-0").glob("checkpoint-*/complete.json")):
        assert child.poll() is None, child.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    launcher = psutil.Process(child.pid)
    for process in (launcher, *launcher.children(recursive=True)):  # it lives apart from them
        process.send_signal(signal.SIGKILL)
    child.communicate()
    assert not (folder / "models/mono/0").exists()


def test_two_processes_killed_and_resumed_have_the_curve_of_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        _study(folder)
    _kill_after_a_checkpoint(two)
    for folder, processes in ((one, 1), (two, 2)):
        child = _start(folder, processes)
        told, _ = child.communicate(timeout=900)
        assert child.returncode == 0, told
        assert (
            told.count(f"{STEPS} steps, {STEPS * PAIRS} pairs") == 1
        )  # only the first process speaks
        assert ("resuming from checkpoint-" in told) == (processes == 2)
    curves = [
        pl.read_csv(folder / "results/training/mono/0/plots/metrics/loss.tsv", separator="\t")
        for folder in (one, two)
    ]
    assert curves[0]["step"].to_list() == curves[1]["step"].to_list() == list(range(1, STEPS + 1))
    assert curves[1]["loss"].to_list() == pytest.approx(curves[0]["loss"].to_list(), abs=1e-4)
    weights = [load_file(folder / "models/mono/0/model.safetensors") for folder in (one, two)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-4, rtol=0, msg=name)
