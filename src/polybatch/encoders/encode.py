"""Texts to vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import polars as pl
import torch

from polybatch.core.errors import DivergedError
from polybatch.core.vectors import Float32, Int64
from polybatch.encoders.light import Encoder, LightEncoder
from polybatch.encoders.tokens import count_tokens, first_of_their_kind, token_limit
from polybatch.settings.encoder import EncoderSettings

Side = Literal["query", "document"]

_PART = 1 << 16  # texts that are given to a packaged encoder together
_BLOCK = 1 << 12  # vectors of texts that occur again, copied at a time


def encode_texts(
    encoder: Encoder,
    texts: Sequence[str] | pl.Series,
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
    table = _by_length(encoder, texts, max_tokens, prompt)
    rows, first = table["row"].to_numpy(), first_of_their_kind(table["text"]).to_numpy()
    # An encoder sorts what it is given by characters, so one that pads gets a batch at a time.
    at_once = _PART if isinstance(encoder, LightEncoder) else batch_texts
    low = torch.autocast(encoder.device.type, torch.bfloat16, enabled=precision == "bf16")
    with token_limit(encoder, max_tokens), low:
        for part in table.filter(first).iter_slices(at_once):
            some, place = part["text"].to_list(), part["row"].to_numpy()
            for found_of, found in _batches(encoder, some, prompt, batch_texts):
                if precision == "bf16":  # what comes out may be of unit length in bf16 only
                    found = found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
                _refuse_not_finite(found, some, found_of)
                vectors[place[found_of]] = found
    same = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))
    again = np.flatnonzero(~first)
    for start in range(0, len(again), _BLOCK):
        block = again[start : start + _BLOCK]
        vectors[rows[block]] = vectors[rows[same[block]]]
    return vectors


def _batches(
    encoder: Encoder, texts: list[str], prompt: str, batch_texts: int
) -> Iterator[tuple[Int64, Float32]]:
    """Yield which of the texts were encoded, and their vectors."""
    # even an empty prompt is given: a checkpoint's own default would come in its place
    if isinstance(encoder, LightEncoder):
        yield from encoder.batches(texts, prompt, batch_texts, normalize_embeddings=True)
    else:
        found = encoder.encode(
            texts, prompt=prompt, batch_size=batch_texts, normalize_embeddings=True
        )
        yield np.arange(len(texts)), found.astype(np.float32, copy=False)


def _refuse_not_finite(vectors: Float32, texts: Sequence[str], rows: Int64) -> None:
    bad = rows[~np.isfinite(vectors).all(axis=1)]
    if len(bad):
        raise DivergedError(
            "encoder",
            f"vectors that are not finite, for {[texts[i][:60] for i in bad[:3]]}",
            "finite numbers",
            "Train again with a lower learning rate",
        )


def _by_length(
    encoder: Encoder, texts: Sequence[str] | pl.Series, max_tokens: int, prompt: str
) -> pl.DataFrame:
    """Return texts and the `row` of each, equal ones together; if they are padded, longest first.

    Characters say little of tokens across languages: batches of 32 of XQuAD-R's paragraphs that are
    sorted by them are two fifths padding, sorted by tokens 4%.
    """
    if not isinstance(texts, pl.Series):  # Unicode alone: half a surrogate pair is replaced
        known = [text.encode("utf-8", "replace").decode() for text in texts]
        texts = pl.Series(known, dtype=pl.String)
    # One key at a time: to sort by two or to group copies all texts.
    table = pl.DataFrame({"text": texts}).with_row_index("row").sort("text")
    if isinstance(encoder, LightEncoder):  # pads nothing
        return table.sort(pl.col("text").str.len_chars(), maintain_order=True)
    counts = count_tokens(encoder, table["text"].to_list(), max_tokens, prompt).texts
    tokens = pl.Series([counts[text].tokens for text in table["text"]], dtype=pl.Int64)
    return table.sort(-tokens, maintain_order=True)


def encode_with_settings(
    encoder: Encoder,
    settings: EncoderSettings,
    texts: Sequence[str] | pl.Series,
    side: Side,
    into: Float32 | None = None,
) -> Float32:
    """Return vectors (N, D) as `encode_texts` does, with the length and prompt of a side."""
    length, prompt = settings.of(side)
    batch, precision = settings.batch_texts, settings.precision
    return encode_texts(encoder, texts, length, batch, prompt, precision, into)
