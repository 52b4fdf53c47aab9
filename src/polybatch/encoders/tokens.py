"""Texts as an encoder's tokens: cut to a length, counted, and which ids occur."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl
import torch
from torch import Tensor

from polybatch.encoders.light import Encoder

_AT_ONCE = 1024  # texts tokenized together when they are only counted
_PART = 1 << 16  # texts whose counts are held together


class TextTokens(NamedTuple):
    """A text's tokens, whether it was cut, and how many of them the vocabulary does not know."""

    tokens: int
    cut: bool
    unknown: int


@dataclass(frozen=True)
class TokenCounts:
    """`texts`: of each distinct text; `ids`: the token ids that occur."""

    texts: dict[str, TextTokens]
    ids: frozenset[int]

    def total(self, texts: Sequence[str]) -> tuple[int, int]:
        """Return the tokens of `texts` and how many of them were cut, repetitions counted.

        Example:
            >>> texts = {"a": TextTokens(3, False, 0), "b": TextTokens(8, True, 1)}
            >>> TokenCounts(texts, frozenset()).total(["a", "b", "b"])
            (19, 2)
        """
        counts = [self.texts[text] for text in texts]
        return sum(one.tokens for one in counts), sum(one.cut for one in counts)


@contextmanager
def token_limit(encoder: Encoder, max_tokens: int) -> Iterator[None]:
    """Cut texts after `max_tokens` tokens within the block, and as before after it."""
    before = encoder.max_seq_length
    encoder.max_seq_length = max_tokens
    try:
        yield
    finally:
        encoder.max_seq_length = before


def features_of(
    encoder: Encoder, texts: Sequence[str], max_tokens: int, prompt: str
) -> dict[str, Tensor]:
    """Return the encoder's features of `texts` behind `prompt`: tensors (B, T), T the longest."""
    with token_limit(encoder, max_tokens):
        features: dict[str, Tensor] = encoder.preprocess(list(texts), prompt=prompt or None)
    return features


def padding_ids(encoder: Encoder) -> frozenset[int]:
    """Return the ids that tokenizers of an encoder fill short texts with."""
    return _named_ids(encoder, "pad_token_id")


def _named_ids(encoder: Encoder, name: str) -> frozenset[int]:
    tokenizers = [getattr(module, "tokenizer", None) for module in encoder.modules()]
    ids = {getattr(tokenizer, name, None) for tokenizer in tokenizers}
    return frozenset(each for each in ids if each is not None)


def count_tokens(
    encoder: Encoder, texts: Sequence[str], max_tokens: int, prompt: str
) -> TokenCounts:
    """Return each distinct text's tokens, prompt included, whether cut, and how many unknown.

    A text that just fills its length is not cut: it is looked at with room for one token more.
    """
    counted: dict[str, TextTokens] = {}
    seen: set[int] = set()
    # some vocabularies name the end of a text as their unknown piece: they know all bytes
    unknown_ids = _named_ids(encoder, "unk_token_id") - _named_ids(encoder, "eos_token_id")
    absent = torch.tensor(sorted(unknown_ids), dtype=torch.long)
    distinct = sorted(set(texts))
    for start in range(0, len(distinct), _AT_ONCE):
        some = distinct[start : start + _AT_ONCE]
        features = features_of(encoder, some, max_tokens, prompt)
        mask = features["attention_mask"].bool()
        seen.update(features["input_ids"][mask].tolist())
        counts = mask.sum(dim=1).tolist()
        unknown = (torch.isin(features["input_ids"], absent) & mask).sum(dim=1).tolist()
        full = [text for text, n in zip(some, counts, strict=True) if n == max_tokens]
        cut = _longer(encoder, full, max_tokens, prompt)
        rows = zip(some, counts, unknown, strict=True)
        counted |= {text: TextTokens(n, text in cut, lost) for text, n, lost in rows}
    return TokenCounts(counted, frozenset(seen))


def _longer(encoder: Encoder, full: list[str], max_tokens: int, prompt: str) -> set[str]:
    if not full:
        return set()
    mask = features_of(encoder, full, max_tokens + 1, prompt)["attention_mask"]
    counts = mask.sum(dim=1).tolist()
    return {text for text, n in zip(full, counts, strict=True) if n > max_tokens}


def count_by_language(
    encoder: Encoder, texts: pl.DataFrame, max_tokens: int, prompt: str, spaced: Collection[str]
) -> tuple[int, dict[str, dict[str, float | None]]]:
    """Return how many rows of `texts` (lang, text) are cut, and how an encoder reads each language.

    Of a language's distinct texts: `tokens_per_word`, and `unknown` (a share). Special tokens and
    prompts count with the text's. Words stand between spaces, so the former is null but of
    languages in `spaced`; texts that were cut are left out of it.
    """
    all_cut, found = 0, {}
    for lang in sorted(texts["lang"].unique()):
        tokens = unknown = whole = words = 0
        own = texts.filter(pl.col("lang") == lang).select("text").sort("text")
        own = own.with_columns(first=first_of_their_kind(own["text"]))
        for part in own.iter_slices(_PART):  # millions of counts would take hundreds of megabytes
            counts = count_tokens(encoder, part["text"].to_list(), max_tokens, prompt).texts
            all_cut += sum(counts[text].cut for text in part["text"])
            for text in part.filter("first")["text"]:
                one = counts[text]
                tokens, unknown = tokens + one.tokens, unknown + one.unknown
                if lang in spaced and not one.cut:
                    whole, words = whole + one.tokens, words + len(text.split())
        per_word = round(whole / words, 3) if words else None
        found[lang] = {"tokens_per_word": per_word, "unknown": round(unknown / tokens, 4)}
    return all_cut, found


def first_of_their_kind(texts: pl.Series) -> pl.Series:
    """Return whether each text is the first of its kind; equal ones have to stand together.

    Example:
        >>> first_of_their_kind(pl.Series(["a", "a", "b"])).to_list()
        [True, False, True]
    """
    return (texts != texts.shift()).fill_null(True)
