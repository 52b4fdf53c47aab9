"""Encoders: by name, from a checkpoint, to a checkpoint, and from texts to vectors."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sentence_transformers import SentenceTransformer

from polybatch.encoders.use_multilingual import UseMultilingual
from polybatch.errors import InputError
from polybatch.files import library_writes
from polybatch.settings import EncoderSettings

log = logging.getLogger(__name__)


def _use_multilingual(settings: EncoderSettings) -> SentenceTransformer:
    return SentenceTransformer(modules=[UseMultilingual(settings.document_length)], device="cpu")


ENCODERS: dict[str, Callable[[EncoderSettings], SentenceTransformer]] = {
    "use-multilingual": _use_multilingual,
}
"""Name in params.yaml -> function that makes the untrained encoder."""


def load_encoder(settings: EncoderSettings) -> SentenceTransformer:
    """Return the untrained encoder that `settings.name` names; InputError if it is unknown."""
    if settings.name not in ENCODERS:
        raise InputError(
            "encoder.name", f"'{settings.name}'", f"one of {', '.join(ENCODERS)}", "Choose one"
        )
    return ENCODERS[settings.name](settings)


def open_checkpoint(folder: Path) -> SentenceTransformer:
    """Read a checkpoint folder; InputError if it is not one, or names classes of a third party.

    Outside polybatch: `SentenceTransformer(path, trust_remote_code=True)`. Since version 6 that
    library asks for this word before it imports a class of any other package.
    """
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        classes = [module["type"] for module in modules]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            folder,
            f"no readable modules.json ({type(error).__name__})",
            "a sentence-transformers folder",
            "Run `dvc repro`: it rebuilds what is missing",
        ) from error
    ours = tuple(f"{name}." for name in ("polybatch", "sentence_transformers"))
    if foreign := [name for name in classes if not name.startswith(ours)]:
        raise InputError(
            folder,
            f"modules of other packages ({', '.join(foreign)})",
            "modules of polybatch or sentence-transformers",
            "Convert the model, or add its loader to polybatch.encoders.ENCODERS",
        )
    return SentenceTransformer(
        str(folder), device="cpu", local_files_only=True, trust_remote_code=True
    )


def save_checkpoint(encoder: SentenceTransformer, folder: Path) -> None:
    """Write a sentence-transformers folder, the same bytes for the same weights."""
    with library_writes(folder):
        encoder.save(str(folder), create_model_card=False)
    _sort_json(folder / "config_sentence_transformers.json")


@contextmanager
def token_limit(encoder: SentenceTransformer, max_tokens: int) -> Iterator[None]:
    """Cut texts after `max_tokens` tokens within the block, and as before after it."""
    before = encoder.max_seq_length
    encoder.max_seq_length = max_tokens
    try:
        yield
    finally:
        encoder.max_seq_length = before


def encode_texts(
    encoder: SentenceTransformer, texts: Sequence[str], max_tokens: int, batch_texts: int
) -> npt.NDArray[np.float32]:
    """Return vectors (N, D), rows of unit length, in the order of `texts`.

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


def _sort_json(path: Path) -> None:
    if path.is_file():
        value = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
