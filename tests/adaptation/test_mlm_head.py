"""A new head is trained before the transformer is, and leaves it as it was."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from polybatch.adaptation import mlm
from polybatch.adaptation.adapt import adapt
from polybatch.adaptation.mlm import _language_model, _Masker
from polybatch.adaptation.mlm_head import set_frequencies, warm_up
from polybatch.core.errors import InputError
from tests.helpers.adaptation import changed, job, run, transformer

TEXTS = [np.array([0, 4, 5, 6, 7, 2]), np.array([0, 5, 8, 9, 2])]


@pytest.mark.parametrize("kind", ["xlm", "bert"])
def test_a_new_head_alone_learns(tmp_path: Path, kind: str) -> None:
    todo = job(tmp_path, transformer(tmp_path / "start", kind))
    rows = torch.arange(len(todo.encoder.tokenizer))
    module, head = _language_model(todo, rows)
    assert head == "new"
    masker = _Masker(todo, rows, len(rows))
    before = {name: value.clone() for name, value in module.base.state_dict().items()}
    with torch.no_grad():
        first = float(module.eval()(**masker(TEXTS, "mask", 0)))
    warm_up(module, module.base, lambda step: masker(TEXTS, "head", step), "fp32")
    with torch.no_grad():
        assert float(module(**masker(TEXTS, "mask", 0))) < first - 0.1
    after = module.base.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert all(each.requires_grad and each.grad is None for each in module.parameters())


@pytest.mark.parametrize("kind", ["xlm", "bert"])
def test_a_new_head_knows_how_often_tokens_occur(tmp_path: Path, kind: str) -> None:
    """With no hidden state to go by it predicts their shares: 5 occurs twice, 10 never."""
    todo = job(tmp_path, transformer(tmp_path / "start", kind))
    size = len(todo.encoder.tokenizer)
    module, _ = _language_model(todo, torch.arange(size))
    set_frequencies(module.model, TEXTS)
    output = module.model.get_output_embeddings()
    with torch.no_grad():
        shares = torch.softmax(output(torch.zeros(output.in_features)), dim=0)
    assert shares[[4, 5, 10]].tolist() == pytest.approx(
        [2 / (size + 11), 3 / (size + 11), 1 / (size + 11)]
    )


def test_a_checkpoint_that_cannot_be_read_is_no_checkpoint_without_a_head(tmp_path: Path) -> None:
    """The same params would give another adaptation where the hub or a folder is out of reach."""
    todo = job(tmp_path, transformer(tmp_path / "start"))
    rows = torch.arange(len(todo.encoder.tokenizer))
    for name, says in (
        ("mine/not-in-any-cache", r"encoder\.name: found no files of 'mine/not-in-any-cache'"),
        (str(tmp_path / "gone"), r"encoder\.name: found '.*gone'"),
    ):
        lengths = dataclasses.replace(todo.lengths, name=name, revision="0" * 40)
        with pytest.raises(InputError, match=says):
            _language_model(dataclasses.replace(todo, lengths=lengths), rows)
    whole, _ = _language_model(todo, rows)
    whole.model.save_pretrained(tmp_path / "cut")
    weights = tmp_path / "cut/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    lengths = dataclasses.replace(todo.lengths, name=str(tmp_path / "cut"))
    with pytest.raises(InputError, match="no loadable encoder"):
        _language_model(dataclasses.replace(todo, lengths=lengths), rows)
    lengths = dataclasses.replace(todo.lengths, name="multilingual-e5-small")
    assert _language_model(dataclasses.replace(todo, lengths=lengths), rows)[1] == "new"


def test_the_new_head_is_trained_where_the_rest_will_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a GPU: torch's device that holds no numbers stands for one."""
    todo, seen = job(tmp_path, transformer(tmp_path / "start")), set()

    def look(module: torch.nn.Module, *_: object) -> None:
        seen.update(str(each.device) for each in module.parameters())
        raise InterruptedError

    monkeypatch.setattr(mlm, "device", lambda: "meta")
    monkeypatch.setattr(mlm, "set_frequencies", lambda *_: None)
    monkeypatch.setattr(mlm, "warm_up", look)
    with pytest.raises(InterruptedError):
        adapt(todo)
    assert seen == {"meta"}


def test_the_warm_up_says_so_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "polybatch"):
        adapt(job(tmp_path, transformer(tmp_path / "start"), changed(steps=1)))
    told = [line for line in caplog.messages if "head" in line]
    assert told == ["dapt, mlm: the new head is trained alone first, 100 steps on cpu"]


def test_a_head_that_the_checkpoint_has_is_not_trained_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = transformer(tmp_path / "start")
    monkeypatch.setattr(mlm, "given_head", lambda *_: "one")
    monkeypatch.setattr(mlm, "warm_up", lambda *_: pytest.fail("it is trained alone"))
    summary = adapt(job(tmp_path, base, changed(steps=1)))
    assert summary.notes == ("mlm: the output layer is that of one",)
    monkeypatch.undo()
    (note,) = run(tmp_path / "new", base, changed(steps=1)).notes
    assert note == "mlm: the output layer is a new one, trained alone for 100 steps before all else"
