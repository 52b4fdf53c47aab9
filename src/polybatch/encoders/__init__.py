"""Encoders: by name, from a checkpoint, to a checkpoint, and from texts to vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sentence_transformers import SentenceTransformer

from polybatch.encoder_rules import HUB_NAMES, encoder_mistakes
from polybatch.encoders import hub
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.tokens import (
    TokenCounts,
    count_tokens,
    features_of,
    padding_ids,
    token_limit,
)
from polybatch.encoders.use_multilingual import UseMultilingual
from polybatch.errors import InputError
from polybatch.settings import EncoderSettings

__all__ = [
    "ENCODERS",
    "TokenCounts",
    "count_tokens",
    "encode_texts",
    "features_of",
    "load_encoder",
    "open_checkpoint",
    "padding_ids",
    "save_checkpoint",
    "token_limit",
]


def _use_multilingual(settings: EncoderSettings) -> SentenceTransformer:
    return SentenceTransformer(modules=[UseMultilingual(settings.document_length)], device="cpu")


ENCODERS: dict[str, Callable[[EncoderSettings], SentenceTransformer]] = {
    "use-multilingual": _use_multilingual,
    **dict.fromkeys(HUB_NAMES, hub.load),
}
"""Name in params.yaml -> function that makes the untrained encoder; hub.load makes all others."""


def load_encoder(settings: EncoderSettings) -> SentenceTransformer:
    """Return the untrained encoder that `settings.name` names.

    InputError if the name is unknown, contradicts another setting, or its files are not there.
    """
    if mistake := next(encoder_mistakes(settings), None):
        raise InputError(*mistake)
    if settings.name in ENCODERS:
        return ENCODERS[settings.name](settings)
    if "/" in settings.name or Path(settings.name).is_dir():
        return hub.load(settings)
    raise InputError(
        "encoder.name",
        f"'{settings.name}'",
        f"one of {', '.join(ENCODERS)}, an owner/name on the hub, or a folder",
        "Choose one",
    )


def encode_texts(
    encoder: SentenceTransformer,
    texts: Sequence[str],
    max_tokens: int,
    batch_texts: int,
    prompt: str = "",
) -> npt.NDArray[np.float32]:
    """Return vectors (N, D), rows of unit length, in the order of `texts`, each behind `prompt`.

    Each distinct text is encoded once, so equal texts have equal bytes. InputError names the
    first texts whose vectors are not finite.
    """
    if not texts:
        return np.zeros((0, encoder.get_embedding_dimension()), np.float32)
    distinct = sorted(set(texts), key=lambda text: (len(text), text))
    place = {text: i for i, text in enumerate(distinct)}
    with token_limit(encoder, max_tokens):
        vectors: npt.NDArray[np.float32] = encoder.encode(
            distinct,
            prompt=prompt,  # even if empty: a checkpoint's own default would come in its place
            batch_size=batch_texts,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=None,
        ).astype(np.float32, copy=False)
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise InputError(
            "encoder",
            f"vectors that are not finite, for {[distinct[i][:60] for i in bad[:3]]}",
            "finite numbers",
            "Train again with a lower learning rate",
        )
    return vectors[[place[text] for text in texts]]
