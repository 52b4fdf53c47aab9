"""The code that lies in an exported folder, and the check that it is this code to the letter."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from polybatch.core.errors import InputError

EXPORTED = "exported.ExportedEncoder"
"""`type` in modules.json of an exported folder: file and class, as sentence-transformers reads."""

_FILES = ("exported.py", "ngram.py", "pieces.py")
_EARLIER: frozenset[str] = frozenset()
"""Digests of what earlier releases shipped, whose weights this one reads in the same way."""


@cache
def shipped_files() -> dict[str, str]:
    """Return {file name: text} of what an export ships: our own files, importing each other.

    Example:
        >>> "from .ngram import" in shipped_files()["exported.py"]
        True
    """
    here = Path(__file__).parent
    return {
        name: (here / name)
        .read_text(encoding="utf-8")
        .replace("from polybatch.encoders.", "from .")
        for name in _FILES
    }


def _digest(files: Mapping[str, str]) -> str:
    joined = "\0".join(f"{name}\0{text}" for name, text in sorted(files.items()))
    return hashlib.sha256(joined.encode()).hexdigest()


def check_code(folder: Path) -> None:
    """Refuse an exported folder whose code is not what a release of polybatch shipped.

    Nothing of it is run here: the packaged code reads the weights. But a folder whose code says
    something else is not the encoder that others see.

    Raises:
        InputError: its code is that of no release.

    Example:
        >>> check_code(Path("nowhere"))
        Traceback (most recent call last):
        polybatch.core.errors.InputError: nowhere: found an exported encoder with ...
    """
    own, found = _digest(shipped_files()), "missing or not text"
    with suppress(OSError, UnicodeDecodeError):
        found = _digest({name: (folder / name).read_text(encoding="utf-8") for name in _FILES})
    if found not in {own, *_EARLIER}:
        raise InputError(
            folder,
            f"an exported encoder with other code ({found[:19]})",
            f"that which polybatch exports ({own[:19]})",
            "Export it again with this version of polybatch, or load it with"
            " sentence-transformers, where you trust it",
        )
