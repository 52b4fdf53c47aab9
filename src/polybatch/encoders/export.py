"""An encoder as a folder that sentence-transformers loads without polybatch.

The packaged encoder becomes `exported.ExportedEncoder`, whose code lies in the folder; an encoder
of sentence-transformers' own modules is saved as that library saves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from polybatch.core.errors import InputError
from polybatch.core.files import write_json, write_text
from polybatch.encoders import packaged
from polybatch.encoders.checkpoints import save_checkpoint
from polybatch.encoders.exported import CONFIG, VOCABULARY, WEIGHTS
from polybatch.encoders.light import Encoder, LightEncoder
from polybatch.encoders.shipped_code import EXPORTED, shipped_files
from polybatch.encoders.use_multilingual import UseMultilingual

DType = Literal["fp32", "fp16", "int8"]

_LARGEST = 127  # of a signed byte, the same on both sides of 0


def write_export(
    encoder: Encoder, folder: Path, dtype: DType, prompts: Mapping[str, str], length: int
) -> None:
    """Write an encoder into an existing folder. `prompts`: by `query` and `document`.

    `length`: tokens after which sentence-transformers, which has one limit, cuts a text.

    Raises:
        InputError: int8 of an encoder whose library has no such weights.
    """
    if isinstance(encoder, LightEncoder):
        module = next(iter(encoder))
        assert isinstance(module, UseMultilingual)
        return _write_packaged(module, folder, dtype, prompts, length)
    if dtype == "int8":
        raise InputError(
            "--dtype",
            "int8 of a transformer",
            "fp32 or fp16, which sentence-transformers loads by itself",
            "Choose fp16",
        )
    encoder.prompts = {**encoder.prompts, **prompts}
    encoder.max_seq_length = length
    save_checkpoint(encoder.half() if dtype == "fp16" else encoder, folder)
    return None


def _write_packaged(
    module: UseMultilingual, folder: Path, dtype: DType, prompts: Mapping[str, str], length: int
) -> None:
    half = torch.float32 if dtype == "fp32" else torch.float16
    network = {
        f"network.{name}": weight.to(half).contiguous()
        for name, weight in module.network.state_dict().items()
    }
    save_file(_rows(module.embedding.table, dtype) | network, folder / WEIGHTS)
    (folder / VOCABULARY).write_bytes(packaged.resource(VOCABULARY).read_bytes())
    for name, text in shipped_files().items():
        write_text(folder / name, text)
    write_json(folder / CONFIG, {"max_seq_length": length})
    write_json(folder / "modules.json", [{"idx": 0, "name": "0", "path": "", "type": EXPORTED}])
    settings: dict[str, Any] = {
        "default_prompt_name": None,
        "model_type": "SentenceTransformer",
        "prompts": dict(prompts),
        "similarity_fn_name": "cosine",
    }
    write_json(folder / "config_sentence_transformers.json", settings)


def _rows(table: Tensor, dtype: DType) -> dict[str, Tensor]:
    """Return the table (V, D) as saved; int8: with a scale (V, 1) a row, zero rows included.

    Example:
        >>> found = _rows(torch.tensor([[0.5, -1.0], [0.0, 0.0]]), "int8")
        >>> found["table"].tolist(), found["scale"].shape
        ([[64, -127], [0, 0]], torch.Size([2, 1]))
    """
    if dtype != "int8":
        return {"table": table.to(torch.float16 if dtype == "fp16" else torch.float32)}
    largest = table.abs().amax(dim=1, keepdim=True)
    scale = torch.where(largest > 0, largest, torch.ones_like(largest)) / _LARGEST
    return {"table": (table / scale).round().to(torch.int8), "scale": scale}
