"""Encoders to and from folders that sentence-transformers reads.

Every folder is opened here, and nothing in it is run: `inspect_folder` has looked through it, each
module is loaded by the class that `allowed.MODULES` lists, and no library is told to trust it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polybatch.core.errors import InputError
from polybatch.core.files import follow_umask, library_writes
from polybatch.encoders.allowed import MODULES, OURS, full_name
from polybatch.encoders.configurations import read_json
from polybatch.encoders.inspection import Part, inspect_folder
from polybatch.encoders.light import Encoder, LightEncoder
from polybatch.encoders.loading import loading

_CONFIG = "config_sentence_transformers.json"
_SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")


def open_checkpoint(folder: Path) -> Encoder:
    """Read a checkpoint folder; InputError if it is not one, or names what is not listed.

    A packaged encoder comes as a LightEncoder, which needs no other library to encode; any other
    as a SentenceTransformer. Outside polybatch: `SentenceTransformer(path)` for the latter.

    Example:
        >>> open_checkpoint(Path("nowhere"))
        Traceback (most recent call last):
        polybatch.core.errors.InputError: nowhere: found no modules.json, expected ...
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
    with loading(folder):
        if _is_light(parts, config):
            return _open_light(folder, parts[0], config)
        from polybatch.encoders.library import open_parts  # takes seconds, others do without

        return open_parts(folder, parts, config)


def _is_light(parts: Sequence[Part], config: Mapping[str, Any]) -> bool:
    plain = len(parts) == 1 and parts[0].kind in OURS and not (parts[0].path or parts[0].keywords)
    name = config.get("default_prompt_name")
    named = name is None or name in {"query", "document", *(config.get("prompts") or {})}
    return plain and named and config.get("truncate_dim") is None


def _open_light(folder: Path, part: Part, config: Mapping[str, Any]) -> LightEncoder:
    similarity = config.get("similarity_fn_name")
    return LightEncoder(
        OURS[part.kind].load(str(folder)),
        part.name,
        config.get("prompts"),
        config.get("default_prompt_name"),
        similarity if similarity in _SIMILARITIES else _SIMILARITIES[0],
    )


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
            path, f"a {saved}", "a SentenceTransformer", "Choose an encoder of one vector per text"
        )
    return config


def save_checkpoint(encoder: Encoder, folder: Path) -> None:
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
