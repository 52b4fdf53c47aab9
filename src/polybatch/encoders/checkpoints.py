"""Encoders to and from folders that sentence-transformers reads.

Every folder is opened here, and nothing in it is run: `inspect_folder` has looked through it, each
module is loaded by the class that `allowed.MODULES` holds, and no library is told to trust it.
"""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Router, Transformer
from torch import nn
from transformers.utils.logging import disable_progress_bar

from polybatch.encoders.allowed import MODULES, full_name
from polybatch.encoders.configurations import read_json
from polybatch.encoders.inspection import Part, inspect_folder
from polybatch.encoders.padding import padding_settings
from polybatch.errors import InputError
from polybatch.files import follow_umask, library_writes

_CONFIG = "config_sentence_transformers.json"
_LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def open_checkpoint(folder: Path) -> SentenceTransformer:
    """Read a checkpoint folder; InputError if it is not one, or names what is not listed.

    Outside polybatch: `SentenceTransformer(path)` for all encoders but use-multilingual.
    """
    if not (folder / "modules.json").is_file():
        raise InputError(
            folder,
            "no modules.json",
            "a sentence-transformers folder",
            "Run `dvc repro`: it rebuilds what is missing",
        )
    parts = inspect_folder(folder)
    config = _config(folder / _CONFIG)
    quiet()
    with loading(folder):
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


_SIMILARITIES = SentenceTransformer.SUPPORTED_SIMILARITY_FN_NAMES


def _config(path: Path) -> dict[str, Any]:
    """Return the settings of a whole encoder."""
    config = read_json(path) if path.is_file() else {}
    kinds = {
        "prompts": dict,
        "default_prompt_name": str,
        "similarity_fn_name": str,
        "truncate_dim": int,
        "model_type": str,
    }
    if not isinstance(config, dict):
        raise InputError(path, type(config).__name__, "an object", "Fetch the file again")
    for key, kind in kinds.items():
        if not isinstance(config.get(key), kind | None):
            found = f"'{key}': {config[key]!r}"
            raise InputError(path, found, f"{kind.__name__} or null", "Fetch the file again")
    prompts = config.get("prompts") or {}
    if not all(text is None or isinstance(text, str) for text in prompts.values()):
        raise InputError(path, f"'prompts': {prompts}", "texts", "Fetch the file again")
    if (saved := config.get("model_type") or "SentenceTransformer") != "SentenceTransformer":
        raise InputError(
            path, f"a {saved}", "a SentenceTransformer", "Choose an encoder of one vector a text"
        )
    return config


def _load(folder: Path, part: Part) -> nn.Module:
    named: dict[str, Any] = {"subfolder": part.path, **_LOCAL, "backend": "torch"}
    if issubclass(part.kind, Transformer):
        transformer: nn.Module = load_transformer(folder, part.path)
        return transformer
    if issubclass(part.kind, Router):
        named["module_classes"] = {
            name: _OpenTransformer if issubclass(kind, Transformer) else kind
            for name, kind in MODULES.items()
        }
    kind: Any = part.kind
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


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Name the folder in whatever loading it raises; fix what is drawn for absent heads.

    The libraries raise errors of any kind when a file is not what it claims to be.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            yield
    except InputError:
        raise
    except BaseException as error:
        # A panic of the tokenizers library is not an Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        first = next(iter(str(error).strip().splitlines()), "")
        raise InputError(
            folder,
            f"no loadable encoder ({type(error).__name__}: {first[:200]})",
            "a folder saved by sentence-transformers or by transformers, weights as safetensors",
            f"Look for its files ({', '.join(TRANSFORMER_FILES)}) and fetch what is missing",
        ) from error


TRANSFORMER_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def quiet() -> None:
    """Let transformers draw bars on a terminal only."""
    if not sys.stderr.isatty():
        disable_progress_bar()


def save_checkpoint(encoder: SentenceTransformer, folder: Path) -> None:
    """Write a sentence-transformers folder, the same bytes for the same weights.

    InputError if it has a module that `open_checkpoint` would refuse.
    """
    names = {full_name(type(module)) for module in encoder}
    if foreign := sorted(names - MODULES.keys()):
        raise InputError(
            folder,
            f"an encoder with modules that polybatch does not load ({', '.join(foreign)})",
            "modules that polybatch.encoders.allowed lists",
            "Add the class to polybatch.encoders.allowed.MODULES",
        )
    with library_writes(folder):
        encoder.save(str(folder), create_model_card=False)
    _sort_json(folder / _CONFIG)
    follow_umask(folder)


def _sort_json(path: Path) -> None:
    if path.is_file():
        value: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
