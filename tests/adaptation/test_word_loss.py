"""The loss in parts is that of all scores at once, to its gradients, with less memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sentence_transformers.sentence_transformer.losses import DenoisingAutoEncoderLoss
from transformers import AutoModelForMaskedLM

from polybatch.adaptation import word_loss as module
from polybatch.adaptation.tsdae import _Batches, _loss
from polybatch.adaptation.word_loss import head_of, word_loss
from tests.helpers.adaptation import changed, job, texts, transformer


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["xlm", "bert"])
def test_parts_give_the_loss_and_the_gradients_of_all_scores_at_once(
    tmp_path: Path, kind: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = AutoModelForMaskedLM.from_pretrained(transformer(tmp_path, kind))
    torch.manual_seed(0)
    hidden = torch.randn(50, model.config.hidden_size, requires_grad=True)
    labels = torch.randint(model.config.vocab_size, (50,))

    def found() -> list[torch.Tensor]:
        model.zero_grad()
        hidden.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = word_loss(model, hidden, labels)
        loss.backward()
        assert hidden.grad is not None
        own = [value.grad.clone() for value in head_of(model).parameters()]
        return [loss.detach(), hidden.grad.clone(), *own]

    whole = found()
    monkeypatch.setattr(
        module, "_SCORES", 7 * model.config.vocab_size + 1
    )  # parts of 7; the last, 1
    tolerance = (
        {"rtol": 1e-5, "atol": 1e-7} if precision == "fp32" else {"rtol": 2e-2, "atol": 2e-4}
    )
    for part, all_at_once in zip(found(), whole, strict=True):
        torch.testing.assert_close(part, all_at_once, **tolerance)


@pytest.mark.parametrize("kind", ["xlm", "bert"])
@pytest.mark.parametrize("scores", [1 << 26, 1])
def test_denoising_is_the_loss_of_the_library(
    tmp_path: Path, kind: str, scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    todo = job(tmp_path, transformer(tmp_path / "start", kind), changed(objective="tsdae"))
    batch = _Batches(todo, texts().documents["text"].to_list())([0, 1, 2, 3], 0)
    loss = _loss(todo).eval()
    theirs = DenoisingAutoEncoderLoss.forward(loss, list(batch.values()), None)
    monkeypatch.setattr(module, "_SCORES", scores)
    torch.testing.assert_close(loss(**batch), theirs)
