"""Sound checkpoints come back as they were saved, also by other versions and through caches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Normalize,
    Pooling,
    Transformer,
)

from polybatch.core.errors import InputError
from polybatch.encoders.allowed import ACTIVATIONS, MODULES, class_of, full_name
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.load import load_encoder
from polybatch.encoders.shipped_code import EXPORTED
from polybatch.settings.encoder import EncoderSettings
from tests.helpers.harmful_checkpoints import TEXTS, edit, module, with_code
from tests.helpers.small_encoders import settings_for, xlm_roberta


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
    edit(
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
    folder = with_code(saved, tmp_path)
    module(place, type=kind)(folder)
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
