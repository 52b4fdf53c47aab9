"""Untrained encoders by name: packaged ones, those on the hub, folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sentence_transformers import SentenceTransformer

from polybatch.encoders import hub
from polybatch.encoders.use_multilingual import UseMultilingual
from polybatch.errors import InputError
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.encoder_rules import HUB_NAMES, encoder_mistakes


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
