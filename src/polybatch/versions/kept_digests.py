"""The digests of the stages' code, kept between runs: reading all of it takes a second or two."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.core.files import write_json
from polybatch.versions.code_digest import OURS, package_folder, stage_digests

DIGESTS = Path(".dvc/tmp/code_digests.json")
"""Where a study keeps them."""


def kept_digests(place: Path) -> dict[str, str]:
    """Return `stage_digests()`, from the file `place` if no file of our code changed since.

    A change is seen by a file's name, size and time (ns), as git sees it; then `place` is written
    anew. Where it cannot be read or written, that costs time and nothing else.
    """
    state = code_state()
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(place.read_text(encoding="utf-8"))
        if kept["state"] == state:
            return dict(kept["digests"])
    digests = stage_digests()
    with suppress(OSError, InputError):
        write_json(place, {"state": state, "digests": list(digests.items())})  # in their order
    return digests


def code_state() -> str:
    """Return a digest of the names, sizes and times of all files of our packages."""
    total = hashlib.sha256()
    for name in OURS:
        folder = package_folder(name)
        for path in sorted(folder.rglob("*")):
            if path.suffix != ".pyc" and path.is_file():
                found = path.stat()
                line = f"{name}/{path.relative_to(folder)} {found.st_size} {found.st_mtime_ns}\n"
                total.update(line.encode())
    return total.hexdigest()
