"""Adaptation: what each objective does to an encoder, its budget, kill -9, and what it refuses."""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import signal
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from polybatch.adaptation.adapt import OBJECTIVES, adapt, possible
from polybatch.adaptation.mlm import _language_model, _Masker
from polybatch.adaptation.noise import IGNORED
from polybatch.core.errors import InputError
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.settings.adaptation import OBJECTIVES as NAMES
from polybatch.training import resume
from tests.helpers.adaptation import SPECIAL, changed, contents, job, run, texts, transformer


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return transformer(tmp_path_factory.mktemp("xlm"))


# What can be done --------------------------------------------------------------------------------


def test_every_objective_that_params_may_name_has_a_row() -> None:
    assert tuple(OBJECTIVES) == NAMES


def test_an_objective_the_encoder_cannot_do_says_which_it_can(tmp_path: Path, base: Path) -> None:
    assert possible(open_checkpoint(base)) == ["mlm", "crop", "tsdae"]
    todo = job(tmp_path, None)
    for name in ("mlm", "tsdae"):
        with pytest.raises(InputError, match=r"use-multilingual cannot do, expected one of crop\."):
            adapt(dataclasses.replace(todo, settings=changed(objective=name)))


@pytest.mark.parametrize(("kind", "positions"), [("bert", 80), ("xlm", 78)])  # from behind a pad
def test_a_length_without_positions_is_refused_before_any_step(
    tmp_path: Path, kind: str, positions: int
) -> None:
    start = transformer(tmp_path / "start", kind)
    for objective in NAMES:
        settings = changed(objective=objective, max_length=positions + 1)
        with pytest.raises(InputError, match=rf"dapt\.max_length: .* at most the {positions} that"):
            adapt(job(tmp_path, start, settings))
    # A batch of packed documents that are as long as that
    assert adapt(job(tmp_path, start, changed(max_length=positions, steps=1))).tokens > positions


# Masked language modelling -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["xlm", "bert"])
@pytest.mark.parametrize("rows_only", [False, True])
def test_mlm_learns_and_keeps_pooling_and_dense(tmp_path: Path, kind: str, rows_only: bool) -> None:
    start = transformer(tmp_path / "start", kind)
    settings = changed(mlm_rows_only=rows_only, steps=60, checkpoint_every=60, learning_rate=1e-2)
    summary = run(tmp_path, start, settings)
    before, after = summary.perplexity_before, summary.perplexity_after
    assert before is not None
    assert after is not None
    assert after < 0.9 * before
    assert summary.last_loss < summary.first_loss  # type: ignore[operator]
    old, new = open_checkpoint(start), open_checkpoint(tmp_path / "checkpoint")
    assert [type(module).__name__ for module in new] == ["Transformer", "Pooling", "Dense"]
    assert new[1].pooling_mode == old[1].pooling_mode
    assert all(torch.equal(a, b) for a, b in zip(old[2].parameters(), new[2].parameters(),
                                                 strict=True))  # fmt: skip
    vectors = [each.encode(["word1 word2"]) for each in (old, new)]
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3
    tables = [each.transformers_model.get_input_embeddings().weight for each in (old, new)]
    moved = (tables[0] != tables[1]).any(dim=1)
    words = new.tokenizer.get_vocab()
    if rows_only:
        assert not any(bool(moved[words[f"never{i}"]]) for i in range(30))
        assert any("mlm_rows_only" in note for note in summary.notes)
        told = pl.concat([texts().documents, texts().heldout])["text"].str.split(" ")
        assert summary.trained_rows == len(set(told.explode())) + len(SPECIAL[kind])
    else:
        assert all(bool(moved[words[f"never{i}"]]) for i in range(30))
        assert summary.trained_rows == len(words)


def test_a_smaller_vocabulary_computes_what_the_whole_one_does(tmp_path: Path, base: Path) -> None:
    """The same hidden states whichever rows the table has: ids, padding, positions all moved."""
    todo = job(tmp_path, base)
    encoder = todo.encoder
    text = "word1 word30 word2"
    ids = torch.tensor([[*encoder.tokenizer(text)["input_ids"], encoder.tokenizer.pad_token_id]])
    seen = torch.tensor([[1, 1, 1, 1, 1, 0]])
    rows = torch.tensor(sorted({0, 1, 2, 3, *ids[0].tolist(), encoder.tokenizer.mask_token_id}))
    places = torch.full((len(encoder.tokenizer),), -1)
    places[rows] = torch.arange(len(rows))
    small, head = _language_model(todo, rows)
    assert head == "new"
    with torch.no_grad():
        theirs = encoder.transformers_model.eval()(ids, seen)[0]
        ours = small.eval().base(places[ids], seen)[0]
    torch.testing.assert_close(ours, theirs)


def test_the_loss_of_masked_places_is_the_librarys(tmp_path: Path, base: Path) -> None:
    todo = job(tmp_path, base)
    rows = torch.arange(len(todo.encoder.tokenizer))
    module, _ = _language_model(todo, rows)
    sequences = [np.array([0, 4, 5, 6, 7, 2]), np.array([0, 8, 9, 2])]
    batch = _Masker(todo, rows, len(rows))(sequences, "mask", 0)
    assert batch["attention_mask"].sum(dim=1).tolist() == [6, 4]
    assert (batch["labels"] != IGNORED).sum(dim=1).tolist() == [1, 1]
    module.eval()
    with torch.no_grad():
        torch.testing.assert_close(module(**batch), module.model(**batch).loss)


def test_a_head_that_the_checkpoint_has_is_kept(tmp_path: Path, base: Path) -> None:
    todo = job(tmp_path, base)
    given, _ = _language_model(todo, torch.arange(len(todo.encoder.tokenizer)))
    with torch.no_grad():
        given.model.lm_head.dense.weight.fill_(0.5)
    given.model.save_pretrained(tmp_path / "whole")
    named = dataclasses.replace(todo.lengths, name=str(tmp_path / "whole"))
    rows = torch.tensor([*range(20), len(todo.encoder.tokenizer) - 1])
    module, head = _language_model(dataclasses.replace(todo, lengths=named), rows)
    assert head == str(tmp_path / "whole")
    assert bool((module.model.lm_head.dense.weight == 0.5).all())
    assert module.model.get_output_embeddings().weight.shape == (21, 16)


# All objectives ----------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", NAMES)
def test_the_same_job_gives_the_same_bytes(tmp_path: Path, base: Path, objective: str) -> None:
    settings = changed(objective=objective, steps=4)
    summaries = [run(tmp_path / name, base, settings) for name in ("one", "two")]
    assert summaries[0] == summaries[1]
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert any(name.endswith("loss.tsv") for name in contents(tmp_path / "one"))
    assert not (tmp_path / "one/resume").exists()


def test_the_budget_is_told(tmp_path: Path, base: Path) -> None:
    summary = run(tmp_path, base, changed(objective="crop"))
    assert (summary.steps, summary.texts) == (8, 32)
    assert summary.distinct_texts <= 24
    assert sum(summary.languages.values()) == 32
    assert set(summary.languages) == {"en", "sw"}
    assert (summary.removed_texts, summary.repeated_texts, summary.heldout_texts) == (1, 2, 6)
    assert summary.perplexity_before is None
    assert summary.notes == ()
    assert summary.tokens > 2 * 32 * 3


def test_transductive_adaptation_says_so(tmp_path: Path, base: Path) -> None:
    summary = run(tmp_path, base, changed(objective="crop", steps=2, transductive=True))
    assert any("transductive" in note for note in summary.notes)


def test_tsdae_learns(tmp_path: Path, base: Path) -> None:
    settings = changed(objective="tsdae", steps=30, checkpoint_every=30)
    summary = run(tmp_path, base, settings)
    assert summary.first_loss is not None
    assert summary.last_loss is not None
    assert summary.last_loss < summary.first_loss - 0.2
    new = open_checkpoint(tmp_path / "checkpoint")
    old = open_checkpoint(base)
    assert set(new.state_dict()) == set(old.state_dict())  # nothing of the decoder stays
    name = "0.model.encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(new.state_dict()[name], old.state_dict()[name])


def test_crop_trains_only_the_rows_that_occur(tmp_path: Path) -> None:
    todo = job(tmp_path, None, changed(objective="crop", steps=2, checkpoint_every=2))
    before = todo.encoder[0].embedding.table.clone()
    summary = adapt(todo)
    moved = (todo.encoder[0].embedding.table != before).any(dim=1).sum()
    assert 0 < int(moved) <= summary.trained_rows < 200


@pytest.mark.parametrize("objective", NAMES)
def test_a_killed_adaptation_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, base: Path, objective: str
) -> None:
    settings = changed(objective=objective, steps=24)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    told = run(whole, base, settings)
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["polybatch.adaptation.adapt", "polybatch.encoders.load"])
    child = processes.Process(target=run, args=(killed, base, settings))
    child.start()
    deadline = time.monotonic() + 600
    while not list((killed / "resume").glob("checkpoint-*/complete.json")):
        assert child.is_alive(), "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not (killed / "checkpoint").exists()
    assert run(killed, base, settings) == told
    assert contents(killed) == contents(whole)


@pytest.mark.parametrize("objective", NAMES)
def test_only_the_same_code_on_the_same_machine_goes_on_with_a_checkpoint(
    tmp_path: Path, base: Path, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else decides bytes makes another training; nothing is trained here."""
    found: list[str] = []

    def note(trainer: resume.Resumable, *_: object) -> None:
        found.append(trainer.fingerprint)
        raise InterruptedError

    def start(threads: int = 1, version: int = 2) -> None:
        todo = job(tmp_path, base, changed(objective=objective))
        torch.set_num_threads(threads)
        with pytest.raises(InterruptedError):
            adapt(dataclasses.replace(todo, version=version))

    monkeypatch.setattr(resume.Resumable, "run", note)
    start()
    start(version=3)
    start(threads=2)
    monkeypatch.setattr(torch, "__version__", "9.9.0")
    start()
    monkeypatch.setattr(resume, "device", lambda: "cuda")
    start()
    assert len(set(found)) == 5
    alone = resume.fingerprint_of("", [], torch.nn.Identity())
    monkeypatch.setattr(resume, "processes", lambda: 2)
    assert resume.fingerprint_of("", [], torch.nn.Identity()) != alone
    monkeypatch.undo()
    monkeypatch.setattr(resume.Resumable, "run", note)
    start()
    assert found[-1] == found[0]


@pytest.mark.parametrize("objective", NAMES)
def test_a_loss_that_is_not_finite_stops_with_step_and_texts(
    tmp_path: Path, base: Path, objective: str
) -> None:
    todo = job(tmp_path, base, changed(objective=objective))
    with torch.no_grad():
        for name, value in todo.encoder.named_parameters():
            if name.endswith("LayerNorm.bias"):
                value.fill_(math.nan)
    if objective == "tsdae":  # its decoder, tied, is read from the folder
        save_checkpoint(todo.encoder, tmp_path / "broken")
        todo = job(tmp_path, tmp_path / "broken", changed(objective=objective))
    expected = "word" if objective == "mlm" else r"d\d+, d\d+"
    with pytest.raises(InputError, match=rf"dapt, step 0: found .*nan on the batch .*{expected}"):
        adapt(todo)


def test_the_checkpoint_before_a_loss_that_is_not_finite_is_kept(
    tmp_path: Path, base: Path
) -> None:
    todo = job(tmp_path, base, changed(learning_rate=1.0, max_grad_norm=1e6, warmup_share=0.0))
    real, calls = torch.isfinite, 0

    def fails_late(value: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return real(value) if calls < 6 else torch.tensor(False)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError, match="dapt, step 5"):
        patch.setattr("polybatch.adaptation.trainer.torch.isfinite", fails_late)
        adapt(todo)
    assert (tmp_path / "resume/checkpoint-4/complete.json").is_file()
