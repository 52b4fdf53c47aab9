"""Texts that stand inside longer ones: a sentence in a passage, which no measure of equality finds.

Containment (Broder 1997) is the share of the shorter text's shingles that the longer one has; a
shingle is eight characters in a row, which need no word boundaries. The shingles of the evaluation
texts are indexed and the training texts pass by. About 16 of a text's shingles, those with the
smallest hashes, choose candidates; each candidate is then measured exactly. So what is reported is
true and only a miss is possible: fewer than 1 in 100 pairs at the threshold, no whole text.

Letters: N texts, S shingles of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

UInt64 = npt.NDArray[np.uint64]
Int64 = npt.NDArray[np.int64]

_SHINGLE = 8
_SAMPLE = 16
_SLACK = 0.3  # a sample may hold this much less of the other text than the whole does
_COMMON = 1_000  # a shingle of more texts than that distinguishes none of them
_CHUNK = 2_000
_BITS = 22
_FACTORS = tuple(
    np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


@dataclass(frozen=True)
class Contained:
    """When a text stands inside another: `share` of its shingles; `characters`: it has so many."""

    share: float
    characters: int


@dataclass(frozen=True)
class _Postings:
    """Texts by shingle. `hashes`: (U,) sorted; `texts[starts[i] : starts[i + 1]]`: those of i."""

    hashes: UInt64
    starts: Int64
    texts: Int64

    def find(self, hashes: UInt64) -> tuple[Int64, Int64]:
        """Return of each shingle where its texts begin, and how many there are."""
        if not len(self.hashes):
            return np.zeros(len(hashes), np.int64), np.zeros(len(hashes), np.int64)
        place = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        first = self.starts[place]
        return first, np.where(self.hashes[place] == hashes, self.starts[place + 1] - first, 0)

    def rare(self) -> _Postings:
        """Return the shingles that are not common."""
        counts = np.diff(self.starts)
        kept = counts <= _COMMON
        starts = np.append(0, np.cumsum(counts[kept]))
        return _Postings(self.hashes[kept], starts, self.texts[np.repeat(kept, counts)])

    def sample(self) -> _Postings:
        """Return a sample of each text's shingles."""
        hashes = np.repeat(self.hashes, np.diff(self.starts))
        chosen = _small(hashes, self.texts)
        return _postings(hashes[chosen], self.texts[chosen])


@dataclass(frozen=True)
class _Found:
    """Shingles of texts that were looked up: whose each is, where its postings begin, how many."""

    owners: Int64
    first: Int64
    counts: Int64

    def of(self, kept: npt.NDArray[np.bool_]) -> _Found:
        """Return some of the shingles."""
        return _Found(self.owners[kept], self.first[kept], self.counts[kept])

    def pairs(self, postings: _Postings, texts: int) -> tuple[Int64, Int64, Int64]:
        """Return row, evaluation text and number of shingles of each pair that shares any."""
        ends = np.cumsum(self.counts)
        rows = np.repeat(self.first - (ends - self.counts), self.counts)
        rows += np.arange(len(rows))
        keys = np.repeat(self.owners * texts, self.counts) + postings.texts[rows]
        keys, counts = np.unique(keys, return_counts=True)
        row, other = np.divmod(keys, texts)
        return row, other, counts


class Containment:
    """Evaluation texts, to hold training texts against.

    Example:
        >>> passage = "he slept. the bridge was closed for three years in 1956. then it opened"
        >>> index = Containment(pl.Series([passage]), Contained(0.8, 30))
        >>> index.found(pl.Series(["the bridge was closed for three years", "the bridge"]))
        [(0, 0, 1.0)]
    """

    def __init__(self, texts: pl.Series, rule: Contained) -> None:
        """`texts`: normalised; those shorter than `rule.characters` are in no match."""
        self._rule, self._texts = rule, texts
        self._long = np.flatnonzero((texts.str.len_chars() >= rule.characters).to_numpy())
        parts = [
            (hashes, self._long[begin + owner])
            for begin, part in _chunks(texts.gather(self._long))
            for hashes, owner in [_shingles(part)]
        ]
        hashes = np.concatenate([np.empty(0, np.uint64), *(part[0] for part in parts)])
        owners = np.concatenate([np.empty(0, np.int64), *(part[1] for part in parts)])
        self._all = _postings(hashes, owners)
        self._sample = self._all.rare().sample()
        self._size = np.bincount(self._sample.texts, minlength=len(texts))
        self._lengths = texts.str.len_chars().to_numpy().astype(np.int64)
        self._bits = np.zeros(1 << _BITS, bool)
        self._bits[_low(self._sample.hashes)] = True

    def found(self, texts: pl.Series) -> list[tuple[int, int, float]]:
        """Return (row of `texts`, row of the evaluation texts, containment), one per text at most.

        `texts`: normalised. The evaluation text is the first of those that are alike enough.
        """
        rows: list[tuple[int, int, float]] = []
        long = np.flatnonzero((texts.str.len_chars() >= self._rule.characters).to_numpy())
        if not len(long) or not len(self._long):
            return rows
        for begin, part in _chunks(texts.gather(long)):
            done = -1
            for row, other in self._candidates(part):
                if row == done:
                    continue
                share = containment(part[row], self._texts[other])
                if share >= self._rule.share:
                    done = row
                    rows.append((int(long[begin + row]), other, share))
        return rows

    def _candidates(self, texts: pl.Series) -> Iterator[tuple[int, int]]:
        """Yield (row, evaluation text) in order, of pairs whose samples have enough in common."""
        hashes, owners = _shingles(texts)
        lengths = texts.str.len_chars().to_numpy().astype(np.int64)
        least, pairs = self._rule.share - _SLACK, set[tuple[int, int]]()
        sample = self._rare(hashes, owners, len(texts))
        size = np.bincount(sample.owners, minlength=len(texts))
        known = sample.of(sample.counts > 0)
        enough = np.bincount(known.owners, minlength=len(texts)) >= least * size
        row, other, count = known.of(enough[known.owners]).pairs(self._all, len(self._texts))
        kept = (count >= least * size[row]) & (lengths[row] <= self._lengths[other])
        pairs.update(zip(row[kept].tolist(), other[kept].tolist(), strict=True))
        maybe = self._bits[_low(hashes)]
        around = _Found(owners[maybe], *self._sample.find(hashes[maybe]))
        row, other, count = around.pairs(self._sample, len(self._texts))
        kept = (count >= least * self._size[other]) & (lengths[row] > self._lengths[other])
        pairs.update(zip(row[kept].tolist(), other[kept].tolist(), strict=True))
        yield from sorted(pairs)

    def _rare(self, hashes: UInt64, owners: Int64, texts: int) -> _Found:
        """Return a sample of the texts' shingles; all where most of them are common."""
        chosen = _small(hashes, owners)
        found = _Found(owners[chosen], *self._all.find(hashes[chosen]))
        few = np.bincount(found.owners[found.counts <= _COMMON], minlength=texts) < _SAMPLE // 2
        if few.any():
            chosen |= few[owners]
            found = _Found(owners[chosen], *self._all.find(hashes[chosen]))
        return found.of(found.counts <= _COMMON)


def containment(one: str, other: str) -> float:
    """Return the share of the shorter text's shingles that the longer one has.

    Example:
        >>> containment("12345678x", "0123456789")
        0.5
    """
    shorter, longer = (_set(text) for text in sorted((one, other), key=len))
    return len(shorter & longer) / len(shorter)


@lru_cache(maxsize=4096)  # a passage comes again with each of its sentences
def _set(text: str) -> frozenset[str]:
    return frozenset(text[i : i + _SHINGLE] for i in range(max(1, len(text) - _SHINGLE + 1)))


def _postings(hashes: UInt64, texts: Int64) -> _Postings:
    """Return each shingle of each text once, sorted."""
    order = np.argsort(hashes, kind="stable")  # texts are in order already
    hashes, texts = hashes[order], texts[order]
    new = np.ones(len(hashes), bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (texts[1:] != texts[:-1])
    hashes, texts = hashes[new], texts[new]
    first = np.ones(len(hashes), bool)
    first[1:] = hashes[1:] != hashes[:-1]
    starts = np.append(np.flatnonzero(first), len(hashes))
    return _Postings(hashes[first], starts, texts)


def _small(hashes: UInt64, owners: Int64) -> npt.NDArray[np.bool_]:
    """Return which shingles are in the sample of their text: about 16, those with small hashes."""
    share = np.minimum(_SAMPLE / np.maximum(np.bincount(owners), 1), 0.999)
    return np.asarray(hashes < (share * 2.0**64).astype(np.uint64)[owners], np.bool_)


def _low(hashes: UInt64) -> Int64:
    return (hashes & np.uint64((1 << _BITS) - 1)).astype(np.int64)


def _chunks(texts: pl.Series) -> Iterator[tuple[int, pl.Series]]:
    for begin in range(0, len(texts), _CHUNK):
        yield begin, texts.slice(begin, _CHUNK)


def _shingles(texts: pl.Series) -> tuple[UInt64, Int64]:
    """Return the hash of each shingle of texts of eight characters or more, and whose it is."""
    lengths = texts.str.len_chars().to_numpy().astype(np.int64)
    joined = "".join(texts) + "\0" * (_SHINGLE - 1)
    found = np.frombuffer(joined.encode("utf-32-le"), np.uint32).astype(np.uint64)
    for step, factor in zip((1, 2, 4), _FACTORS, strict=True):  # of 2, 4, 8 characters
        found = (found[:-step] * factor) ^ found[step:]
        found ^= found >> np.uint64(29)
        found *= _FACTORS[0]
        found ^= found >> np.uint64(32)
    inside = np.ones(len(found), bool)
    ends = np.cumsum(lengths)
    for back in range(1, _SHINGLE):
        inside[ends - back] = False
    return found[inside], np.repeat(np.arange(len(texts)), lengths - _SHINGLE + 1)
