"""Languages and ordered pairs of them; codes are BCP-47."""

from __future__ import annotations

import re
from dataclasses import dataclass

POOL = "mul"
"""ISO 639-2's code for 'multiple languages': the document side of the multilingual setting."""

_CODE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")


def is_language(code: str) -> bool:
    """Tell whether `code` is a well-formed BCP-47 language tag (language, script, region).

    Example:
        >>> [is_language(code) for code in ("sw", "zh-Hant", "pt-BR", "english", "EN")]
        [True, True, True, False, False]
    """
    return _CODE.fullmatch(code) is not None


@dataclass(frozen=True, order=True)
class LanguagePair:
    """A query language and a document language; monolingual when they are equal.

    Example:
        >>> LanguagePair.parse("sw>en").kind, str(LanguagePair("de", "de"))
        ('cross', 'de>de')
    """

    query: str
    document: str

    @classmethod
    def parse(cls, text: str) -> LanguagePair:
        """Read the written form `query>document`; ValueError for anything else."""
        halves = text.split(">")
        if len(halves) != 2 or not all(map(is_language, halves)):
            raise ValueError(f"{text!r} is no pair of languages like 'sw>en'")
        return cls(*halves)

    @property
    def kind(self) -> str:
        """`mono` or `cross`."""
        return "mono" if self.query == self.document else "cross"

    def __str__(self) -> str:
        return f"{self.query}>{self.document}"
