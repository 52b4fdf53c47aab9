"""A folder of the user's own files: what is in it, its copy in data/raw, how errors name it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from polybatch.core.errors import InputError
from polybatch.core.files import refuse_special_files, sha256_of


def copy_files(origin: Path, folder: Path, name: str) -> list[dict[str, Any]]:
    """Copy what is in `origin` to `folder/files`; return path, bytes and sha256 of each file.

    Raises:
        InputError: there is no file, a link or pipe among them, or one that cannot be read.
    """
    try:
        refuse_special_files(origin, f"sources.{name}.folder")
    except OSError as error:
        raise unreadable(origin, error) from error
    found = []
    for inside in own_files(origin):
        refuse_unreadable(origin / inside)
        target = folder / "files" / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin / inside, target)
        size, digest = target.stat().st_size, sha256_of(target)
        found.append({"path": inside.as_posix(), "bytes": size, "sha256": digest})
    if not found:
        raise InputError(origin, "no file", "at least one", "Put your files there")
    return found


def own_files(folder: Path) -> list[Path]:
    """Return the files in a folder, relative to it and sorted, without hidden ones and folders.

    Raises:
        InputError: a folder in it cannot be read.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / ".git").mkdir()
        >>> for name in ("faq.csv", ".git/old.csv", ".DS_Store"):
        ...     (folder / name).touch()
        >>> [str(path) for path in own_files(folder)]
        ['faq.csv']
    """
    found = []
    try:
        for root, folders, names in os.walk(folder, onerror=_again):
            folders[:] = [name for name in folders if not name.startswith(".")]
            paths = (Path(root, name) for name in names if not name.startswith("."))
            found += [path.relative_to(folder) for path in paths if path.is_file()]
    except OSError as error:
        raise unreadable(folder, error) from error
    return sorted(found)


def _again(error: OSError) -> None:
    raise error


def refuse_unreadable(path: Path) -> None:
    """Raise InputError if a file cannot be opened."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> InputError:
    """Return the error of a file or folder of the user's that cannot be read.

    Example:
        >>> print(unreadable(Path("faq"), PermissionError(13, "Permission denied", "faq/sub")).do)
        Correct its permissions (chmod -R u+rX), or move it out of the folder
    """
    return InputError(
        error.filename or path,
        f"the system's answer '{error.strerror or error}' while reading",
        "files and folders that can be read",
        "Correct its permissions (chmod -R u+rX), or move it out of the folder",
    )


def check_names(files: Sequence[Mapping[str, Any]], name: str) -> None:
    r"""Raise InputError if the name of a file is not UTF-8, as names in old archives are.

    Example:
        >>> check_names([{"path": "caf\udce9.csv"}], "local")
        Traceback (most recent call last):
        polybatch.core.errors.InputError: ... found the file name caf\udce9.csv, ...
    """
    for file in files:
        shown = file["path"].encode("utf-8", "backslashreplace").decode()
        if shown != file["path"]:
            raise InputError(f"sources.{name}.folder", f"the file name {shown}", "names in UTF-8",
                             "Rename the file")  # fmt: skip


@contextmanager
def named(copy: Path, given: str | None, file: str = "") -> Iterator[None]:
    """Name the user's own file in an InputError of the block, not the copy in data/raw.

    `copy`: the folder of the copies; `given`: that of the files; `file`: one, by its path in them.

    Example:
        >>> with named(Path("data/raw/local/files"), "inputs/faq"):
        ...     raise InputError("data/raw/local/files/en.csv:3", "1 column", "3", "Correct it")
        Traceback (most recent call last):
        polybatch.core.errors.InputError: inputs/faq/en.csv:3: found 1 column, ...
    """
    try:
        yield
    except InputError as error:
        inside = error.where.removeprefix(str(copy))
        if given is None or not (inside != error.where or (file and inside.startswith(f"{file}:"))):
            raise
        where = str(Path(given, inside.lstrip("/"))) if inside else given
        raise InputError(where, error.found, error.expected, error.do) from error
