"""JSON that one stage writes and another reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from polybatch.core.errors import InputError, not_made


def read_json(path: Path) -> Any:
    """Return what a stage wrote as JSON.

    Raises:
        InputError: the file is not there yet, or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise not_made(path) from error
    except (OSError, ValueError, RecursionError) as error:
        found = f"no readable JSON ({type(error).__name__})"
        do = "Run `dvc repro -f -s` of the stage that writes it"
        raise InputError(path, found, "JSON in UTF-8", do) from error
