"""Training follows its plan, twice with the same bytes, and survives being killed."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from polybatch.core.errors import InputError
from polybatch.encoders.checkpoints import save_checkpoint
from polybatch.encoders.load import load_encoder
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.training import TrainingSettings
from polybatch.training.contrastive import Plan, TrainingSummary, train
from polybatch.training.machine import make_deterministic
from polybatch.training.resume import last_checkpoint

LENGTHS = EncoderSettings("use-multilingual", "", "as-saved", "", "", 16, 24, 32, "fp32")
SETTINGS = TrainingSettings(
    learning_rate=2e-4,
    rows_learning_rate=2e-3,
    temperature=0.05,
    warmup_share=0.2,
    max_grad_norm=1.0,
    checkpoint_every=4,
    log_every=2,
    precision="fp32",
    cached_pairs=0,
    grouped_texts=0,
)
STEPS, PAIRS = 10, 4


def plan(steps: int = STEPS, seed: int = 0) -> Plan:
    words = [f"word{i}" for i in range(300)]
    chance = random.Random(seed)
    rows = []
    for step in range(steps):
        for slot in range(PAIRS):
            question = chance.sample(words, 3)
            rows.append(
                (step, slot, " ".join(question), " ".join(question + chance.sample(words, 9)))
            )
    columns = ["step", "slot", "query_text", "doc_text"]
    return Plan("toy", pl.DataFrame(rows, schema=columns, orient="row"), PAIRS)


def run(folder: Path, followed: Plan, settings: TrainingSettings = SETTINGS) -> TrainingSummary:
    """Train from the untrained encoder and save what came of it."""
    make_deterministic(0, 1)
    encoder = load_encoder(LENGTHS)
    summary = train(encoder, followed, settings, LENGTHS, 0, folder / "resume", folder / "curves")
    save_checkpoint(encoder, folder / "checkpoint")
    return summary


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingSummary]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder, plan())


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for name in ("checkpoint", "curves")
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }


def test_the_loss_falls_and_the_budget_is_told(whole: tuple[Path, TrainingSummary]) -> None:
    folder, summary = whole
    assert summary.steps == STEPS
    assert summary.pairs == summary.distinct_pairs == STEPS * PAIRS
    assert summary.last_loss is not None
    assert summary.first_loss is not None
    assert summary.last_loss < summary.first_loss
    assert not (folder / "resume").exists()
    curve = pl.read_csv(folder / "curves/plots/metrics/loss.tsv", separator="\t")
    assert curve["step"].to_list() == [2, 4, 6, 8, 10]


def test_the_same_plan_gives_the_same_bytes(
    whole: tuple[Path, TrainingSummary], tmp_path: Path
) -> None:
    run(tmp_path, plan())
    assert contents(tmp_path) == contents(whole[0])


def test_a_training_takes_no_notice_of_the_repository_it_runs_in(
    whole: tuple[Path, TrainingSummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One without a commit: DVCLive by itself asks for its last commit, and fails."""
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    run(tmp_path, plan())
    assert contents(tmp_path) == contents(whole[0])
    assert sorted(path.name for path in (tmp_path / ".dvc").iterdir()) == []


_SCRIPT = """
import sys; sys.path.insert(0, {tests!r})
from pathlib import Path
from tests.training.test_training import plan, run
run(Path({folder!r}), plan())
"""


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(
    whole: tuple[Path, TrainingSummary], tmp_path: Path
) -> None:
    script = _SCRIPT.format(tests=str(Path(__file__).parents[2]), folder=str(tmp_path))
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "resume").glob("checkpoint-*/complete.json")):
        assert child.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "checkpoint").exists()
    summary = run(tmp_path, plan())
    assert contents(tmp_path) == contents(whole[0])
    assert summary == whole[1]


def test_a_checkpoint_that_is_cut_or_of_another_plan_is_not_resumed(tmp_path: Path) -> None:
    for name, fingerprint in (
        ("checkpoint-3", "mine"),
        ("checkpoint-6", "another"),
        ("checkpoint-9", None),
    ):
        (tmp_path / name).mkdir()
        if fingerprint:
            (tmp_path / name / "complete.json").write_text(json.dumps({"fingerprint": fingerprint}))
    assert last_checkpoint(tmp_path, "mine") == str(tmp_path / "checkpoint-3")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]
    assert last_checkpoint(tmp_path, "other") is None


def test_a_step_is_the_infonce_step_that_a_few_plain_lines_do(tmp_path: Path) -> None:
    """The library's trainer against ten lines of torch: dense table, plan order, no trainer."""
    one = dataclasses.replace(SETTINGS, warmup_share=0.0, max_grad_norm=1e6)
    followed = plan(steps=3)
    run(tmp_path, followed, one)
    encoder = load_encoder(LENGTHS)
    module = encoder[0]
    table = torch.nn.Parameter(module.embedding.table.clone())
    optimizer = torch.optim.Adam(
        [
            {"params": list(module.network.parameters()), "lr": one.learning_rate},
            {"params": [table], "lr": one.rows_learning_rate, "betas": (0.0, 0.999)},
        ]
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    for step, batch in enumerate(followed.texts.partition_by("step")):
        vectors = []
        for column, length in (("query_text", 16), ("doc_text", 24)):
            module.max_seq_length = length
            features = module.preprocess(batch[column].to_list())
            mask = features["attention_mask"].bool()
            vectors.append(module.network(table[features["input_ids"][mask]], mask.sum(1)))
        scores = vectors[0] @ vectors[1].T / one.temperature
        functional.cross_entropy(scores, torch.arange(PAIRS)).backward()
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - step / 3)
        optimizer.step()
        optimizer.zero_grad()
    saved = load_file(tmp_path / "checkpoint" / "model.safetensors")
    changed = (table.detach() != module.embedding.table).any(dim=1).nonzero()[:, 0]
    assert saved["rows.ids"].tolist() == changed.tolist()
    torch.testing.assert_close(saved["rows.values"], table.detach()[changed], atol=1e-4, rtol=0)
    for name, value in module.network.state_dict().items():
        # Adam's step has the rate's size even where rounding decides the sign of a gradient of 0.
        apart = (saved[f"network.{name}"] - value).abs()
        assert apart.max() < 4 * one.learning_rate
        assert (apart > 1e-4).float().mean() < 1e-4


def test_tokens_and_cut_texts_are_counted(tmp_path: Path) -> None:
    texts = pl.DataFrame(
        {
            "step": [0] * 4,
            "slot": range(4),
            "query_text": ["a", "b", "c", "one two three four five six seven eight nine ten " * 3],
            "doc_text": ["a", "a b", "a b c", "d"],
        }
    )
    summary = run(tmp_path, Plan("toy", texts, 4))
    assert summary.truncated_queries == 1
    assert summary.truncated_documents == 0
    assert summary.query_tokens == 3 + 3 + 3 + 16
    assert summary.document_tokens == 3 + 4 + 5 + 3


def test_no_steps_leave_the_encoder_as_it_is(tmp_path: Path) -> None:
    make_deterministic(0, 1)
    encoder = load_encoder(LENGTHS)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    empty = Plan("zero-shot", plan().texts.head(0), PAIRS)
    summary = train(encoder, empty, SETTINGS, LENGTHS, 0, tmp_path / "r", tmp_path / "c")
    assert summary.steps == summary.pairs == 0
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_a_loss_that_is_not_finite_stops_with_step_and_row(tmp_path: Path) -> None:
    make_deterministic(0, 1)
    encoder = load_encoder(LENGTHS)
    with torch.no_grad():
        encoder[0].network.combine.bias.fill_(math.nan)
    with pytest.raises(InputError, match=r"training, step 0.*word"):
        train(encoder, plan(), SETTINGS, LENGTHS, 0, tmp_path / "r", tmp_path / "c")
