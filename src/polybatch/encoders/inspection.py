"""Looks through a checkpoint's folder before anything of it is loaded.

Every file that can name a class is read as JSON, at any depth, and every name held against
`polybatch.encoders.allowed`. Weights are safetensors only: a pickle can run code when it is read.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

from polybatch.core.errors import InputError
from polybatch.encoders.allowed import MODULES, OURS
from polybatch.encoders.configurations import (
    NO_CODE,
    check_dense,
    check_transformer_settings,
    check_values,
    read_json,
)
from polybatch.encoders.shipped_code import EXPORTED, check_code

VOCABULARIES = (
    "tokenizer.json", "sentencepiece.bpe.model", "spiece.model", "spm.model", "tokenizer.model",
    "vocab.txt", "vocab.json",
)  # fmt: skip
_CACHED = re.compile(r"/blobs/[0-9a-f]{40,64}$|/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")
"""Where the caches of the hub and of DVC keep a file that a checkpoint's folder links to."""
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_SAFE = ".safetensors"
TRANSFORMER = "sentence_transformers.models.Transformer"


@dataclass(frozen=True)
class Part:
    """A module of a checkpoint: its name in the encoder, its `type`, its folder below the root.

    `kind`: a key of `allowed.MODULES`; `keywords`: what `encode` hands on to it; `parts`: the
    modules of a Router, each once.
    """

    name: str
    kind: str
    path: str
    keywords: tuple[str, ...] = ()
    parts: tuple[Part, ...] = field(default=())

    def is_a(self, name: str) -> bool:
        """Return whether the module's class is sentence-transformers' of that name.

        Example:
            >>> Part("1", "sentence_transformers.models.Pooling", "1_Pooling").is_a("Pooling")
            True
        """
        return _is_a(self.kind, name)

    def transformers(self) -> Iterator[Part]:
        """Yield the parts that are transformers, itself included."""
        if self.is_a("Transformer"):
            yield self
        for part in self.parts:
            yield from part.transformers()


def inspect_folder(folder: Path) -> tuple[Part, ...]:
    """Return the modules of a checkpoint; a folder without modules.json is one transformer.

    InputError if a file names a class or setting that is not listed, or leads out of the folder.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "modules.json"
        >>> _ = path.write_text('[{"name": "0", "path": "", "type": "os.system"}]')
        >>> inspect_folder(path.parent)
        Traceback (most recent call last):
        polybatch.core.errors.InputError: ...: found modules that ... does not load (os.system), ...
    """
    _check_not_imported(folder)
    for path in _files(folder):
        if path.suffix == ".json" and "config" in path.name:
            check_values(path, read_json(path))
        elif path.name.endswith(".safetensors.index.json"):
            _check_shards(path)
        elif path.name == "modules.json":
            _entries(path)
    if not (folder / "modules.json").is_file():
        return (_part(folder, "0", TRANSFORMER, "", ()),)
    return tuple(
        _part(
            folder,
            entry["name"],
            entry["type"],
            entry["path"],
            tuple(entry.get("kwargs") or ()),
        )
        for entry in _entries(folder / "modules.json")
    )


def _check_not_imported(folder: Path) -> None:
    """Refuse a folder that Python imports from: its files would come before the packages."""
    root = folder.resolve()
    for entry in sys.path:
        place = Path(entry or ".").resolve()
        if place == root or root in place.parents:
            raise InputError(
                folder,
                f"a folder that Python imports code from ({entry or 'the working directory'})",
                "a folder with a checkpoint alone",
                "Put the checkpoint's files into a folder of their own, such as models/external/x",
            )


def _files(folder: Path) -> Iterator[Path]:
    """Yield all files; InputError at a link out of the folder, or at what is no file."""
    root = folder.resolve()
    for place, folders, names in os.walk(folder):
        for name in sorted([*folders, *names]):
            path = Path(place, name)
            if path.is_symlink():
                _check_link(path, root)
            if path.is_file():
                yield path
            elif not path.is_dir():
                raise InputError(
                    path, "neither a file nor a folder", "files and folders", "Remove it"
                )


def _check_link(path: Path, root: Path) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InputError(path, "a link to nothing", "a file", "Fetch the file again") from error
    if root not in target.parents and not (target.is_file() and _CACHED.search(str(target))):
        raise InputError(
            path, f"a link to {target}", "links within the folder", "Copy the file into the folder"
        )


def _check_shards(path: Path) -> None:
    index = read_json(path)
    shards = index.get("weight_map") if isinstance(index, dict) else None
    names = set(shards.values()) if isinstance(shards, dict) else {None}
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or Path(name).suffix != _SAFE:
            raise InputError(
                path, f"weights in {name!r}", "safetensors files beside it", "Fetch the files again"
            )


def _entries(path: Path) -> list[dict[str, Any]]:
    """Return what a modules.json lists, checked."""
    entries = read_json(path)
    strings = ("name", "path", "type")
    if (
        not isinstance(entries, list)
        or not entries
        or not all(isinstance(each, dict) for each in entries)
        or not all(isinstance(each.get(key), str) for each in entries for key in strings)
        or not all(_is_texts(each.get("kwargs") or []) for each in entries)
        or len({each["name"] for each in entries}) < len(entries)
        or not all(re.fullmatch(r"[\w-]+", each["name"]) for each in entries)
    ):
        raise InputError(
            path,
            "no list of modules",
            f"a list of objects with {', '.join(strings)} (text) and names that differ",
            "Fetch the file again, or run `dvc repro`: it rebuilds what is missing",
        )
    for each in entries:
        _check_path(path, each["path"])
    _check_modules(path, [each["type"] for each in entries])
    return entries


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _check_modules(path: Path, names: list[Any]) -> None:
    foreign = [str(name) for name in names if not isinstance(name, str) or name not in MODULES]
    if foreign:
        known = sorted({place.rpartition(".")[2] for place in MODULES.values()})
        raise InputError(
            path,
            f"modules that polybatch does not load ({', '.join(foreign)})",
            f"polybatch's or sentence-transformers' own: {', '.join(known)}",
            "Convert the model; polybatch imports nothing that a checkpoint names. A class of"
            " yours can be added to polybatch.encoders.allowed.MODULES",
        )


def _check_path(where: Path, path: str) -> None:
    parts = PureWindowsPath(path)  # knows both separators, drives and rooted paths
    if parts.anchor or ".." in parts.parts or "\0" in path:
        raise InputError(where, f"the path {path!r}", "a path within the folder", NO_CODE)


def _is_a(kind: str, name: str) -> bool:
    return MODULES[kind].rpartition(".")[2] == name and kind not in OURS


def _part(folder: Path, name: str, kind: str, path: str, keywords: tuple[str, ...]) -> Part:
    """Return a module after checking its own configuration."""
    place = folder / path
    if any((place / each).is_file() for each in _PICKLES) and not any(place.glob("*" + _SAFE)):
        raise InputError(
            place,
            "weights as a pickle, which can run code",
            "model.safetensors",
            "Fetch the safetensors file, or convert the weights where you trust them",
        )
    if kind == EXPORTED:
        check_code(folder)
    if _is_a(kind, "Router"):
        return Part(name, kind, path, keywords, tuple(_routes(folder, path)))
    if _is_a(kind, "Transformer"):
        _check_transformer(place)
    elif _is_a(kind, "Dense"):
        check_dense(place)
    return Part(name, kind, path, keywords)


def _routes(folder: Path, path: str) -> Iterator[Part]:
    files = (folder / path / name for name in ("router_config.json", "config.json"))
    where = next((file for file in files if file.is_file()), folder / path / "router_config.json")
    config = read_json(where)
    types = config.get("types") if isinstance(config, dict) else None
    if not isinstance(types, dict) or not types:
        raise InputError(where, "no 'types'", "a class for each module", "Fetch the file again")
    _check_modules(where, list(types.values()))
    for name, kind in types.items():
        _check_path(where, name)
        if not PureWindowsPath(name).parts or _is_a(kind, "Router"):
            raise InputError(
                where, f"{kind} in '{name}'", "modules in folders, no Router in a Router", NO_CODE
            )
        yield _part(folder, name, kind, f"{path}/{name}" if path else name, ())


def _check_transformer(place: Path) -> None:
    if (place / "adapter_config.json").exists():
        raise InputError(
            place / "adapter_config.json",
            "an adapter, whose weights belong to a model elsewhere",
            "a whole model",
            "Merge the adapter into its model, and save that",
        )
    if not (place / "config.json").is_file():
        raise InputError(
            place,
            "no config.json",
            "a folder saved by sentence-transformers or by transformers",
            "Fetch the missing file",
        )
    if not any((place / name).is_file() for name in VOCABULARIES):
        raise InputError(
            place, "no tokenizer", f"one of {', '.join(VOCABULARIES)}", "Fetch the missing file"
        )
    for path in sorted(place.glob("sentence_*_config.json")):
        check_transformer_settings(path)
