"""The configuration files of a checkpoint: every name in them is listed, every size is sensible."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from polybatch.core.errors import InputError
from polybatch.encoders.allowed import (
    ACTIVATIONS,
    CLASS_KEYS,
    NEVER,
    OTHER_NAMES,
    TRANSFORMER_METHODS,
    TRANSFORMER_SETTINGS,
    class_names,
)

_SIZE = re.compile(r"(_size|_layers|_heads|_embeddings|_positions|_features|_dim|_dimension)$")
_LARGEST, _DEEPEST = 10**7, 1000  # of any size in a configuration; of the number of layers
NO_CODE = "Choose another encoder; polybatch runs no code that comes with weights"


def read_json(path: Path) -> Any:
    """Return the value in a JSON file; InputError if it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        found = f"no readable JSON ({type(error).__name__}: {str(error)[:100]})"
        raise InputError(path, found, "JSON in UTF-8", "Fetch the file again") from error


def check_values(path: Path, value: Any, key: str = "") -> None:
    """Refuse a name that is not listed, anywhere in a configuration.

    Raises:
        InputError: a name that is not listed, code of the model's own, a size beyond reason.

    Example:
        >>> config = {"text_config": {"auto_map": {"AutoModel": "mine.Model"}}}
        >>> check_values(Path("config.json"), config)
        Traceback (most recent call last):
        polybatch.core.errors.InputError: config.json: found 'auto_map': a model whose code ...
    """
    if key in NEVER and (value or key == "auto_map"):
        raise InputError(
            path, f"'{key}': {NEVER[key]}", "a model that transformers itself knows", NO_CODE
        )
    if isinstance(value, dict):
        for name, each in value.items():
            # A dict below such a key is a choice for each part of the network.
            check_values(path, each, key if key in OTHER_NAMES else name)
    elif isinstance(value, list):
        for each in value:
            check_values(path, each, key)
    elif isinstance(value, str):
        _check_name(path, key, value)
    elif isinstance(value, int | float) and _SIZE.search(key):
        most = _DEEPEST if key.endswith(("_layers", "_heads")) else _LARGEST
        if not -most <= value <= most:
            raise InputError(path, f"'{key}': {value}", f"at most {most:,}", "Fetch the file again")


def _check_name(path: Path, key: str, value: str) -> None:
    listed = class_names()[key] if key in CLASS_KEYS else OTHER_NAMES.get(key)
    if key == "activation_function" and "." in value:
        listed = ACTIVATIONS
    if listed is not None and value not in listed:
        raise InputError(
            path,
            f"'{key}': '{value}'",
            f"one of the {len(listed)} names that polybatch.encoders.allowed lists"
            + (f", such as {', '.join(sorted(listed)[:3])}" if listed else ""),
            NO_CODE,
        )


def check_transformer_settings(path: Path) -> None:
    """Refuse a sentence_bert_config.json that sets what is not listed.

    Raises:
        InputError: a setting that is not listed, or no object.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "sentence_bert_config.json"
        >>> _ = path.write_text('{"max_seq_length": 512, "cache_dir": "elsewhere"}')
        >>> check_transformer_settings(path)
        Traceback (most recent call last):
        polybatch.core.errors.InputError: ...: found settings that ... (cache_dir), expected ...
    """
    settings = read_json(path)
    if not isinstance(settings, dict):
        raise InputError(path, type(settings).__name__, "an object", "Fetch the file again")
    foreign = [key for key in settings if key not in TRANSFORMER_SETTINGS]
    for key, listed in TRANSFORMER_SETTINGS.items():
        value = settings.get(key)
        if listed is not None and value is not None:
            inner = value if isinstance(value, dict) else {repr(value): None}
            foreign += [f"{key}.{name}" for name in inner if name not in listed]
    if settings.get("transformer_task", "feature-extraction") != "feature-extraction":
        foreign.append(f"transformer_task: {settings['transformer_task']}")
    foreign += [f"method: {name}" for name in _methods(settings.get("modality_config"))]
    if foreign:
        raise InputError(
            path,
            f"settings that polybatch does not know ({', '.join(foreign)})",
            "those that polybatch.encoders.allowed lists",
            f"Remove them if the encoder is the same without. {NO_CODE}",
        )


def _methods(modality_config: Any) -> list[str]:
    """Return the methods of the network that a configuration calls and must not."""
    modalities = modality_config.values() if isinstance(modality_config, dict) else ()
    methods = [each.get("method") for each in modalities if isinstance(each, dict)]
    return [str(name) for name in methods if str(name) not in TRANSFORMER_METHODS]


def check_dense(place: Path) -> None:
    """Refuse a layer that would take more memory than its weights do.

    Raises:
        InputError: its sizes are none, or not those of the weights beside it.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp())
        >>> _ = (place / "config.json").write_text('{"in_features": 8, "out_features": 4}')
        >>> check_dense(place)
        Traceback (most recent call last):
        polybatch.core.errors.InputError: ...: found a layer of 8 x 4 numbers, weights of 0 ...
    """
    config = place / "config.json"
    settings = read_json(config)
    given = settings if isinstance(settings, dict) else {}
    sizes: list[Any] = [given.get(f"{side}_features") for side in ("in", "out")]
    weights = place / "model.safetensors"
    room = weights.stat().st_size if weights.is_file() else 0
    if not all(type(size) is int and size > 0 for size in sizes) or sizes[0] * sizes[1] > room:
        raise InputError(
            config,
            f"a layer of {' x '.join(map(str, sizes))} numbers, weights of {room} bytes",
            "the sizes of the weights beside it",
            "Fetch config.json and model.safetensors of this layer again",
        )
