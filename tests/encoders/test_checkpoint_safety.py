"""Nothing that comes with a checkpoint runs: every trick is refused, and leaves no mark."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from polybatch.core.errors import InputError
from polybatch.encoders.allowed import MODULES
from polybatch.encoders.checkpoints import open_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.load import load_encoder
from tests.helpers.harmful_checkpoints import (
    FILES,
    MARK,
    TEXTS,
    Harm,
    edit,
    module,
    pickled,
    with_code,
)
from tests.helpers.small_encoders import settings_for


def _sharded(name: str) -> Harm:
    def harm(folder: Path) -> None:
        names = load_file(folder / "model.safetensors")
        pickled("shard.bin")(folder)
        index = {"metadata": {}, "weight_map": dict.fromkeys(names, name)}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return harm


def _linked(name: str) -> Harm:
    def harm(folder: Path) -> None:
        outside = folder.parent / "outside"
        shutil.move(folder / name, outside)
        (folder / name).symlink_to(outside)

    return harm


def _outside(folder: Path) -> None:
    shutil.move(folder / "2_Dense", folder.parent / "2_Dense")
    module(2, path="../2_Dense")(folder)


def _absolute(folder: Path) -> None:
    module(2, path=str(folder / "2_Dense"))(folder)


DENSE = "2_Dense/config.json"
TRICKS: dict[str, Harm] = {
    "our prefix": module(0, type="polybatch.Module"),
    "our prefix, a deeper name": module(0, type="polybatch.encoders.hub.Module"),
    "a function of ours": module(0, type="polybatch.encoders.load_encoder"),
    "their prefix": module(0, type="sentence_transformers.Module"),
    "their trainer": module(1, type="sentence_transformers.SentenceTransformer"),
    "a module beside it": module(1, type="own.Module"),
    "a package": module(1, type="torch.Module"),
    "no class": module(1, type=""),
    "a list of classes": module(1, type=["own.Module"]),
    "a module beside it, as activation": edit(DENSE, activation_function="own.Tanh"),
    "torch, a function": edit(DENSE, activation_function="torch.hub.load"),
    "torch, a deeper name": edit(DENSE, activation_function="torch.own.Tanh"),
    "torch, a class of arguments": edit(DENSE, activation_function="torch.nn.Sequential"),
    "auto_map": edit("config.json", auto_map={"AutoModel": "own.Model"}),
    "auto_map, empty": edit("config.json", auto_map={}),
    "auto_map of another repository": edit("config.json", auto_map={"AutoModel": "a/b--own.M"}),
    "auto_map deeper": edit("config.json", text_config={"auto_map": {"AutoConfig": "own.Config"}}),
    "auto_map of a tokenizer": edit(
        "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokenizer", None]}
    ),
    "auto_map of a processor": edit("processor_config.json", auto_map={"AutoProcessor": "own.M"}),
    "auto_map in a folder of a folder": edit("2_Dense/other_config.json", auto_map={"a": "own.M"}),
    "a tokenizer of no list": edit("tokenizer_config.json", tokenizer_class="own.Tokenizer"),
    "a class that is no tokenizer": edit("tokenizer_config.json", tokenizer_class="AutoModel"),
    "a class that is no processor": edit("processor_config.json", processor_class="Trainer"),
    "an image processor": edit("preprocessor_config.json", image_processor_type="own.Module"),
    "a kernel": edit("config.json", _attn_implementation="own/kernel"),
    "a kernel of a part": edit("config.json", attn_implementation={"text_config": "own/kernel"}),
    "a type that is a function": edit("config.json", dtype="load"),
    "weights of another name": edit("config.json", transformers_weights="own.bin"),
    "quantised": edit("config.json", quantization_config={"quant_method": "own"}),
    "custom pipelines": edit("config.json", custom_pipelines={"x": {"impl": "own.Module"}}),
    "trust": edit("sentence_bert_config.json", model_args={"trust_remote_code": True}),
    "weights_only": edit("sentence_bert_config.json", model_args={"weights_only": False}),
    "another tokenizer": edit("sentence_bert_config.json", tokenizer_name_or_path="../outside"),
    "another task": edit("sentence_bert_config.json", transformer_task="retrieval"),
    "another method": edit(
        "sentence_bert_config.json",
        modality_config={"text": {"method": "save_pretrained", "method_output_name": "x"}},
        module_output_name="token_embeddings",
    ),
    "static embeddings": module(0, type="sentence_transformers.models.StaticEmbedding"),
    "word embeddings": module(0, type="sentence_transformers.models.WordEmbeddings"),
    "another backend": edit("sentence_bert_config.json", backend="onnx"),
    "a graph beside it": edit(
        "sentence_bert_config.json", model_args={"file_name": "openvino/own.xml"}
    ),
    "a GGUF file": edit("sentence_bert_config.json", model_args={"gguf_file": "own.gguf"}),
    "a slow tokenizer": edit("tokenizer_config.json", slow_tokenizer_class="own.Tokenizer"),
    "a feature extractor": edit("preprocessor_config.json", feature_extractor_type="own.Module"),
    "a video processor": edit("video_preprocessor_config.json", video_processor_type="own.Module"),
    "custom generation": edit("generation_config.json", custom_generate="own/repository"),
    "an encoder of another kind": edit(
        "config_sentence_transformers.json", model_type="CrossEncoder"
    ),
    "an adapter": edit("adapter_config.json", base_model_name_or_path="own/model"),
    "a pickle": pickled("pytorch_model.bin"),
    "a pickle of a layer": pickled("2_Dense/pytorch_model.bin"),
    "a pickle under another name": lambda folder: pickled("model.safetensors", True)(folder),
    "a pickle as a shard": _sharded("shard.bin"),
    "a shard outside": _sharded("../outside.safetensors"),
    "a path that leaves": _outside,
    "an absolute path": _absolute,
    "a path with a NUL": module(2, path="2_Dense\0"),
    "a link to a folder outside": _linked("2_Dense"),
    "a link to a file outside": _linked("model.safetensors"),
    "a link to nothing": lambda folder: (folder / "more").symlink_to("nowhere"),
    "a link to itself": lambda folder: (folder / "more").symlink_to("more"),
    "a pipe": lambda folder: os.mkfifo(folder / "generation_config.json"),
    "modules of a folder of a folder": lambda folder: (folder / "2_Dense/modules.json").write_text(
        json.dumps([{"idx": 0, "name": "0", "path": "", "type": "own.Module"}])
    ),
}


@pytest.mark.parametrize("name", TRICKS)
def test_code_of_a_checkpoint_is_refused(
    name: str, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_code(saved, tmp_path)
    TRICKS[name](folder)
    monkeypatch.chdir(folder)
    loaded = set(sys.modules)
    with pytest.raises(InputError):
        load_encoder(settings_for(folder))
    with pytest.raises(InputError):
        open_checkpoint(folder)
    assert not (tmp_path / MARK).exists()
    new = {name for name in set(sys.modules) - loaded if name.startswith("transformers_modules")}
    assert not new


def test_a_folder_that_python_imports_from_is_refused(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_code(saved, tmp_path)
    for place in (folder, folder / "2_Dense"):
        with monkeypatch.context() as patch:
            patch.syspath_prepend(place)
            with pytest.raises(InputError, match="imports code from"):
                load_encoder(settings_for(folder))
    assert not (tmp_path / MARK).exists()


def test_code_beside_a_good_checkpoint_is_left_alone(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_code(saved, tmp_path)
    pickled("pytorch_model.bin", keep=True)(folder)
    monkeypatch.chdir(folder)
    before = sys.path.copy()
    vectors = encode_texts(load_encoder(settings_for(folder)), TEXTS, 32, 2)
    np.testing.assert_array_equal(
        vectors, encode_texts(load_encoder(settings_for(saved)), TEXTS, 32, 2)
    )
    assert sys.path == before
    assert not (tmp_path / MARK).exists()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    | st.sampled_from(["own.Module", "../x", "/", "polybatch.Module", "torch.load", "builtins.eval",
                       "AutoModel", *sorted(MODULES)[:4]]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)  # fmt: skip
KEYS = [
    "auto_map", "type", "path", "name", "kwargs", "tokenizer_class", "model_type", "architectures",
    "activation_function", "pooling_mode", "prompts", "default_prompt_name", "truncate_dim",
    "pad_token_id", "pad_token", "processor_class", "dtype", "model_args", "modality_config",
]  # fmt: skip


def _mutate(data: st.DataObject, value: Any) -> Any:
    """Return JSON in which one value, at any depth, is another, is gone, or is new."""
    if isinstance(value, list) and value and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(value) - 1))
        return [*value[:place], _mutate(data, value[place]), *value[place + 1 :]]
    if isinstance(value, dict) and value and data.draw(st.integers(0, 5)):
        key = data.draw(st.sampled_from(sorted(value)) | st.sampled_from(KEYS))
        if key in value and not data.draw(st.integers(0, 4)):
            return {name: each for name, each in value.items() if name != key}
        return value | {key: _mutate(data, value.get(key))}
    return data.draw(VALUES)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_change_is_refused_or_gives_an_encoder(
    data: st.DataObject, saved: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("mutated")
    folder = with_code(saved, home)
    for name in data.draw(st.lists(st.sampled_from(FILES), min_size=1, max_size=2, unique=True)):
        path = folder / name
        text = path.read_text() if path.is_file() else "{}"
        if data.draw(st.integers(0, 9)):
            text = json.dumps(_mutate(data, json.loads(text)))
        else:
            text = text[: data.draw(st.integers(0, len(text)))]
        path.write_text(text)
    try:
        encoder = load_encoder(settings_for(folder))
    except InputError as error:
        reason = str(error)
    else:
        reason = ""
        assert np.isfinite(encode_texts(encoder, TEXTS, 16, 2)).all()
    assert not reason or ", expected " in reason
    assert not (home / MARK).exists()
    shutil.rmtree(home)
