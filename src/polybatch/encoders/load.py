"""Untrained encoders by name: packaged ones, those on the hub, folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from polybatch.core.errors import InputError
from polybatch.encoders.light import Encoder, LightEncoder
from polybatch.encoders.use_multilingual import UseMultilingual
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.encoder_rules import HUB_NAMES, encoder_mistakes


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

    InputError if the name is unknown, contradicts another setting, or its files are not there.

    Example:
        >>> load_encoder(EncoderSettings("use", "", "as-saved", "", "", 64, 160, 256, "fp32"))
        Traceback (most recent call last):
        polybatch.core.errors.InputError: encoder.name: found 'use', expected one of ...
    """
    if mistake := next(encoder_mistakes(settings), None):
        raise InputError(*mistake)
    if settings.name in ENCODERS:
        return ENCODERS[settings.name](settings)
    if "/" in settings.name or Path(settings.name).is_dir():
        return _from_hub(settings)
    raise InputError(
        "encoder.name",
        f"'{settings.name}'",
        f"one of {', '.join(ENCODERS)}, an owner/name on the hub, or a folder",
        "Choose one",
    )
