"""One checkpoint of two: the weighted mean of their weights.

Wortsman et al., "Model soups" (ICML 2022): fine-tuned from one start, networks can be averaged
weight by weight. From different starts they cannot, so all else has to be equal: modules, names,
shapes, tokenizer and settings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of
from polybatch.encoders.allowed import full_name
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.inspection import inspect_folder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_OTHER_START = "Merge strategies of one study, which start from the same encoder"
_WEIGHTS = (".safetensors", ".md")


def merge_checkpoints(first: Path, second: Path, weight: float, folder: Path) -> None:
    """Write `weight` x the first's weights + (1 - `weight`) x the second's into `folder`.

    In float32; a number that is equal in both is kept as it is. All of an embedding table is
    merged, whichever rows each of the two trained.

    Raises:
        InputError: `weight` outside 0 to 1; other modules, names, shapes, whole numbers, tokenizer
            or settings in the second than in the first.
    """
    if not 0 <= weight <= 1:
        raise InputError("merge", f"weight {weight}", "0 to 1", "Correct it")
    one, other = open_checkpoint(first), open_checkpoint(second)
    _check_modules(first, second, one, other)
    _check_files(first, second)
    theirs = dict(_tensors(other))
    mine = dict(_tensors(one))
    if names := sorted(mine.keys() ^ theirs.keys()):
        raise InputError(
            second, f"other tensors ({', '.join(names[:3])})", f"those of {first}", _OTHER_START
        )
    with torch.no_grad():
        for name, tensor in mine.items():
            tensor.copy_(_merged(f"{second}: {name}", tensor, theirs[name], weight))
    save_checkpoint(one, folder)


def _merged(where: str, one: Tensor, other: Tensor, weight: float) -> Tensor:
    if one.shape != other.shape or one.dtype != other.dtype:
        raise InputError(
            where,
            f"shape {list(other.shape)} of {other.dtype}",
            f"{list(one.shape)} of {one.dtype}",
            _OTHER_START,
        )
    if not one.is_floating_point():
        if not torch.equal(one, other):
            raise InputError(where, "other whole numbers", "equal ones", _OTHER_START)
        return one
    if weight in (0, 1):
        return one if weight == 1 else other
    mean = (weight * one.float() + (1 - weight) * other.float()).to(one.dtype)
    return torch.where(one == other, one, mean)


def _tensors(encoder: SentenceTransformer) -> Iterator[tuple[str, Tensor]]:
    """Yield parameters and buffers, those too that a state dict leaves out (RowTable's table)."""
    yield from encoder.named_parameters()
    yield from encoder.named_buffers()


def _check_modules(
    first: Path, second: Path, one: SentenceTransformer, other: SentenceTransformer
) -> None:
    ours, theirs = ([full_name(type(each)) for each in whole] for whole in (one, other))
    if ours != theirs:
        raise InputError(second, f"the modules {theirs}", f"{ours}, as in {first}", _OTHER_START)


def _check_files(first: Path, second: Path) -> None:
    """Refuse two folders whose tokenizers or settings differ: all files but weights and cards."""
    ours, theirs = _files(first), _files(second)
    if differing := sorted(name for name in ours | theirs if ours.get(name) != theirs.get(name)):
        raise InputError(
            second, f"another {', '.join(differing[:3])}", f"the same as in {first}", _OTHER_START
        )


def _files(folder: Path) -> dict[str, str]:
    """Return {path: sha256} of the files of an encoder's modules that are no weights."""
    places = {folder, *(folder / part.path for part in inspect_folder(folder))}
    return {
        str(path.relative_to(folder)): _digest(path)
        for place in places
        for path in place.iterdir()
        if path.is_file() and path.suffix not in _WEIGHTS
    }


def _digest(path: Path) -> str:
    """Return a file's sha256; of a tokenizer, without how it cut and padded its last batch."""
    if path.name != "tokenizer.json":
        return sha256_of(path)
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings |= dict.fromkeys(("truncation", "padding"))
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()
