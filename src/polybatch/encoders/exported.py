"""The packaged encoder as it is shipped in an export: this file and two beside it, as they are.

An exported folder holds all weights and the vocabulary, so that sentence-transformers loads it
without polybatch (with `trust_remote_code=True`: this code is in the folder). Polybatch reads such
a folder with its own classes, if the code in it is this code to the letter; it never runs it.

Letters: B texts, V rows of the table, D dimensions.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from polybatch.encoders.ngram import DIMENSIONS, Network
from polybatch.encoders.pieces import Pieces

CONFIG, WEIGHTS, VOCABULARY = "config.json", "model.safetensors", "sp.model"


class ExportedEncoder(nn.Module):
    """Token rows, as saved (float32, float16, or int8 and a scale a row), and n-gram network."""

    save_in_root = True
    table: Tensor
    scale: Tensor

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self._vocabulary = Path(folder, VOCABULARY)
        config = json.loads(Path(folder, CONFIG).read_text(encoding="utf-8"))
        self.max_seq_length: int = config["max_seq_length"]
        self.tokenizer = Pieces(self._vocabulary)
        tensors = load_file(Path(folder, WEIGHTS))
        self.register_buffer("table", tensors.pop("table"))
        self.register_buffer("scale", tensors.pop("scale", torch.ones(1, 1)))
        self.network = Network()
        weights = {name.removeprefix("network."): w.float() for name, w in tensors.items()}
        self.network.load_state_dict(weights)

    def preprocess(
        self, inputs: Sequence[str], prompt: str | None = None, **_: Any
    ) -> dict[str, Tensor]:
        """Return `input_ids` and `attention_mask`, each (B, longest text of the batch)."""
        return self.tokenizer.features(inputs, self.max_seq_length, prompt)

    def forward(self, features: dict[str, Tensor], **_: Any) -> dict[str, Tensor]:
        """Add `sentence_embedding`, (B, D), rows of unit length."""
        mask = features["attention_mask"].bool()
        tokens = self.rows(features["input_ids"][mask])
        features["sentence_embedding"] = self.network(tokens, mask.sum(dim=1))
        return features

    def rows(self, ids: Tensor) -> Tensor:
        """Return rows of the table in float32, (ids, D)."""
        scale = self.scale[ids] if len(self.scale) > 1 else self.scale
        return self.table[ids].float() * scale.float()

    def get_embedding_dimension(self) -> int:
        """Return D."""
        return DIMENSIONS

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write weights, vocabulary and settings; the code is written by sentence-transformers."""
        tensors = {"table": self.table, "scale": self.scale}
        tensors |= {f"network.{k}": v.contiguous() for k, v in self.network.state_dict().items()}
        save_file(tensors, Path(output_path, WEIGHTS))
        if not Path(output_path, VOCABULARY).exists():
            shutil.copyfile(self._vocabulary, Path(output_path, VOCABULARY))
        config = json.dumps({"max_seq_length": self.max_seq_length}, indent=2)
        Path(output_path, CONFIG).write_text(config + "\n", encoding="utf-8")

    @classmethod
    def load(cls, model_name_or_path: str, *_: Any, **keywords: Any) -> ExportedEncoder:
        """Read an exported folder, or one on the hub."""
        if Path(model_name_or_path).is_dir():
            return cls(model_name_or_path)
        from huggingface_hub import snapshot_download

        names = ("revision", "cache_folder", "token", "local_files_only")
        given = {name: keywords[name] for name in names if keywords.get(name) is not None}
        if "cache_folder" in given:
            given["cache_dir"] = given.pop("cache_folder")
        return cls(snapshot_download(model_name_or_path, **given))
