"""Encoders made of sentence-transformers' modules, opened and trained with that library.

Importing it takes seconds (it brings its trainers, scikit-learn and more), so nobody imports this
module before a checkpoint or a training needs it.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Transformer
from torch import nn
from transformers.utils.logging import disable_progress_bar

from polybatch.encoders.allowed import MODULES, class_of
from polybatch.encoders.inspection import Part
from polybatch.encoders.light import Encoder, LightEncoder
from polybatch.encoders.padding import padding_settings

_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
_SIMILARITIES = SentenceTransformer.SUPPORTED_SIMILARITY_FN_NAMES


def open_parts(
    folder: Path, parts: Sequence[Part], config: Mapping[str, Any]
) -> SentenceTransformer:
    """Return the encoder of an inspected folder. `config`: its settings, checked."""
    quiet()
    similarity = config.get("similarity_fn_name")
    encoder = SentenceTransformer(
        modules=OrderedDict((part.name, _load(folder, part)) for part in parts),
        device="cpu",
        prompts=config.get("prompts"),
        default_prompt_name=config.get("default_prompt_name"),
        similarity_fn_name=similarity if similarity in _SIMILARITIES else None,
        truncate_dim=config.get("truncate_dim"),
        local_files_only=True,
    )
    encoder.module_kwargs = {part.name: list(part.keywords) for part in parts}
    return encoder


def as_sentence_transformer(encoder: Encoder) -> SentenceTransformer:
    """Return an encoder as sentence-transformers has them; the weights are shared."""
    if not isinstance(encoder, LightEncoder):
        return encoder
    return SentenceTransformer(
        modules=OrderedDict(encoder.named_children()),
        device=str(encoder.device),
        prompts=encoder.prompts,
        default_prompt_name=encoder.default_prompt_name,
        similarity_fn_name=encoder.similarity_fn_name,
        local_files_only=True,
    )


def _load(folder: Path, part: Part) -> nn.Module:
    named: dict[str, Any] = {"subfolder": part.path, **_LOCAL, "backend": "torch"}
    if part.is_a("Transformer"):
        transformer: nn.Module = load_transformer(folder, part.path)
        return transformer
    if part.is_a("Router"):
        named["module_classes"] = {
            name: _OpenTransformer if class_of(name) is Transformer else class_of(name)
            for name in MODULES
        }
    kind: Any = class_of(part.kind)
    loaded: nn.Module = kind.load(str(folder), **named)
    return loaded


class _OpenTransformer:
    """What a Router calls in place of Transformer: makes one, as `load_transformer` does."""

    @staticmethod
    def load(folder: str, subfolder: str = "", **_: Any) -> Transformer:
        """Return the transformer in a folder of a folder."""
        return load_transformer(Path(folder), subfolder)


def load_transformer(folder: Path, path: str, saved: bool = True) -> Transformer:
    """Return the transformer in `folder/path` in float32, with one padding token.

    `saved`: by sentence-transformers, whose own settings are then read too.
    """
    tokenizer, config = padding_settings(folder / path)
    settings = {
        "model_kwargs": {"dtype": torch.float32, "use_safetensors": True},
        "processor_kwargs": tokenizer,
        "config_kwargs": config,
    }
    if saved:
        return Transformer.load(str(folder), subfolder=path, **_LOCAL, backend="torch", **settings)
    return Transformer(
        str(folder / path), **{name: {**_LOCAL, **value} for name, value in settings.items()}
    )


def quiet() -> None:
    """Let transformers draw bars on a terminal only."""
    if not sys.stderr.isatty():
        disable_progress_bar()
