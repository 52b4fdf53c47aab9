"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from polybatch.core.errors import InputError

_CHUNK = 1 << 20  # bytes read at a time when hashing


def sha256_of(path: Path) -> str:
    """Return the hex SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def sha256_of_folder(folder: Path) -> str:
    """Return the hex SHA-256 of a folder's files and their names; FileNotFoundError without any.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.txt").write_text("done")
        >>> sha256_of_folder(folder)[:8]
        '9eafeece'
    """
    digest = hashlib.sha256()
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise FileNotFoundError(errno.ENOENT, "no files in", str(folder))
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def gzipped(data: bytes | memoryview, level: int = 9) -> bytes:
    """Return gzip's format of bytes, without time and system: of the same zlib, the same bytes.

    Example:
        >>> gzipped(b"a")[:10].hex(" ")
        '1f 8b 08 00 00 00 00 00 02 03'
    """
    packed = gzip.compress(data, level, mtime=0)
    return packed[:9] + b"\3" + packed[10:]  # the byte that names the system (3: Unix)


def refuse_special_files(folder: Path, where: str) -> None:
    """Refuse what cannot be read or watched in a folder of the user's: nothing in it is opened.

    The folder itself may be a link. DVC sees no change behind a link to a folder inside it, and
    reading a pipe would wait forever.

    Raises:
        InputError: no folder, a link to a folder or to nothing, a pipe, socket or device in it.
    """
    if not folder.is_dir():
        raise InputError(
            where, f"no folder {folder}", "the folder of your files", "Create or correct it"
        )
    for root, names, files in os.walk(folder):
        for name in names:
            if (Path(root) / name).is_symlink():
                raise InputError(
                    Path(root) / name,
                    "a link to a folder, behind which DVC sees no change",
                    "files and folders",
                    f"Copy it, or make {folder} itself a link to a folder that holds everything",
                )
        for name in files:
            path = Path(root) / name
            if not path.is_file():
                found = "a link to nothing" if path.is_symlink() else "a pipe, socket or device"
                raise InputError(path, found, "files and folders", "Remove it")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it replaces `path` only if the block succeeds.

    The rename is atomic, so a reader sees the old file or the new one. A killed process leaves
    a `.name.partial-PID` behind, which the next writer of the same path removes.

    Raises:
        InputError: the disk is full, or refuses to be written to.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with whole_file(target) as temporary:
        ...     _ = temporary.write_text("done")
        >>> target.read_text()
        'done'
    """
    temporary = _temporary_for(path)
    try:
        yield temporary
        follow_umask(temporary)
        _sync(temporary)
        temporary.replace(path)
    except OSError as error:
        raise _error_of(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder; it replaces `path` only if the block succeeds.

    Raises:
        InputError: the disk is full, or refuses to be written to.
    """
    temporary = _temporary_for(path)
    try:
        temporary.mkdir()
        yield temporary
        follow_umask(temporary)
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        _replace(temporary, path)
    except OSError as error:
        raise _error_of(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def whole_together(first: Path) -> Iterator[Callable[[Path], Path]]:
    """Yield a function from a path to a temporary one; all replace their paths, or none does.

    What the block made there, files or folders, is on the disk before the first rename, so a full
    disk leaves every old result as it was. `first` is one of the paths, on the same file system.

    Raises:
        InputError: the disk is full, or refuses to be written to.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with whole_together(folder / "a.txt") as place:
        ...     _ = place(folder / "a.txt").write_text("done")
        ...     place(folder / "b").mkdir()
        >>> sorted(path.name for path in folder.iterdir())
        ['a.txt', 'b']
    """
    placed: dict[Path, Path] = {}
    temporary = _temporary_for(first)

    def place(path: Path) -> Path:
        return placed.setdefault(path, temporary / f"{len(placed)}-{path.name}")

    try:
        temporary.mkdir()
        yield place
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        for path in placed:
            path.parent.mkdir(parents=True, exist_ok=True)
        for path, made in placed.items():
            _replace(made, path)
    except OSError as error:
        raise _error_of(first, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(temporary: Path, path: Path) -> None:
    """Put a temporary file or folder in the place of `path`, whatever is there."""
    old = path.with_name(f".{path.name}.partial-{os.getpid()}-old")
    if path.is_dir():
        path.replace(old)
    temporary.replace(path)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def library_writes(path: Path) -> Iterator[None]:
    """Raise a library's own writing errors, which are of any kind, as InputError.

    Example:
        >>> with library_writes(Path("a.faiss")):
        ...     raise RuntimeError("write error 28")
        Traceback (most recent call last):
        polybatch.core.errors.InputError: a.faiss: found the system's answer 'write error 28' ...
    """
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception as error:
        raise storage_error(path, str(error)) from error


def follow_umask(path: Path) -> None:
    """Give a file, or all files of a folder, the permissions of a file that `open` makes.

    Libraries write through temporary files that only their owner may read.
    """
    folder = path if path.is_dir() else path.parent
    # a probe of its own for every thread: several write into one folder
    probe = folder / f".permissions-{os.getpid()}-{threading.get_ident()}"
    probe.touch()
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file() and not file.is_symlink():
            file.chmod(mode)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as sorted, indented UTF-8 JSON, whole or not at all.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.json"
        >>> write_json(path, {"b": 1, "a": "é"})
        >>> print(path.read_text(encoding="utf-8"), end="")
        {
          "a": "é",
          "b": 1
        }
    """
    with whole_file(path) as temporary:
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _temporary_for(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in path.parent.glob(f".{path.name}.partial-*"):
            owner = stale.name.split(".partial-")[1].split("-")[0]
            if not _alive(owner):
                shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
    except OSError as error:
        raise _error_of(path, error) from error
    return path.with_name(f".{path.name}.partial-{os.getpid()}")


def _alive(pid: str) -> bool:
    if not pid.isdigit() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def storage_error(path: Path, answer: str) -> InputError:
    """Return the error of a file that cannot be written, with the cure.

    Example:
        >>> storage_error(Path("data"), "No space left on device").expected
        'room and permission for this file'
    """
    return InputError(
        path,
        f"the system's answer '{answer}' while writing",
        "room and permission for this file",
        "Free disk space or correct the permissions, then run the same command again; "
        "what was there before is unchanged",
    )


def _error_of(path: Path, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError):
        return error
    return storage_error(path, error.strerror or str(error))
