"""Nothing that comes with a checkpoint runs: every trick is refused, and leaves no mark."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Normalize,
    Pooling,
    Router,
    Transformer,
)

from polybatch.core.errors import InputError
from polybatch.encoders.allowed import ACTIVATIONS, MODULES, class_of, full_name
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.load import load_encoder
from polybatch.encoders.shipped_code import EXPORTED
from polybatch.settings.encoder import EncoderSettings
from tests.helpers.small_encoders import labse, settings_for, xlm_roberta

TEXTS = ["word1 word2 word3", "word250"]
Harm = Callable[[Path], Any]
MARK = "code-of-the-checkpoint-ran"
CODE = f"""from pathlib import Path
(Path(__file__).resolve().parent.parent / "{MARK}").touch()
import torch
class Module(torch.nn.Module):
    load = classmethod(lambda cls, *_, **__: cls())
Tanh = Transformer = Model = Config = Tokenizer = Module
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labse(tmp_path_factory.mktemp("saved"))


@pytest.fixture(scope="module")
def routed(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two routes, a transformer and a pooling each, then a dense layer and unit length."""
    folder = tmp_path_factory.mktemp("routed") / "routed"
    routes = [[Transformer(str(saved)), Pooling(32, pooling_mode="mean")] for _ in range(2)]
    router = Router.for_query_document(*routes)
    modules = [router, Dense(32, 32), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder


def _copy(saved: Path, tmp_path: Path) -> Path:
    """Return a copy with code beside it, under every name that a package or a module has."""
    folder = tmp_path / "given"
    shutil.copytree(saved, folder)
    for name in ("polybatch", "torch", "own", "transformers", "modeling_own"):
        (folder / f"{name}.py").write_text(CODE)
    package = folder / "sentence_transformers"
    package.mkdir()
    (package / "__init__.py").write_text(CODE.replace("parent.parent", "parent.parent.parent"))
    return folder


def _edit(name: str, **changes: Any) -> Harm:
    def harm(folder: Path) -> None:
        path = folder / name
        value = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(value | changes))

    return harm


def _module(place: int, **changes: Any) -> Harm:
    def harm(folder: Path) -> None:
        path = folder / "modules.json"
        entries = json.loads(path.read_text())
        entries[place] |= changes
        path.write_text(json.dumps(entries))

    return harm


class _Runs:
    """A pickle that makes a file when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mknod, (str(self.mark),)


def _pickled(name: str, keep: bool = False) -> Harm:
    def harm(folder: Path) -> None:
        weights = (folder / name).parent
        (folder / name).write_bytes(pickle.dumps(_Runs(folder.parent / MARK)))
        if not keep:
            (weights / "model.safetensors").unlink()

    return harm


def _sharded(name: str) -> Harm:
    def harm(folder: Path) -> None:
        names = load_file(folder / "model.safetensors")
        _pickled("shard.bin")(folder)
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
    _module(2, path="../2_Dense")(folder)


def _absolute(folder: Path) -> None:
    _module(2, path=str(folder / "2_Dense"))(folder)


DENSE = "2_Dense/config.json"
TRICKS: dict[str, Harm] = {
    "our prefix": _module(0, type="polybatch.Module"),
    "our prefix, a deeper name": _module(0, type="polybatch.encoders.hub.Module"),
    "a function of ours": _module(0, type="polybatch.encoders.load_encoder"),
    "their prefix": _module(0, type="sentence_transformers.Module"),
    "their trainer": _module(1, type="sentence_transformers.SentenceTransformer"),
    "a module beside it": _module(1, type="own.Module"),
    "a package": _module(1, type="torch.Module"),
    "no class": _module(1, type=""),
    "a list of classes": _module(1, type=["own.Module"]),
    "a module beside it, as activation": _edit(DENSE, activation_function="own.Tanh"),
    "torch, a function": _edit(DENSE, activation_function="torch.hub.load"),
    "torch, a deeper name": _edit(DENSE, activation_function="torch.own.Tanh"),
    "torch, a class of arguments": _edit(DENSE, activation_function="torch.nn.Sequential"),
    "auto_map": _edit("config.json", auto_map={"AutoModel": "own.Model"}),
    "auto_map, empty": _edit("config.json", auto_map={}),
    "auto_map of another repository": _edit("config.json", auto_map={"AutoModel": "a/b--own.M"}),
    "auto_map deeper": _edit("config.json", text_config={"auto_map": {"AutoConfig": "own.Config"}}),
    "auto_map of a tokenizer": _edit(
        "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokenizer", None]}
    ),
    "auto_map of a processor": _edit("processor_config.json", auto_map={"AutoProcessor": "own.M"}),
    "auto_map in a folder of a folder": _edit("2_Dense/other_config.json", auto_map={"a": "own.M"}),
    "a tokenizer of no list": _edit("tokenizer_config.json", tokenizer_class="own.Tokenizer"),
    "a class that is no tokenizer": _edit("tokenizer_config.json", tokenizer_class="AutoModel"),
    "a class that is no processor": _edit("processor_config.json", processor_class="Trainer"),
    "an image processor": _edit("preprocessor_config.json", image_processor_type="own.Module"),
    "a kernel": _edit("config.json", _attn_implementation="own/kernel"),
    "a kernel of a part": _edit("config.json", attn_implementation={"text_config": "own/kernel"}),
    "a type that is a function": _edit("config.json", dtype="load"),
    "weights of another name": _edit("config.json", transformers_weights="own.bin"),
    "quantised": _edit("config.json", quantization_config={"quant_method": "own"}),
    "custom pipelines": _edit("config.json", custom_pipelines={"x": {"impl": "own.Module"}}),
    "trust": _edit("sentence_bert_config.json", model_args={"trust_remote_code": True}),
    "weights_only": _edit("sentence_bert_config.json", model_args={"weights_only": False}),
    "another tokenizer": _edit("sentence_bert_config.json", tokenizer_name_or_path="../outside"),
    "another task": _edit("sentence_bert_config.json", transformer_task="retrieval"),
    "another method": _edit(
        "sentence_bert_config.json",
        modality_config={"text": {"method": "save_pretrained", "method_output_name": "x"}},
        module_output_name="token_embeddings",
    ),
    "static embeddings": _module(0, type="sentence_transformers.models.StaticEmbedding"),
    "word embeddings": _module(0, type="sentence_transformers.models.WordEmbeddings"),
    "another backend": _edit("sentence_bert_config.json", backend="onnx"),
    "a graph beside it": _edit(
        "sentence_bert_config.json", model_args={"file_name": "openvino/own.xml"}
    ),
    "a GGUF file": _edit("sentence_bert_config.json", model_args={"gguf_file": "own.gguf"}),
    "a slow tokenizer": _edit("tokenizer_config.json", slow_tokenizer_class="own.Tokenizer"),
    "a feature extractor": _edit("preprocessor_config.json", feature_extractor_type="own.Module"),
    "a video processor": _edit("video_preprocessor_config.json", video_processor_type="own.Module"),
    "custom generation": _edit("generation_config.json", custom_generate="own/repository"),
    "an encoder of another kind": _edit(
        "config_sentence_transformers.json", model_type="CrossEncoder"
    ),
    "an adapter": _edit("adapter_config.json", base_model_name_or_path="own/model"),
    "a pickle": _pickled("pytorch_model.bin"),
    "a pickle of a layer": _pickled("2_Dense/pytorch_model.bin"),
    "a pickle under another name": lambda folder: _pickled("model.safetensors", True)(folder),
    "a pickle as a shard": _sharded("shard.bin"),
    "a shard outside": _sharded("../outside.safetensors"),
    "a path that leaves": _outside,
    "an absolute path": _absolute,
    "a path with a NUL": _module(2, path="2_Dense\0"),
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
    folder = _copy(saved, tmp_path)
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


@pytest.mark.parametrize("name", ["query_0_Transformer", "document_1_Pooling"])
@pytest.mark.parametrize(
    "kind", ["own.Module", "polybatch.Module", "torch.nn.Linear", full_name(Router), 3]
)
def test_a_router_names_listed_classes_only(
    name: str, kind: Any, routed: Path, tmp_path: Path
) -> None:
    folder = _copy(routed, tmp_path)
    path = folder / "router_config.json"
    config = json.loads(path.read_text())
    assert name in config["types"]
    config["types"][name] = kind
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match="router_config"):
        load_encoder(settings_for(folder))
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize("route", ["../query_0_Transformer", "/etc", ""])
def test_a_router_stays_in_its_folder(route: str, routed: Path, tmp_path: Path) -> None:
    folder = _copy(routed, tmp_path)
    path = folder / "router_config.json"
    config = json.loads(path.read_text())
    config["types"][route] = config["types"].pop("query_0_Transformer")
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match="router_config"):
        load_encoder(settings_for(folder))


def test_a_routers_parts_are_looked_through_too(routed: Path, tmp_path: Path) -> None:
    folder = _copy(routed, tmp_path)
    part = folder / "query_0_Transformer"
    weights = load_file(part / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.weight")
    save_file(weights, part / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"query_0_Transformer: found no weights for 1 parts"):
        load_encoder(settings_for(folder))


def test_a_router_of_listed_classes_loads_and_says_its_route(
    routed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = _copy(routed, tmp_path)
    encoder = load_encoder(settings_for(folder))
    expected = SentenceTransformer(str(routed), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(encode_texts(encoder, TEXTS, 32, 2), expected, atol=1e-6)
    assert "takes 'document' for queries and documents alike" in caplog.text
    save_checkpoint(encoder, tmp_path / "again")
    again = encode_texts(open_checkpoint(tmp_path / "again"), TEXTS, 32, 2)
    np.testing.assert_array_equal(again, encode_texts(encoder, TEXTS, 32, 2))
    assert not (tmp_path / MARK).exists()


def test_a_folder_that_python_imports_from_is_refused(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _copy(saved, tmp_path)
    for place in (folder, folder / "2_Dense"):
        with monkeypatch.context() as patch:
            patch.syspath_prepend(place)
            with pytest.raises(InputError, match="imports code from"):
                load_encoder(settings_for(folder))
    assert not (tmp_path / MARK).exists()


def test_code_beside_a_good_checkpoint_is_left_alone(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _copy(saved, tmp_path)
    _pickled("pytorch_model.bin", keep=True)(folder)
    monkeypatch.chdir(folder)
    before = sys.path.copy()
    vectors = encode_texts(load_encoder(settings_for(folder)), TEXTS, 32, 2)
    np.testing.assert_array_equal(
        vectors, encode_texts(load_encoder(settings_for(saved)), TEXTS, 32, 2)
    )
    assert sys.path == before
    assert not (tmp_path / MARK).exists()


def test_links_of_the_hubs_and_dvcs_caches_are_followed(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models--a--b" / "snapshots" / ("0" * 40)
    shutil.copytree(saved, folder)
    for name, place in (("model.safetensors", "blobs/" + "a" * 64),
                        ("config.json", "files/md5/0a/" + "b" * 30)):  # fmt: skip
        target = tmp_path / "models--a--b" / place
        target.parent.mkdir(parents=True)
        shutil.move(folder / name, target)
        (folder / name).symlink_to(target)
    assert load_encoder(settings_for(folder))
    (tmp_path / "link").symlink_to(folder)
    assert load_encoder(settings_for(tmp_path / "link"))


def test_what_the_library_saves_comes_back_the_same(saved: Path, tmp_path: Path) -> None:
    """The library's own loader is the truth: settings of the whole encoder, and vectors."""
    _edit(
        "config_sentence_transformers.json",
        prompts={"query": "word1 ", "document": "word2 ", "other": "x"},
        default_prompt_name="query",
        similarity_fn_name="dot",
        truncate_dim=16,
    )(folder := Path(shutil.copytree(saved, tmp_path / "given")))
    ours, theirs = open_checkpoint(folder), SentenceTransformer(str(folder), device="cpu")
    for name in ("prompts", "default_prompt_name", "similarity_fn_name", "truncate_dim",
                 "max_seq_length", "module_kwargs"):  # fmt: skip
        assert getattr(ours, name) == getattr(theirs, name), name
    np.testing.assert_array_equal(ours.encode(TEXTS), theirs.encode(TEXTS))
    ours.save(str(tmp_path / "ours"), create_model_card=False)
    theirs.save(str(tmp_path / "theirs"), create_model_card=False)
    files = [path.relative_to(tmp_path / "ours") for path in (tmp_path / "ours").rglob("*")]
    assert len(files) > 8
    for name in files:
        one, other = tmp_path / "ours" / name, tmp_path / "theirs" / name
        assert one.is_dir() or one.read_bytes() == other.read_bytes(), name


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (0, "sentence_transformers.models.Transformer"),
        (1, "sentence_transformers.models.Pooling"),
        (1, "sentence_transformers.models.Pooling.Pooling"),
        (2, "sentence_transformers.models.Dense"),
        (3, "sentence_transformers.models.Normalize"),
        (3, "sentence_transformers.sentence_transformer.modules.normalize.Normalize"),
    ],
)
def test_names_of_earlier_releases_load(place: int, kind: str, saved: Path, tmp_path: Path) -> None:
    folder = _copy(saved, tmp_path)
    _module(place, type=kind)(folder)
    assert load_encoder(settings_for(folder))


def test_a_checkpoint_of_the_default_encoder_loads_as_saved_today(tmp_path: Path) -> None:
    save_checkpoint(
        load_encoder(EncoderSettings("use-multilingual", "", "as-saved", "", "", 8, 8, 8, "fp32")),
        tmp_path,
    )
    entries = json.loads((tmp_path / "modules.json").read_text())
    assert [each["type"] for each in entries] == [
        "polybatch.encoders.use_multilingual.UseMultilingual"
    ]
    assert open_checkpoint(tmp_path).encode(TEXTS).shape == (2, 512)


def test_all_listed_classes_are_the_packages_own() -> None:
    for name in MODULES:
        package = "polybatch" if name == EXPORTED else name.split(".")[0]
        kind = class_of(name)
        assert kind.__module__.startswith(f"{package}.")
        assert package in ("polybatch", "sentence_transformers")
        assert MODULES[full_name(kind)] == MODULES[name]  # what the library saves today is listed
        assert kind.__name__ == MODULES[name].rpartition(".")[2]
    for name in ACTIVATIONS:
        kind = getattr(torch.nn, name.rpartition(".")[2])
        assert kind()(torch.ones(2, 3)).shape == (2, 3)


def test_a_module_of_no_list_is_refused_before_it_is_saved(tmp_path: Path) -> None:
    class Own(Normalize):  # type: ignore[misc]
        pass

    encoder = SentenceTransformer(
        modules=[Transformer(str(xlm_roberta(tmp_path / "x"))), Pooling(32), Own()], device="cpu"
    )
    with pytest.raises(InputError, match="Own"):
        save_checkpoint(encoder, tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


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
FILES = [
    "modules.json", "config_sentence_transformers.json", "config.json", "sentence_bert_config.json",
    "tokenizer_config.json", "1_Pooling/config.json", "2_Dense/config.json", "tokenizer.json",
    "processor_config.json",
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
    folder = _copy(saved, home)
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
