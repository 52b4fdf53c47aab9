"""What `encoder` in params.yaml may not say, and which names are the hub's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from polybatch.settings.encoder import EncoderSettings

PACKAGED_ENCODERS = ("use-multilingual", "multilingual-e5-small")
"""Encoders whose weights come with a package: no revision, no pooling to choose."""

HUB_NAMES = {
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
    "xlm-roberta-large": "FacebookAI/xlm-roberta-large",
}
"""Short names of `encoder.name`; any other `owner/name` is the hub's own name."""

PROMPTS = {
    f"multilingual-e5-{kind}": ("query: ", "passage: ") for kind in ("small", "base", "large")
}
"""Encoders trained with a prompt before each query and document, by the last part of a name."""

_PROMPTED_LENGTH = 512
"""How many tokens a text of these may have: seen here before anything is fetched."""

_COMMIT = re.compile("[0-9a-f]{40}")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def is_hub_name(name: str) -> bool:
    """Return whether `encoder.name` names a repository on the hub: no folder here has its name.

    Example:
        >>> [is_hub_name(name) for name in ("xlm-roberta-base", "a/b", "use-multilingual", "./a")]
        [True, True, False, False]
    """
    return name in HUB_NAMES or (
        _HUB_NAME.fullmatch(name) is not None
        and not name.startswith(".")
        and not Path(name).is_dir()
    )


def encoder_mistakes(encoder: EncoderSettings) -> Iterator[tuple[str, str, str, str]]:
    """Yield (key, found, expected, what to do) of keys that contradict the encoder's name.

    Example:
        >>> bare = EncoderSettings("xlm-roberta-base", "", "as-saved", "", "", 64, 160, 32, "fp32")
        >>> [key for key, *_ in encoder_mistakes(bare)]
        ['encoder.revision']
    """
    name, revision = encoder.name, encoder.revision
    if is_hub_name(name) and not _COMMIT.fullmatch(revision):
        yield (
            "encoder.revision",
            f"'{revision}'",
            f"the commit of {HUB_NAMES.get(name, name)} on the hub, 40 hexadecimal digits",
            "Copy it from the repository's list of commits",
        )
    elif not is_hub_name(name) and revision:
        yield (
            "encoder.revision",
            f"'{revision}'",
            f"'' (empty), as '{name}' is no name on the hub",
            "Write revision: '' (only hub names have commits), or correct encoder.name",
        )
    if name in PACKAGED_ENCODERS and encoder.pooling != "as-saved":
        yield ("encoder.pooling", encoder.pooling, f"as-saved for '{name}'", "Change it")
    for key, wanted in zip(("query", "document"), PROMPTS.get(Path(name).name, ()), strict=False):
        if (length := getattr(encoder, f"{key}_length")) > _PROMPTED_LENGTH:
            most = f"at most the {_PROMPTED_LENGTH} that '{name}' has positions for"
            yield (f"encoder.{key}_length", f"{length} tokens", most, "Lower it")
        if not getattr(encoder, f"{key}_prompt"):
            yield (
                f"encoder.{key}_prompt",
                "'' (empty)",
                f"the prompt '{name}' was trained with",
                f"Write {key}_prompt: '{wanted}'",
            )
