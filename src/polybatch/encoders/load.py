"""Untrained encoders by name: packaged ones, those on the hub, folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from polybatch.core.errors import InputError
from polybatch.encoders.light import Encoder, LightEncoder
from polybatch.encoders.tokens import count_tokens
from polybatch.encoders.use_multilingual import UseMultilingual
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.encoder_rules import HUB_NAMES, encoder_mistakes

_ROOM = 4  # tokens of each text, at least, behind its prompt


def _use_multilingual(settings: EncoderSettings) -> Encoder:
    return LightEncoder(UseMultilingual(settings.document_length))


def _multilingual_e5(settings: EncoderSettings) -> Encoder:
    from polybatch.encoders import hub, multilingual_e5  # takes seconds

    with TemporaryDirectory() as folder:
        multilingual_e5.write_folder(Path(folder))
        return hub.load(settings, Path(folder))


def _from_hub(settings: EncoderSettings) -> Encoder:
    from polybatch.encoders import hub  # takes seconds: a packaged encoder does without

    return hub.load(settings)


ENCODERS: dict[str, Callable[[EncoderSettings], Encoder]] = {
    "use-multilingual": _use_multilingual,
    "multilingual-e5-small": _multilingual_e5,
    **dict.fromkeys(HUB_NAMES, _from_hub),
}
"""Name in params.yaml -> function that makes the untrained encoder; hub.load makes all others."""


def load_encoder(settings: EncoderSettings) -> Encoder:
    """Return the untrained encoder that `settings.name` names.

    InputError if the name is unknown, contradicts another setting, its files are not there, or a
    prompt leaves no room for texts.

    Example:
        >>> load_encoder(EncoderSettings("use", "", "as-saved", "", "", 64, 160, 256, "fp32"))
        Traceback (most recent call last):
        polybatch.core.errors.InputError: encoder.name: found 'use', expected one of ...
    """
    if mistake := next(encoder_mistakes(settings), None):
        raise InputError(*mistake)
    if settings.name in ENCODERS:
        encoder = ENCODERS[settings.name](settings)
    elif "/" in settings.name or Path(settings.name).is_dir():
        encoder = _from_hub(settings)
    else:
        raise InputError(
            "encoder.name",
            f"'{settings.name}'",
            f"one of {', '.join(ENCODERS)}, an owner/name on the hub, or a folder",
            "Choose one",
        )
    _check_room(encoder, settings, "query")
    _check_room(encoder, settings, "document")
    return encoder


def _check_room(
    encoder: Encoder, settings: EncoderSettings, side: Literal["query", "document"]
) -> None:
    """Refuse a prompt that fills a side's length: all its texts would have the same vector."""
    length, prompt = settings.of(side)
    taken = count_tokens(encoder, [""], length, prompt).texts[""].tokens if prompt else 0
    if prompt and length - taken < _ROOM:
        raise InputError(
            f"encoder.{side}_length",
            f"{length} tokens, of which the prompt and the text's ends take {taken}",
            f"room for {_ROOM} tokens of each text at least",
            f"Raise it, or shorten encoder.{side}_prompt",
        )
