"""Folders that are no whole encoder and settings that do not fit one are refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import XLMRobertaConfig, XLMRobertaModel

from polybatch.core.errors import InputError
from polybatch.encoders.encode import encode_with_settings
from polybatch.encoders.hub import _positions
from polybatch.encoders.load import load_encoder
from tests.helpers.small_encoders import labse, settings_for, xlm_roberta


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _other_vocabulary(folder: Path) -> None:
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["vocab"] += [[f"▁more{i}", -5.0] for i in range(50)]
    path.write_text(json.dumps(tokenizer))


def _fewer_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layer.1" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def _own_code(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | {"auto_map": {"AutoModel": "own.Model"}}
    path.write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('code of a checkpoint was run')")


def _prompt(side: str, words: int) -> dict[str, object]:
    """Return a prompt of words that are a token each; a text has two ends beside."""
    return {f"{side}_prompt": " ".join(["word5"] * words) + " "}


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (_without("model.safetensors"), "model.safetensors"),
        (_without("config.json"), "config.json"),
        (_without("tokenizer.json"), "no tokenizer"),
        (_other_vocabulary, r"ids up to \d+, an embedding with \d+ rows"),
        (_fewer_weights, r"no weights for \d+ parts"),
        (_own_code, "auto_map"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"cut"), "no loadable encoder"),
    ],
)
def test_a_folder_that_is_not_whole_is_refused(
    tmp_path: Path, harm: Callable[[Path], None], says: str
) -> None:
    folder = xlm_roberta(tmp_path)
    harm(folder)
    with pytest.raises(InputError, match=says):
        load_encoder(settings_for(folder))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"document_length": 65}, "encoder.document_length: found 65 tokens, .* 64 "),
        (_prompt("query", 11), r"query_length: found 16 tokens, of which .* take 13"),
        (_prompt("query", 40), r"query_length: found 16 tokens, of which .* take 16"),
        (_prompt("document", 27), r"document_length: found 32 tokens, of which .* take 29"),
        ({"revision": "a" * 40}, "encoder.revision"),
        ({"name": "xlm-roberta-base"}, "encoder.revision.*FacebookAI/xlm-roberta-base"),
        ({"name": "a/b", "revision": "main"}, "40 hexadecimal digits"),
        ({"name": "use-multilingual", "pooling": "cls"}, "encoder.pooling"),
        ({"name": "xlm-roberta"}, "encoder.name.*xlm-roberta-base"),
        ({"name": "./nowhere"}, "encoder.name.*a folder"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        load_encoder(settings_for(xlm_roberta(tmp_path), **changes))


@pytest.mark.parametrize(("side", "words"), [("query", 10), ("document", 26)])
def test_a_prompt_that_leaves_four_tokens_leaves_texts_apart(
    tmp_path: Path, side: Literal["query", "document"], words: int
) -> None:
    settings = settings_for(xlm_roberta(tmp_path), **_prompt(side, words))
    found = encode_with_settings(load_encoder(settings), settings, ["word1", "word2"], side)
    assert np.ptp(found, axis=0).max() > 0


def test_a_prompt_without_room_is_refused_of_packaged_encoders_too() -> None:
    prompt = "how do you do in the morning and in the evening of a long day " * 2
    with pytest.raises(InputError, match=r"encoder.query_length: found 16 tokens, of which"):
        load_encoder(settings_for("use-multilingual", query_prompt=prompt))


def test_vectors_that_only_search_would_cut_are_refused(tmp_path: Path) -> None:
    """Training sees what the network gives: all dimensions."""
    folder = labse(tmp_path)
    path = folder / "config_sentence_transformers.json"
    saved = json.loads(path.read_text())
    path.write_text(json.dumps(saved | {"truncate_dim": 4}))
    with pytest.raises(InputError, match=r"_transformers.json: found truncate_dim 4"):
        load_encoder(settings_for(folder))
    path.write_text(json.dumps(saved | {"truncate_dim": 4096}))  # cuts nothing
    load_encoder(settings_for(folder))


@pytest.mark.parametrize("padding", [0, 1, 5])
def test_positions_are_as_many_as_the_network_runs_with(padding: int) -> None:
    config = XLMRobertaConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8, max_position_embeddings=20, pad_token_id=padding,
    )  # fmt: skip
    network = XLMRobertaModel(config)
    longest = _positions(network)
    assert longest is not None
    network(torch.full((1, longest), 7))
    with pytest.raises((IndexError, RuntimeError)):
        network(torch.full((1, longest + 1), 7))


def test_a_pooling_that_was_not_saved_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'mean', but .* was saved with \['cls'\]"):
        load_encoder(settings_for(labse(tmp_path), pooling="mean"))


@pytest.mark.skipif(os.environ.get("HF_HUB_OFFLINE") != "1", reason="must not reach the hub")
def test_without_a_network_the_files_are_listed() -> None:
    name = "sentence-transformers/LaBSE"
    with pytest.raises(InputError, match=r"HF_HUB_OFFLINE.*modules.json.*2_Dense/model.safe"):
        load_encoder(settings_for(name, revision="0" * 40))
