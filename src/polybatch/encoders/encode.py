"""Texts to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from polybatch.core.errors import InputError
from polybatch.encoders.light import Encoder, LightEncoder
from polybatch.encoders.tokens import TokenCounts, count_tokens, token_limit
from polybatch.settings.encoder import EncoderSettings

Side = Literal["query", "document"]


def encode_texts(
    encoder: Encoder,
    texts: Sequence[str],
    max_tokens: int,
    batch_texts: int,
    prompt: str = "",
    precision: Literal["fp32", "bf16"] = "fp32",
) -> npt.NDArray[np.float32]:
    """Return vectors (N, D), rows of unit length, in the order of `texts`, each behind `prompt`.

    Each distinct text is encoded once, so equal texts have equal bytes. `precision`: of the
    products; vectors are float32. InputError names the first texts whose vectors are not finite.
    """
    if not texts:
        return np.zeros((0, encoder.get_embedding_dimension()), np.float32)
    distinct = _by_length(encoder, texts, max_tokens, prompt)
    place = {text: i for i, text in enumerate(distinct)}
    # An encoder sorts what it is given by characters, so one that pads gets a batch at a time.
    at_once = len(distinct) if isinstance(encoder, LightEncoder) else batch_texts
    low = torch.autocast(encoder.device.type, torch.bfloat16, enabled=precision == "bf16")
    with token_limit(encoder, max_tokens), low:
        batches = [
            encoder.encode(
                distinct[start : start + at_once],
                prompt=prompt,  # even if empty: a checkpoint's own default would come in its place
                batch_size=batch_texts,
                normalize_embeddings=True,
            )
            for start in range(0, len(distinct), at_once)
        ]
    vectors: npt.NDArray[np.float32] = np.concatenate(batches).astype(np.float32, copy=False)
    if precision == "bf16":  # what comes out may be of unit length in bf16 only
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise InputError(
            "encoder",
            f"vectors that are not finite, for {[distinct[i][:60] for i in bad[:3]]}",
            "finite numbers",
            "Train again with a lower learning rate",
        )
    return vectors[[place[text] for text in texts]]


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
) -> npt.NDArray[np.float32]:
    """Return vectors (N, D) as `encode_texts` does, with the length and prompt of a side."""
    length, prompt = settings.of(side)
    return encode_texts(encoder, texts, length, settings.batch_texts, prompt, settings.precision)


def encode_side(
    encoder: Encoder,
    settings: EncoderSettings,
    texts: Sequence[str],
    side: Side,
) -> tuple[npt.NDArray[np.float32], TokenCounts]:
    """Return vectors (N, D) as `encode_with_settings` does, and the tokens of the texts."""
    vectors = encode_with_settings(encoder, settings, texts, side)
    return vectors, count_tokens(encoder, texts, *settings.of(side))
