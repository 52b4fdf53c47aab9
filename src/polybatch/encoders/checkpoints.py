"""Encoders to and from folders that sentence-transformers reads."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from transformers.utils.logging import disable_progress_bar

from polybatch.errors import InputError
from polybatch.files import library_writes


def open_checkpoint(folder: Path) -> SentenceTransformer:
    """Read a checkpoint folder; InputError if it is not one, or names classes of a third party.

    Outside polybatch: `SentenceTransformer(path)`; for use-multilingual with
    `trust_remote_code=True`. Since version 6 that library asks for this word before it imports a
    class of any other package, so it is given for ours only.
    """
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        classes = [module["type"] for module in modules]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            folder,
            f"no readable modules.json ({type(error).__name__})",
            "a sentence-transformers folder",
            "Run `dvc repro`: it rebuilds what is missing",
        ) from error
    ours = tuple(f"{name}." for name in ("polybatch", "sentence_transformers"))
    if foreign := [name for name in classes if not name.startswith(ours)]:
        raise InputError(
            folder,
            f"modules of other packages ({', '.join(foreign)})",
            "modules of polybatch or sentence-transformers",
            "Convert the model, or add its loader to polybatch.encoders.ENCODERS",
        )
    quiet()
    return SentenceTransformer(
        str(folder),
        device="cpu",
        local_files_only=True,
        trust_remote_code=any(name.startswith("polybatch.") for name in classes),
        model_kwargs={"dtype": torch.float32},
    )


def quiet() -> None:
    """Let transformers draw bars on a terminal only."""
    if not sys.stderr.isatty():
        disable_progress_bar()


def save_checkpoint(encoder: SentenceTransformer, folder: Path) -> None:
    """Write a sentence-transformers folder, the same bytes for the same weights."""
    with library_writes(folder):
        encoder.save(str(folder), create_model_card=False)
    _sort_json(folder / "config_sentence_transformers.json")


def _sort_json(path: Path) -> None:
    if path.is_file():
        value = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
