"""Texts that are nearly the same.

They are found by MinHash (Broder 1997) over character trigrams, which need no word boundaries,
banded as in locality-sensitive hashing; every candidate is then measured exactly, so a reported
similarity is true and only a miss is possible: 1 in 1,000 at 0.8, fewer above; 6 in 1,000 at 0.7,
but 85 at 0.6, so params allow no less than 0.7.

Letters: N texts, C characters of all of them, B bands of R hashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

UInt64 = npt.NDArray[np.uint64]

_GRAM = 3
_BANDS, _ROWS = 10, 3
_CHUNK = 2_000  # texts hashed at a time: their trigrams stay in the processor's cache
_ODD = np.random.Generator(np.random.PCG64(20240810)).integers(
    1, 2**63, size=(_BANDS * _ROWS, 2), dtype=np.uint64
) | np.uint64(1)


def similar(plain: pl.Series, other: pl.Series, threshold: float) -> list[tuple[int, int, float]]:
    """Return (row of `plain`, row of `other`, Jaccard of trigrams), one per row of `plain` at most.

    Texts are normalised. The other text is the first of those that are alike enough.

    Example:
        >>> similar(pl.Series(["colour"]), pl.Series(["grey", "colours"]), 0.5)
        [(0, 1, 0.8)]
    """
    rows: list[tuple[int, int, float]] = []
    for row, candidates in _candidates(plain, other):
        grams = _grams(plain[row])
        for candidate in candidates:
            similarity = _jaccard(grams, other[candidate], threshold)
            if similarity >= threshold:
                rows.append((row, candidate, similarity))
                break
    return rows


def _candidates(plain: pl.Series, other: pl.Series) -> Iterator[tuple[int, list[int]]]:
    """Yield rows of `plain` with the rows of `other` that share a band, in order."""
    keys = (
        np.concatenate([_bands(part) for part in _chunks(other)]) if len(other) else _bands(other)
    )
    rows = np.repeat(np.arange(len(other)), _BANDS)
    order = np.argsort(keys.ravel(), kind="stable")
    keys, rows = keys.ravel()[order], rows[order]
    begun = 0
    for part in _chunks(plain):
        wanted = _bands(part)
        first = np.searchsorted(keys, wanted)
        last = np.searchsorted(keys, wanted, side="right")
        for row in np.flatnonzero((last > first).any(axis=1)).tolist():
            spans = zip(first[row].tolist(), last[row].tolist(), strict=True)
            yield begun + row, sorted({int(each) for a, b in spans for each in rows[a:b]})
        begun += len(part)


def _chunks(texts: pl.Series) -> Iterator[pl.Series]:
    for begin in range(0, len(texts), _CHUNK):
        yield texts.slice(begin, _CHUNK)


def _bands(texts: pl.Series) -> UInt64:
    """Return (N, B) keys; two texts share a key when all R minima of a band are equal."""
    grams, starts = _gram_codes(texts)
    keys = np.zeros((len(texts), _BANDS), np.uint64)
    if not len(texts):
        return keys
    for place, (factor, shift) in enumerate(_ODD):
        mixed = grams * factor + shift
        least = np.minimum.reduceat(mixed, starts)
        band = place // _ROWS
        keys[:, band] = (keys[:, band] ^ least) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(band)
    return keys


def _gram_codes(texts: pl.Series) -> tuple[UInt64, npt.NDArray[np.int64]]:
    """Return the trigrams of all texts as (C,) numbers and where each text's begin.

    A text is followed by two ends, so that every text has a trigram and none spans two texts.
    """
    joined = "".join(f"{text}\x00\x00" for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le"), np.uint32).astype(np.uint64)
    lengths = texts.str.len_chars().to_numpy().astype(np.int64) + _GRAM - 1
    padded = np.concatenate([codes, np.zeros(_GRAM - 1, np.uint64)])
    grams = codes << np.uint64(42) | padded[1:-1] << np.uint64(21) | padded[2:]
    inside = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(codes)) > 2 * (_GRAM - 1)
    # where no whole trigram begins, the text's first one stands in its place
    starts = np.cumsum(lengths) - lengths
    first = np.repeat(grams[starts], lengths) if len(texts) else grams
    mixed = np.where(inside, grams, first) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(31)), starts


@lru_cache(maxsize=4096)  # texts that are like many others come again and again
def _grams(text: str) -> frozenset[str]:
    r"""Return a text's trigrams; those at its end are filled up.

    Example:
        >>> sorted(_grams("abcd")), sorted(_grams("a"))
        (['abc', 'bcd'], ['a\x00\x00'])
    """
    if len(text) < _GRAM:
        return frozenset({text.ljust(_GRAM, "\x00")})
    return frozenset(text[i : i + _GRAM] for i in range(len(text) - _GRAM + 1))


def _jaccard(grams: frozenset[str], text: str, threshold: float) -> float:
    other = _grams(text)
    small, large = sorted((len(grams), len(other)))
    if small < threshold * large:
        return 0.0
    common = len(grams & other)
    return common / (len(grams) + len(other) - common)
