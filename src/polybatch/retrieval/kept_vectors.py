"""Vectors made before from the same checkpoint, texts and settings, taken instead of made again.

A study has them twice in two cases: a strategy that is not trained has one checkpoint, whatever the
seed, and a dataset that is added leaves the vectors of all others as they were. A note of each
folder stands in NOTES, which is of this machine and no output; the files themselves are where the
stage wrote them, or in DVC's cache (files/md5, as DVC's documentation lays it out). What is in
neither, or has changed there, is made again.
"""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.core.files import write_json
from polybatch.core.json_files import read_json

NOTES = Path(".dvc/tmp/vectors")
_CACHE = Path(".dvc/cache/files/md5")

Facts = dict[str, int]


def key_of(*parts: object) -> str:
    """Return the name of what vectors are made of, each part by its repr.

    Example:
        >>> key_of("a", 1) == key_of("a", 1), key_of("a", 1) == key_of("a", "1")
        (True, False)
    """
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()


def keep_note(key: str, folder: Path, facts: Facts) -> None:
    """Note that the files of `folder` are what `key` gives, with numbers that go with them.

    Outside a study with DVC, or where no note can be written, nothing happens.
    """
    if not NOTES.parents[1].is_dir():
        return
    files = {path.name: _md5(path) for path in sorted(folder.iterdir())}
    with suppress(OSError, InputError):
        note = {"folder": folder.as_posix(), "files": files, "facts": facts}
        write_json(NOTES / f"{key}.json", note)


def take(key: str, folder: Path) -> Facts | None:
    """Fill the empty `folder` with copies of what `key` gave; return its numbers, None without.

    Example:
        >>> take("nothing was made of this", Path("nowhere"))
    """
    try:
        note = read_json(NOTES / f"{key}.json")
        made, files, facts = Path(note["folder"]), dict(note["files"]), dict(note["facts"])
    except (OSError, InputError, KeyError, TypeError, ValueError):
        return None
    for name, digest in files.items():
        if not any(
            _copied(place, folder / name, digest)
            for place in (made / name, _CACHE / digest[:2] / digest[2:])
        ):
            for path in folder.iterdir():
                path.unlink()
            return None
    return facts


def _copied(source: Path, target: Path, digest: str) -> bool:
    """Copy a file and return whether the copy is the one that was noted."""
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        return False
    return _md5(target) == digest


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
