"""The one error users see: where, what was found, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Something a user gave, or a file on disk, is not what it has to be.

    Never raised for mistakes of our own logic; those are assertions.

    Example:
        >>> print(InputError("a.tsv:2", "1 column", "3", "Separate columns by tabs"))
        a.tsv:2: found 1 column, expected 3. Separate columns by tabs.
    """

    def __init__(self, where: object, found: str, expected: str, do: str) -> None:
        self.where, self.found, self.expected, self.do = str(where), found, expected, do
        stop = "" if do.endswith(("?", ".")) else "."
        super().__init__(f"{where}: found {found}, expected {expected}. {do}{stop}")


class InputErrorList(Exception):
    """Several mistakes at once, one line each, so that one look mends them all."""

    def __init__(self, title: str, errors: list[InputError]) -> None:
        self.errors = tuple(errors)
        lines = "\n".join(f"  - {error}" for error in errors)
        super().__init__(f"{title} ({len(errors)} to mend):\n{lines}")


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return a question with the nearest word that is known, else what to do `otherwise`.

    Example:
        >>> did_you_mean("hybird", ["mono", "hybrid"], "Choose one")
        "Did you mean 'hybrid'?"
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean '{close[0]}'?" if close else otherwise
