"""Texts to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from polybatch.core.errors import InputError
from polybatch.core.vectors import Float32
from polybatch.encoders.light import Encoder, LightEncoder
from polybatch.encoders.tokens import TokenCounts, count_tokens, token_limit
from polybatch.settings.encoder import EncoderSettings

Side = Literal["query", "document"]

_PART = 1 << 16  # texts whose vectors are held beside those that are returned


def encode_texts(
    encoder: Encoder,
    texts: Sequence[str],
    max_tokens: int,
    batch_texts: int,
    prompt: str = "",
    precision: Literal["fp32", "bf16"] = "fp32",
    into: Float32 | None = None,
) -> Float32:
    """Return vectors (N, D), rows of unit length, in the order of `texts`, each behind `prompt`.

    Each distinct text is encoded once, so equal texts have equal bytes. `precision`: of the
    products; vectors are float32. `into`: an array (N, D) that is filled and returned. InputError
    names the first texts whose vectors are not finite.
    """
    width = encoder.get_embedding_dimension()
    vectors = np.empty((len(texts), width), np.float32) if into is None else into
    distinct = _by_length(encoder, texts, max_tokens, prompt) if texts else []
    place = {text: i for i, text in enumerate(distinct)}
    kind = np.fromiter((place[text] for text in texts), np.int64, len(texts))
    del place  # millions of texts: hundreds of megabytes
    order = np.argsort(kind, kind="stable")
    bounds = np.searchsorted(kind[order], np.arange(len(distinct) + 1))
    # An encoder sorts what it is given by characters, so one that pads gets a batch at a time.
    at_once = _PART if isinstance(encoder, LightEncoder) else batch_texts
    low = torch.autocast(encoder.device.type, torch.bfloat16, enabled=precision == "bf16")
    with token_limit(encoder, max_tokens), low:
        for start in range(0, len(distinct), at_once):
            some = distinct[start : start + at_once]
            # even an empty prompt is given: a checkpoint's own default would come in its place
            found = encoder.encode(
                some, prompt=prompt, batch_size=batch_texts, normalize_embeddings=True
            ).astype(np.float32, copy=False)
            if precision == "bf16":  # what comes out may be of unit length in bf16 only
                found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
            _refuse_not_finite(found, some)
            rows = order[bounds[start] : bounds[start + len(some)]]
            vectors[rows] = found[kind[rows] - start]
    return vectors


def _refuse_not_finite(vectors: Float32, texts: Sequence[str]) -> None:
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise InputError(
            "encoder",
            f"vectors that are not finite, for {[texts[i][:60] for i in bad[:3]]}",
            "finite numbers",
            "Train again with a lower learning rate",
        )


def _by_length(encoder: Encoder, texts: Sequence[str], max_tokens: int, prompt: str) -> list[str]:
    """Return the distinct texts, for an encoder that pads by tokens, the longest first.

    Characters say little of tokens across languages: batches of 32 of XQuAD-R's paragraphs that are
    sorted by them are two fifths padding, sorted by tokens 4%.
    """
    if isinstance(encoder, LightEncoder):  # pads nothing
        return sorted(set(texts), key=lambda text: (len(text), text))
    counts = count_tokens(encoder, texts, max_tokens, prompt).texts
    return sorted(counts, key=lambda text: (-counts[text].tokens, text))


def encode_with_settings(
    encoder: Encoder,
    settings: EncoderSettings,
    texts: Sequence[str],
    side: Side,
    into: Float32 | None = None,
) -> Float32:
    """Return vectors (N, D) as `encode_texts` does, with the length and prompt of a side."""
    length, prompt = settings.of(side)
    batch, precision = settings.batch_texts, settings.precision
    return encode_texts(encoder, texts, length, batch, prompt, precision, into)


def encode_side(
    encoder: Encoder,
    settings: EncoderSettings,
    texts: Sequence[str],
    side: Side,
    into: Float32 | None = None,
) -> tuple[Float32, TokenCounts]:
    """Return vectors (N, D) as `encode_with_settings` does, and the tokens of the texts."""
    vectors = encode_with_settings(encoder, settings, texts, side, into)
    return vectors, count_tokens(encoder, texts, *settings.of(side))
