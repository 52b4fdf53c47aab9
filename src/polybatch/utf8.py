"""UTF-8 whatever the locale: texts and paths of many languages do not fit into another encoding."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


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
