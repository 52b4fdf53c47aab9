"""Texts as an encoder's tokens: cut to a length, counted, and which ids occur."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor

from polybatch.encoders.light import Encoder

_AT_ONCE = 1024  # texts tokenized together when they are only counted


@dataclass(frozen=True)
class TokenCounts:
    """`texts`: (tokens, whether cut) of each distinct text; `ids`: the token ids that occur."""

    texts: dict[str, tuple[int, bool]]
    ids: frozenset[int]

    def total(self, texts: Sequence[str]) -> tuple[int, int]:
        """Return the tokens of `texts` and how many of them were cut, repetitions counted.

        Example:
            >>> TokenCounts({"a": (3, False), "b": (8, True)}, frozenset()).total(["a", "b", "b"])
            (19, 2)
        """
        counts = [self.texts[text] for text in texts]
        return sum(n for n, _ in counts), sum(cut for _, cut in counts)


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
    tokenizers = [getattr(module, "tokenizer", None) for module in encoder.modules()]
    ids = {getattr(tokenizer, "pad_token_id", None) for tokenizer in tokenizers}
    return frozenset(each for each in ids if each is not None)


def count_tokens(
    encoder: Encoder, texts: Sequence[str], max_tokens: int, prompt: str
) -> TokenCounts:
    """Return tokens of each distinct text, prompt included, and whether it was cut to its length.

    A text that just fills its length is not cut: it is looked at with room for one token more.
    """
    counted: dict[str, tuple[int, bool]] = {}
    seen: set[int] = set()
    distinct = sorted(set(texts))
    for start in range(0, len(distinct), _AT_ONCE):
        some = distinct[start : start + _AT_ONCE]
        features = features_of(encoder, some, max_tokens, prompt)
        mask = features["attention_mask"].bool()
        seen.update(features["input_ids"][mask].tolist())
        counts = mask.sum(dim=1).tolist()
        full = [text for text, n in zip(some, counts, strict=True) if n == max_tokens]
        cut = _longer(encoder, full, max_tokens, prompt)
        counted.update({text: (n, text in cut) for text, n in zip(some, counts, strict=True)})
    return TokenCounts(counted, frozenset(seen))


def _longer(encoder: Encoder, full: list[str], max_tokens: int, prompt: str) -> set[str]:
    if not full:
        return set()
    mask = features_of(encoder, full, max_tokens + 1, prompt)["attention_mask"]
    counts = mask.sum(dim=1).tolist()
    return {text for text, n in zip(full, counts, strict=True) if n > max_tokens}
