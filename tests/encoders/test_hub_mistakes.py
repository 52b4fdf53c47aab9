"""Folders that are no whole encoder and settings that do not fit one are refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from polybatch.core.errors import InputError
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


def test_a_pooling_that_was_not_saved_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'mean', but .* was saved with \['cls'\]"):
        load_encoder(settings_for(labse(tmp_path), pooling="mean"))


@pytest.mark.skipif(os.environ.get("HF_HUB_OFFLINE") != "1", reason="must not reach the hub")
def test_without_a_network_the_files_are_listed() -> None:
    name = "sentence-transformers/LaBSE"
    with pytest.raises(InputError, match=r"HF_HUB_OFFLINE.*modules.json.*2_Dense/model.safe"):
        load_encoder(settings_for(name, revision="0" * 40))
