"""Tokenizer and network that disagree on padding train as those that agree; bad weights do not."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model, T5Config, T5EncoderModel

from polybatch.core.errors import InputError
from polybatch.core.files import whole_file, whole_folder
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.load import load_encoder
from polybatch.training.contrastive import Plan, train
from polybatch.training.machine import make_deterministic
from tests.helpers.small_encoders import SHAPE, WORDS, labse, settings_for, xlm_roberta
from tests.training.test_training import LENGTHS, SETTINGS

Agreeing = tuple[Path, dict[str, torch.Tensor]]
PAD = 1  # of the tokenizer; row 0 is the begin token


def _plan() -> Plan:
    """Batches of texts of all lengths, so that most of them are padded."""
    chance = random.Random(0)
    rows = []
    for step in range(4):
        for slot in range(4):
            question = chance.sample(WORDS, chance.randint(1, 5))
            rows.append((step, slot, " ".join(question), " ".join([*question, *WORDS[: 2 * slot]])))
    columns = ["step", "slot", "query_text", "doc_text"]
    return Plan("padded", pl.DataFrame(rows, schema=columns, orient="row"), 4)


def _bert(folder: Path) -> Path:
    """multilingual-e5-small in small: XLM-R's tokenizer, BERT's network."""
    size = json.loads((xlm_roberta(folder) / "config.json").read_text())["vocab_size"]
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=size, pad_token_id=PAD, **SHAPE)).save_pretrained(folder)
    return folder


def _gpt2(folder: Path) -> Path:
    """A network whose embedding has no padding row at all."""
    size = json.loads((xlm_roberta(folder) / "config.json").read_text())["vocab_size"]
    torch.manual_seed(0)
    shape = GPT2Config(
        vocab_size=size, n_embd=32, n_layer=1, n_head=2, n_positions=64, pad_token_id=PAD,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    GPT2Model(shape).save_pretrained(folder)
    return folder


def _t5(folder: Path) -> Path:
    """An encoder of two whose embedding has two names and no padding row."""
    size = json.loads((xlm_roberta(folder) / "config.json").read_text())["vocab_size"]
    torch.manual_seed(0)
    shape = T5Config(
        vocab_size=size, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2, pad_token_id=PAD,
        dropout_rate=0.0,
    )  # fmt: skip
    T5EncoderModel(shape).save_pretrained(folder)
    return folder


NETWORKS = {"bert": _bert, "roberta": xlm_roberta, "gpt2": _gpt2, "t5": _t5}
TABLES = {"t5": "shared", "gpt2": "wte"}


def _changed(folder: Path, name: str, **changes: Any) -> Path:
    """Return a copy whose `name` has other values; those that are ... are gone."""
    copy = Path(shutil.copytree(folder, folder.with_name(f"{folder.name}-changed")))
    value = json.loads((copy / name).read_text()) | changes
    kept = {key: each for key, each in value.items() if each is not ...}
    (copy / name).write_text(json.dumps(kept))
    return copy


def _trained(folder: Path, work: Path) -> dict[str, torch.Tensor]:
    lengths = settings_for(folder)
    make_deterministic(0, 1)
    encoder = load_encoder(lengths)
    train(encoder, _plan(), SETTINGS, lengths, 0, work / "resume", work / "curves")
    state: dict[str, torch.Tensor] = encoder.state_dict()
    return state


@pytest.fixture(scope="module")
def agreeing(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Agreeing]:
    """Each network with the padding of its tokenizer, and its weights trained, once."""

    @cache
    def made(network: str) -> Agreeing:
        folder = tmp_path_factory.mktemp(network)
        right = NETWORKS[network](folder / "right")
        return right, _trained(right, folder)

    return made


@pytest.mark.parametrize("pad", [0, 2, None, 7, -1, 10**6, ...])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_that_names_another_padding_trains_as_with_the_right_one(
    agreeing: Callable[[str], Agreeing], network: str, pad: Any, tmp_path: Path
) -> None:
    right, expected = agreeing(network)
    wrong = _changed(shutil.copytree(right, tmp_path / "given"), "config.json", pad_token_id=pad)
    found = _trained(wrong, tmp_path)
    assert expected.keys() == found.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], atol=0, rtol=0, msg=name)
    table = f"0.model.{TABLES.get(network, 'embeddings.word_embeddings')}.weight"
    before = load_encoder(settings_for(right)).state_dict()[table]
    assert (found[table][0] != before[0]).any()  # the begin token is trained
    assert torch.equal(found[table][PAD], before[PAD])


@pytest.mark.parametrize("network", NETWORKS)
def test_a_tokenizer_without_padding_takes_the_networks(
    agreeing: Callable[[str], Agreeing], network: str, tmp_path: Path
) -> None:
    right, expected = agreeing(network)
    given = shutil.copytree(right, tmp_path / "given")
    found = _trained(_changed(given, "tokenizer_config.json", pad_token=None), tmp_path)
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], atol=0, rtol=0, msg=name)


def test_without_any_padding_the_end_token_pads_and_is_still_trained(tmp_path: Path) -> None:
    right = _bert(tmp_path / "right")
    wrong = _changed(right, "config.json", pad_token_id=None)
    wrong = _changed(wrong, "tokenizer_config.json", pad_token=None)
    expected, found = _trained(right, tmp_path / "a"), _trained(wrong, tmp_path / "b")
    for name, value in found.items():  # what pads is masked, so nothing depends on it
        torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=0, msg=name)


def test_a_padding_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    wrong = _changed(_bert(tmp_path / "right"), "config.json", pad_token_id=10**6)
    wrong = _changed(wrong, "tokenizer_config.json", pad_token=None)
    with pytest.raises(InputError, match="without a padding token"):
        load_encoder(settings_for(wrong))


def test_the_saved_base_names_one_padding(tmp_path: Path) -> None:
    wrong = _changed(_bert(tmp_path / "right"), "config.json", pad_token_id=0)
    save_checkpoint(load_encoder(settings_for(wrong)), tmp_path / "base")
    assert json.loads((tmp_path / "base" / "config.json").read_text())["pad_token_id"] == PAD
    embedding = open_checkpoint(tmp_path / "base")[0].model.get_input_embeddings()
    assert embedding.padding_idx == PAD


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["model.safetensors", "2_Dense/model.safetensors"])
def test_weights_that_are_no_numbers_are_refused(name: str, value: float, tmp_path: Path) -> None:
    folder = labse(tmp_path)
    weights = load_file(folder / name)
    tensor = weights[sorted(weights)[-1]]
    tensor.view(-1)[:2] = value
    save_file(weights, folder / name, metadata={"format": "pt"})
    tail = sorted(weights)[-1]
    with pytest.raises(InputError, match=rf"found 2 of {tensor.numel()} numbers of \S*{tail} "):
        load_encoder(settings_for(folder))


def test_weights_too_large_for_float32_are_refused(tmp_path: Path) -> None:
    folder = xlm_roberta(tmp_path)
    weights = {
        name: each.double() for name, each in load_file(folder / "model.safetensors").items()
    }
    weights["encoder.layer.0.output.dense.bias"][3] = 1e300
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"1 of 32 numbers of .*layer.0.output.dense.bias"):
        load_encoder(settings_for(folder))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_sound_weights_of_16_bits_are_taken(kind: torch.dtype, tmp_path: Path) -> None:
    folder = labse(tmp_path)
    path = folder / "model.safetensors"
    weights = {name: each.to(kind) for name, each in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    name = str(kind).removeprefix("torch.")
    (folder / "config.json").write_text(json.dumps(config | {"dtype": name}))
    state = load_encoder(settings_for(folder)).state_dict()
    for key, value in weights.items():
        np.testing.assert_array_equal(state[f"0.model.{key}"].numpy(), value.float().numpy())


@pytest.fixture(params=[0o022, 0o027, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def _modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}


def test_checkpoints_may_be_read_as_the_umask_says(umask: int, tmp_path: Path) -> None:
    for name, settings in (("a", LENGTHS), ("b", settings_for(labse(tmp_path / "given")))):
        save_checkpoint(load_encoder(settings), tmp_path / name)
        assert _modes(tmp_path / name) == {0o666 & ~umask}


def test_whole_files_and_folders_may_be_read_as_the_umask_says(umask: int, tmp_path: Path) -> None:
    """Both writers, around a library that makes its files for their owner alone."""
    with whole_folder(tmp_path / "folder") as folder:
        (folder / "inner").mkdir()
        for path in (folder / "one", folder / "inner" / "two"):
            path.touch(0o600)
    with whole_file(tmp_path / "file") as path:
        path.touch(0o600)
    assert _modes(tmp_path) == {0o666 & ~umask}
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 3
