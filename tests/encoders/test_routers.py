"""Checkpoints of several routes: listed classes only, in their folder, looked through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
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
from polybatch.encoders.allowed import full_name
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.load import load_encoder
from tests.helpers.harmful_checkpoints import MARK, TEXTS, with_code
from tests.helpers.small_encoders import settings_for


@pytest.fixture(scope="module")
def routed(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two routes, a transformer and a pooling each, then a dense layer and unit length."""
    folder = tmp_path_factory.mktemp("routed") / "routed"
    routes = [[Transformer(str(saved)), Pooling(32, pooling_mode="mean")] for _ in range(2)]
    router = Router.for_query_document(*routes)
    modules = [router, Dense(32, 32), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder


@pytest.mark.parametrize("name", ["query_0_Transformer", "document_1_Pooling"])
@pytest.mark.parametrize(
    "kind", ["own.Module", "polybatch.Module", "torch.nn.Linear", full_name(Router), 3]
)
def test_a_router_names_listed_classes_only(
    name: str, kind: Any, routed: Path, tmp_path: Path
) -> None:
    folder = with_code(routed, tmp_path)
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
    folder = with_code(routed, tmp_path)
    path = folder / "router_config.json"
    config = json.loads(path.read_text())
    config["types"][route] = config["types"].pop("query_0_Transformer")
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match="router_config"):
        load_encoder(settings_for(folder))


def test_a_routers_parts_are_looked_through_too(routed: Path, tmp_path: Path) -> None:
    folder = with_code(routed, tmp_path)
    part = folder / "query_0_Transformer"
    weights = load_file(part / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.weight")
    save_file(weights, part / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"query_0_Transformer: found no weights for 1 parts"):
        load_encoder(settings_for(folder))


def test_a_router_of_listed_classes_loads_and_says_its_route(
    routed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = with_code(routed, tmp_path)
    encoder = load_encoder(settings_for(folder))
    expected = SentenceTransformer(str(routed), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(encode_texts(encoder, TEXTS, 32, 2), expected, atol=1e-6)
    assert "takes 'document' for queries and documents alike" in caplog.text
    save_checkpoint(encoder, tmp_path / "again")
    again = encode_texts(open_checkpoint(tmp_path / "again"), TEXTS, 32, 2)
    np.testing.assert_array_equal(again, encode_texts(encoder, TEXTS, 32, 2))
    assert not (tmp_path / MARK).exists()
