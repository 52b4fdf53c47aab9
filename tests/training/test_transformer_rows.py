"""Training only the word embeddings that occur equals dense training of a transformer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from torch import nn
from torch.nn import functional
from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

from polybatch.encoders.checkpoints import save_checkpoint
from polybatch.encoders.load import load_encoder
from polybatch.encoders.row_table import RowTable, trained_rows
from polybatch.encoders.tokens import features_of
from polybatch.training.contrastive import train
from polybatch.training.machine import make_deterministic
from polybatch.training.plan_trainer import _optimizer
from polybatch.training.resume import state_of
from polybatch.training.row_adam import RowAdam
from tests.helpers.small_encoders import settings_for, xlm_roberta
from tests.training.test_training import PAIRS, SETTINGS, plan

STEPS = 6


def _dense_training(encoder: SentenceTransformer, sides: tuple[tuple[str, int, str], ...]) -> None:
    """Follow the plan with torch's own Adam on all parameters, no trainer and no rows."""
    words = encoder[0].model.get_input_embeddings().weight
    rest = [parameter for parameter in encoder.parameters() if parameter is not words]
    optimizer = torch.optim.Adam(
        [
            {"params": rest, "lr": SETTINGS.learning_rate},
            {"params": [words], "lr": SETTINGS.rows_learning_rate, "betas": (0.0, 0.999)},
        ]
    )
    rates = [group["lr"] for group in optimizer.param_groups]
    encoder.train()
    for step, batch in enumerate(plan(STEPS).texts.partition_by("step")):
        queries, documents = (
            encoder(features_of(encoder, batch[name].to_list(), length, prompt))[
                "sentence_embedding"
            ]
            for name, length, prompt in sides
        )
        scores = queries @ documents.T / SETTINGS.temperature
        functional.cross_entropy(scores, torch.arange(PAIRS)).backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), SETTINGS.max_grad_norm)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - step / STEPS)
        optimizer.step()
        optimizer.zero_grad()


def test_a_trained_transformer_is_the_densely_trained_one(tmp_path: Path) -> None:
    lengths = settings_for(xlm_roberta(tmp_path / "given"), query_prompt="word1 ")
    make_deterministic(0, 1)
    ours, dense = (load_encoder(lengths).double() for _ in range(2))
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    settings = dataclasses.replace(SETTINGS, warmup_share=0.0)
    summary = train(ours, plan(STEPS), settings, lengths, 0, tmp_path / "r", tmp_path / "c")
    _dense_training(dense, (("query_text", 16, "word1 "), ("doc_text", 32, "")))
    expected = dense.state_dict()
    assert list(ours.state_dict()) == list(expected)
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=0, msg=name)
    name = "0.model.embeddings.word_embeddings.weight"
    moved = (ours.state_dict()[name] != before[name]).any(dim=1).sum()
    assert 0 < moved < len(before[name])
    assert summary.trained_rows == moved + 1  # the padding is looked up, and stays as it is
    save_checkpoint(ours.float(), tmp_path / "saved")
    again = SentenceTransformer(str(tmp_path / "saved"))
    assert not [module for module in again.modules() if isinstance(module, RowTable)]
    assert torch.equal(again.state_dict()[name], ours.state_dict()[name])


def test_the_optimiser_holds_nothing_of_rows_that_do_not_occur(tmp_path: Path) -> None:
    encoder = load_encoder(settings_for(xlm_roberta(tmp_path)))
    vocabulary = encoder[0].model.get_input_embeddings().num_embeddings
    with trained_rows(encoder, [0, 2, 7]) as tables:
        optimizer = _optimizer(encoder, SETTINGS)
        held = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
        assert len(tables) == 1
        assert tables[0].rows.shape == (4, 32)  # and the padding
    everything = sum(parameter.numel() for parameter in encoder.parameters())
    assert held == everything - (vocabulary - 4) * 32


def test_the_encoder_is_as_before_after_an_error(tmp_path: Path) -> None:
    encoder = load_encoder(settings_for(xlm_roberta(tmp_path)))
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with pytest.raises(KeyboardInterrupt), trained_rows(encoder, [3]):
        raise KeyboardInterrupt
    after = encoder.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_weights_that_an_output_layer_shares_stay_dense_and_shared(tmp_path: Path) -> None:
    shape = XLMRobertaConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    model = XLMRobertaForMaskedLM(shape)
    words, decoder = model.get_input_embeddings(), model.get_output_embeddings()
    assert words.weight is decoder.weight
    with trained_rows(model, [3]) as tables:
        assert not tables
        optimizer = RowAdam(model.parameters(), lr=0.1)
        ids = torch.tensor([[0, 3, 2]])
        model(ids, labels=ids).loss.backward()
        optimizer.step()
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    state = state_of(model)  # what a resumable checkpoint holds: safetensors takes no copies
    assert len({value.data_ptr() for value in state.values()}) == len(state)
