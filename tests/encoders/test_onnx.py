"""A graph gives the vectors of the encoder that it was made of, for texts of all lengths."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense

from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of
from polybatch.encoders import hub, onnx_file
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.onnx_encoder import OnnxEncoder
from polybatch.encoders.onnx_graph import FILE, OPSET, check_packages, write_graph
from polybatch.exports.onnx_section import onnx_section
from tests.helpers.onnx_code import run_onnx_code
from tests.helpers.small_encoders import (
    e5,
    labse,
    minilm_shape,
    modern_bert,
    settings_for,
    xlm_roberta,
)

TEXTS = [
    "how are you", "wie geht es dir", "", "東京都", "Как дела сегодня вечером", "สวัสดีครับ",
    "ما اسمك", "Habari gani, rafiki yangu wa zamani sana " * 5, "a",
]  # fmt: skip


def _load(make: Callable[..., Path], folder: Path) -> tuple[SentenceTransformer, Path]:
    place = make(folder, TEXTS)
    return hub.load(settings_for(place)), place


@pytest.mark.parametrize("make", [xlm_roberta, labse, e5, modern_bert])
def test_vectors_are_those_of_the_encoder(make: Callable[..., Path], tmp_path: Path) -> None:
    """Three truths: torch in ragged batches, one text at a time, and the card's code."""
    encoder, folder = _load(make, tmp_path)
    write_graph(encoder, folder, half=False)
    graph = OnnxEncoder(encoder, folder)
    truth = encode_texts(encoder, TEXTS, 32, 4)
    found = encode_texts(graph, TEXTS, 32, 4)
    assert np.allclose(found, truth, atol=1e-5)
    single = np.concatenate([encode_texts(graph, [text], 32, 4) for text in TEXTS])
    assert np.allclose(single, truth, atol=1e-5)
    behind = encode_texts(graph, TEXTS, 32, 4, "a: ")
    assert np.allclose(behind, encode_texts(encoder, TEXTS, 32, 4, "a: "), atol=1e-5)
    section = onnx_section(encoder, graph.inputs, 32)
    assert np.allclose(run_onnx_code(section, folder, TEXTS), truth, atol=1e-5)


def test_the_file_is_where_and_as_other_programs_expect_it(tmp_path: Path) -> None:
    encoder, folder = _load(minilm_shape, tmp_path)
    write_graph(encoder, folder, half=False)
    path = folder / "onnx" / "model.onnx"
    assert [each.name for each in path.parent.iterdir()] == ["model.onnx"]
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", OPSET)]
    session = onnxruntime.InferenceSession(path)
    inputs = {each.name: (each.type, each.shape) for each in session.get_inputs()}
    axes = ["batch_size", "sequence_length"]
    names = ("input_ids", "attention_mask", "token_type_ids")
    assert inputs == dict.fromkeys(names, ("tensor(int64)", axes))
    outputs = {each.name: each.shape for each in session.get_outputs()}
    assert outputs == {"last_hidden_state": [*axes, 32], "sentence_embedding": ["batch_size", 32]}
    features = encoder.preprocess(TEXTS)
    (hidden,) = session.run(["last_hidden_state"], {n: features[n].numpy() for n in inputs})
    with torch.no_grad():
        truth = hub.transformer_of(encoder)(**{n: features[n] for n in inputs})
    kept = features["attention_mask"].numpy().astype(bool)
    assert np.allclose(hidden[kept], truth.last_hidden_state.numpy()[kept], atol=1e-5)


def test_rounded_weights_stay_small_and_the_same(tmp_path: Path) -> None:
    """The truth is torch in float32 on weights that float16 holds exactly."""
    encoder, folder = _load(labse, tmp_path)
    write_graph(encoder, folder, half=False)
    full = (folder / FILE).stat().st_size
    encoder.half().float()
    (tmp_path / "half").mkdir()
    write_graph(encoder, tmp_path / "half", half=True)
    assert (tmp_path / "half" / FILE).stat().st_size < 0.7 * full
    found = encode_texts(OnnxEncoder(encoder, tmp_path / "half"), TEXTS, 32, 4)
    assert np.allclose(found, encode_texts(encoder, TEXTS, 32, 4), atol=1e-5)


def test_the_same_bytes_twice_and_two_files_where_one_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, _ = _load(labse, tmp_path / "encoder")
    for name in ("first", "second", "large"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(onnx_file, "_LARGEST", 1000 if name == "large" else 10**9)
        write_graph(encoder, tmp_path / name, half=False)
    assert sha256_of(tmp_path / "first" / FILE) == sha256_of(tmp_path / "second" / FILE)
    files = sorted(each.name for each in (tmp_path / "large/onnx").iterdir())
    assert files == ["model.onnx", "model.onnx_data"]
    found = encode_texts(OnnxEncoder(encoder, tmp_path / "large"), TEXTS, 32, 4)
    assert np.allclose(found, encode_texts(encoder, TEXTS, 32, 4), atol=1e-5)


class _Lgamma(torch.nn.Module):
    """What ONNX has no operation for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.lgamma(x)


def test_what_is_no_graph_is_refused_in_one_sentence(tmp_path: Path) -> None:
    encoder, _ = _load(labse, tmp_path)
    pooling = encoder[1]
    pooling.include_prompt = False
    with pytest.raises(InputError, match=r"pooled without its prompt.*without --onnx"):
        write_graph(encoder, tmp_path, half=False)
    pooling.include_prompt = True
    encoder[2] = Dense(32, 32, activation_function=_Lgamma())
    with pytest.raises(InputError, match=r"lgamma.*without --onnx"):
        write_graph(encoder, tmp_path, half=False)
    encoder[2] = torch.nn.Identity()
    with pytest.raises(InputError, match=r"an encoder of Transformer, Pooling, Identity"):
        write_graph(encoder, tmp_path, half=False)
    assert not (tmp_path / "onnx").exists()


def test_without_its_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as Python marks what cannot be imported
    with pytest.raises(
        InputError, match=r"no package onnxruntime.*pip install 'polybatch\[onnx\]'"
    ):
        check_packages()
