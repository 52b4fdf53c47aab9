"""The one error users see: where, what was found, what was expected, what to do.

And how a program prints it whatever the locale: names and texts of many languages do not fit into
another encoding than UTF-8.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable
from io import TextIOWrapper


class InputError(Exception):
    """Something a user gave, or a file on disk, is not what it has to be.

    Never raised for mistakes of our own logic; those are assertions.

    Example:
        >>> print(InputError("a.tsv:2", "1 column", "3", "Separate columns by tabs"))
        a.tsv:2: found 1 column, expected 3. Separate columns by tabs.
    """

    def __init__(self, where: object, found: str, expected: str, do: str) -> None:
        # half a surrogate pair, which a file can hold, could be neither logged nor written
        self.where, self.found, self.expected, self.do = (
            part.encode("utf-8", "backslashreplace").decode()
            for part in (str(where), found, expected, do)
        )
        stop = "" if self.do.endswith(("?", ".")) else "."
        super().__init__(
            f"{self.where}: found {self.found}, expected {self.expected}. {self.do}{stop}"
        )

    def __reduce__(self) -> tuple[type[InputError], tuple[str, ...]]:  # from another process
        return type(self), (self.where, self.found, self.expected, self.do)


class DivergedError(InputError):
    """A training whose loss, or whose encoder's vectors, are no longer finite numbers.

    Example:
        >>> error = DivergedError("training, step 3", "the loss nan", "a finite loss", "Lower it")
        >>> isinstance(error, InputError)
        True
    """


class InputErrorList(Exception):
    """Several mistakes at once, one line each, so that all can be corrected in one go.

    Example:
        >>> error = InputError("params.yaml:3", "1", "2", "Add 1")
        >>> print(InputErrorList("params.yaml cannot be used", [error]))
        params.yaml cannot be used (1 to correct):
          - params.yaml:3: found 1, expected 2. Add 1.
    """

    def __init__(self, title: str, errors: list[InputError]) -> None:
        self.title, self.errors = title, tuple(errors)
        lines = "\n".join(f"  - {error}" for error in errors)
        super().__init__(f"{title} ({len(errors)} to correct):\n{lines}")

    def __reduce__(self) -> tuple[type[InputErrorList], tuple[str, list[InputError]]]:
        return type(self), (self.title, list(self.errors))


def not_made(path: object, kind: str = "file") -> InputError:
    """Return the error of a file or folder that a stage of the study has not written yet.

    Example:
        >>> print(not_made("results/metrics/mono/0.json").do)
        Run `polybatch run`: this study has not run yet, or not to its end
    """
    do = "Run `polybatch run`: this study has not run yet, or not to its end"
    return InputError(path, f"no such {kind}", "what a stage of this study writes", do)


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return a question with the nearest word that is known, else what to do `otherwise`.

    Example:
        >>> did_you_mean("hybird", ["mono", "hybrid"], "Choose one")
        "Did you mean 'hybrid'?"
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean '{close[0]}'?" if close else otherwise


def use_utf8() -> None:
    """Start this program again in Python's UTF-8 mode if its locale says otherwise.

    Call it first in a program, before any work: under `LC_ALL=C` Python would read and write paths
    as ASCII. What a stream cannot show, such as half a surrogate, is escaped.
    """
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        os.putenv("PYTHONUTF8", "1")  # for this program and those that it starts
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
