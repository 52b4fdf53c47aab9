"""A publisher's file, whole and checked, from a mirror or from the network.

A mirror is a folder laid out `<upstream>/<path>`. From the network: retries, resuming where a
transfer broke off, a progress bar on a terminal. Nothing is handed over before its size and
sha256 are right, so a cut download never passes for a whole one.
"""

from __future__ import annotations

import hashlib
import shutil
import stat
import sys
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import requests
from tqdm import tqdm

from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of, whole_file
from polybatch.sources.source import RemoteFile

_CHUNK = 1 << 14  # bytes written at a time; a cut loses what it had of the next
_TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
_REPLACE = "Replace it by the published one"
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses after which another attempt may do


class Fetcher:
    """Fetches files from `mirror`, or from the network where that is None.

    `work`: folder for partial downloads and archives; it outlives a killed process, so that the
    next one goes on where this one broke off. `attempts`: how many in a row may bring no byte.
    `pause`: seconds before the first repeat; each further one waits twice as long. `before`: a
    folder of an earlier run, whose files are used where they are the requested ones.
    """

    def __init__(
        self,
        mirror: Path | None,
        work: Path,
        attempts: int = 4,
        pause: float = 1.0,
        before: Path | None = None,
    ) -> None:
        self.mirror, self.work, self.attempts, self.pause = mirror, work, attempts, pause
        self.before = before

    def __call__(self, file: RemoteFile, path: Path) -> None:
        """Write `file` to `path`, checked; InputError says what is wrong and what to do."""
        before = self.before / file.path if self.before else None
        if before and _size(before) == file.bytes and sha256_of(before) == file.sha256:
            with whole_file(path) as temporary:
                shutil.copyfile(before, temporary)
        elif self.mirror is not None:
            self._from_mirror(self.mirror, file, path)
        elif file.mirror_only:
            raise InputError(
                file.url,
                "no POLYBATCH_MIRROR",
                f"a mirror that holds {file.upstream}/{file.path}: {file.mirror_only}",
                "Set POLYBATCH_MIRROR to such a folder, or leave out the split that needs the file",
            )
        else:
            self._from_network(file, path)

    def clean(self) -> None:
        """Remove partial downloads and archives, once they are not needed any more."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _from_mirror(self, mirror: Path, file: RemoteFile, path: Path) -> None:
        stored = mirror / file.upstream / file.path
        _check_stored(file, stored, mirror)
        with whole_file(path) as temporary:
            shutil.copyfile(stored, temporary)
            _check(file, temporary, stored, _REPLACE)

    def _from_network(self, file: RemoteFile, path: Path) -> None:
        address, _, member = file.url.partition("#")
        stored = self._archive(address, file) if member else self._download(address, file)
        try:
            with whole_file(path) as temporary:
                if member:
                    _extract(stored, member, temporary, file)
                else:
                    shutil.copyfile(stored, temporary)
                again = (
                    "What was fetched is removed; run again. If it stays so, the publisher has "
                    "changed the file: take it from a mirror (POLYBATCH_MIRROR)"
                )
                _check(file, temporary, file.url, again)
        except InputError:
            stored.unlink(missing_ok=True)
            raise
        if not member:
            stored.unlink()

    def _archive(self, address: str, file: RemoteFile) -> Path:
        """Return the whole archive, which is kept in `work` for its other members."""
        stored = self.work / f"{_key(address)}.zip"
        if not stored.is_file():
            self._download(address, file).replace(stored)
        return stored

    def _download(self, address: str, file: RemoteFile) -> Path:
        """Return the partial file of `address`, complete as far as the server tells."""
        partial = self.work / f"{_key(address)}.part"
        limit = None if "#" in file.url else file.bytes
        idle = 0
        while True:
            before = _size(partial)
            try:
                partial.parent.mkdir(parents=True, exist_ok=True)
                _transfer(address, partial, limit)
                return partial
            except requests.RequestException as error:
                idle = 0 if _size(partial) > before else idle + 1
                if idle >= self.attempts or not _passing(error):
                    raise _no_answer(file, address, error, idle) from error
            except OSError as error:
                raise InputError(
                    partial,
                    f"the system's answer '{error.strerror}' while writing",
                    "room and permission for this file",
                    "Free disk space or correct the permissions, then run again: it resumes",
                ) from error
            time.sleep(self.pause * 2 ** max(idle - 1, 0))


def _check_stored(file: RemoteFile, stored: Path, mirror: Path) -> None:
    """Refuse what is no file of the right size, before anything of it is opened or copied."""
    try:
        status = stored.stat()
    except OSError as error:
        found = f"a path that cannot be read ({error.strerror})"
        if isinstance(error, FileNotFoundError):
            link = stored.is_symlink()
            missing = (
                f"a link to {stored.readlink()}, which is not there" if link else "no such file"
            )
            found = missing if mirror.is_dir() else f"no folder {mirror}"
        raise _not_stored(file, stored, found) from error
    if not stat.S_ISREG(status.st_mode):
        folder = stat.S_ISDIR(status.st_mode)
        raise _not_stored(file, stored, "a folder" if folder else "a pipe, socket or device")
    _check_size(file, status.st_size, stored, _REPLACE)
    try:
        stored.open("rb").close()
    except OSError as error:
        found = f"a file that cannot be read ({error.strerror})"
        raise _not_stored(file, stored, found) from error


def _not_stored(file: RemoteFile, stored: Path, found: str) -> InputError:
    return InputError(
        stored,
        found,
        f"the file published at {file.url} ({file.bytes} bytes)",
        "Put it there, readable, or unset POLYBATCH_MIRROR to fetch it from the network",
    )


def _transfer(address: str, partial: Path, limit: int | None) -> None:
    """Fetch the rest of `partial`; raises RequestException when the transfer ends too early."""
    have = _size(partial)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(address, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if answer.status_code == 416:  # nothing is left, or what was kept is not of this file
            if answer.headers.get("Content-Range", "").rpartition("/")[2] != str(have):
                partial.unlink()
                raise requests.ConnectionError("the server has less than was kept")
            return
        answer.raise_for_status()
        resumed = answer.status_code == 206
        _write(answer, partial, have if resumed else 0, limit)


def _write(answer: requests.Response, partial: Path, begun: int, limit: int | None) -> None:
    """Append the answer's body from byte `begun`, at most a piece beyond `limit` bytes."""
    length = answer.headers.get("Content-Length")
    total = begun + int(length) if length else None
    label = answer.url.rpartition("/")[2]
    quiet = not sys.stderr.isatty()
    with (
        partial.open("ab" if begun else "wb") as out,
        tqdm(
            total=total, initial=begun, unit="B", unit_scale=True, desc=label, disable=quiet
        ) as bar,
    ):
        for piece in answer.iter_content(_CHUNK):
            out.write(piece)
            bar.update(len(piece))
            if limit is not None and out.tell() > limit:
                return  # longer than the registry says: the check will refuse it
    if total is not None and _size(partial) != total:
        raise requests.ConnectionError(f"cut at {_size(partial)} of {total} bytes")


def _extract(archive: Path, member: str, path: Path, file: RemoteFile) -> None:
    """Write one member, never more bytes than the registry says it has, and one.

    Nothing else is unpacked, and the member's own name decides no path: `../`, links and bombs in
    an archive come to nothing.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened, opened.open(member) as stream:
                content = stream.read(file.bytes + 1)
        else:
            content = _tar_member(archive, member, file.bytes + 1)
    except (
        *(zipfile.BadZipFile, tarfile.TarError, KeyError, EOFError, zlib.error, RuntimeError),
        OSError,
    ) as error:
        raise InputError(
            file.url,
            f"no readable member of the archive ({error})",
            f"{member}, {file.bytes} bytes",
            "The archive is removed; run again to fetch it anew",
        ) from error
    path.write_bytes(content)


def _tar_member(archive: Path, member: str, most: int) -> bytes:
    with tarfile.open(archive) as opened:
        found = opened.getmember(member)
        if not found.isreg():
            raise KeyError(f"{member} is no plain file")
        stream = opened.extractfile(found)
        assert stream is not None
        return stream.read(most)


def _check(file: RemoteFile, path: Path, where: object, do: str) -> None:
    _check_size(file, _size(path), where, do)
    digest = sha256_of(path)
    if digest != file.sha256:
        raise InputError(where, f"sha256 {digest}", f"{file.sha256} ({file.path})", do)


def _check_size(file: RemoteFile, size: int, where: object, do: str) -> None:
    if size != file.bytes:
        raise InputError(where, f"{size} bytes", f"{file.bytes} bytes ({file.path})", do)


def _key(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _passing(error: requests.RequestException) -> bool:
    return error.response is None or error.response.status_code in _PASSING


def _no_answer(
    file: RemoteFile, address: str, error: requests.RequestException, attempts: int
) -> InputError:
    status = error.response.status_code if error.response is not None else None
    found = f"HTTP status {status}" if status else f"no connection ({type(error).__name__})"
    return InputError(
        address,
        f"{found} after {attempts} attempts" if attempts > 1 else found,
        f"{file.upstream}/{file.path}, {file.bytes} bytes",
        "Check the connection and run again (it resumes), or set POLYBATCH_MIRROR to a folder that "
        f"holds the file as {file.upstream}/{file.path}",
    )
