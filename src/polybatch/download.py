"""A publisher's file, whole and checked, from a mirror or from the network.

A mirror is a folder laid out `<upstream>/<path>`. From the network: retries, resuming where a
transfer broke off, a progress bar on a terminal. Nothing is handed over before its size and
sha256 are right, so a cut download never looks whole.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
import zipfile
from pathlib import Path

import requests
from tqdm import tqdm

from polybatch.errors import InputError
from polybatch.files import sha256_of, whole_file
from polybatch.sources.base import RemoteFile

_CHUNK = 1 << 16
_TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte


class Fetcher:
    """Fetches files from `mirror`, or from the network where there is none.

    `work`: folder for partial downloads and archives; it outlives a killed process, so that the
    next one goes on where this one broke off. `pause`: seconds before the first repeat; each
    further one waits twice as long.
    """

    def __init__(
        self, mirror: Path | None, work: Path, attempts: int = 4, pause: float = 1.0
    ) -> None:
        self.mirror, self.work, self.attempts, self.pause = mirror, work, attempts, pause

    def __call__(self, file: RemoteFile, path: Path) -> None:
        """Write `file` to `path`, checked; InputError says what is wrong and what to do."""
        if self.mirror is not None:
            self._from_mirror(self.mirror, file, path)
        else:
            self._from_network(file, path)

    def clean(self) -> None:
        """Remove partial downloads and archives, once they are not needed any more."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _from_mirror(self, mirror: Path, file: RemoteFile, path: Path) -> None:
        stored = mirror / file.upstream / file.path
        if not stored.is_file():
            raise InputError(
                stored,
                "no such file" if mirror.is_dir() else f"no folder {mirror}",
                f"the file published at {file.url} ({file.bytes} bytes)",
                "Put it there, or unset POLYBATCH_MIRROR to fetch it from the network",
            )
        with whole_file(path) as temporary:
            shutil.copyfile(stored, temporary)
            _check(file, temporary, str(stored), "Replace it by the published one")

    def _from_network(self, file: RemoteFile, path: Path) -> None:
        address, _, member = file.url.partition("#")
        self.work.mkdir(parents=True, exist_ok=True)
        stored = self.work / hashlib.sha256(address.encode()).hexdigest()
        if not stored.is_file():
            self._download(address, stored, file)
        with whole_file(path) as temporary:
            if member:
                _extract(stored, member, temporary, file)
            else:
                shutil.copyfile(stored, temporary)
            try:
                _check(
                    file,
                    temporary,
                    address,
                    "Run again; if it stays so, the publisher has "
                    "changed the file and the registry's revision must be moved on",
                )
            except InputError:
                stored.unlink()  # the next run fetches it anew
                raise

    def _download(self, address: str, stored: Path, file: RemoteFile) -> None:
        partial = stored.with_suffix(".part")
        problem = ""
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.pause * 2 ** (attempt - 1))
            try:
                _transfer(address, partial)
                partial.replace(stored)
                return
            except (requests.RequestException, OSError) as error:
                if isinstance(error, OSError) and error.errno == 28:
                    raise
                problem = _reason(error)
        raise InputError(
            address,
            f"no answer to {self.attempts} attempts ({problem})",
            f"{file.upstream}/{file.path} from the network",
            "Check the connection and run again (it resumes), or set POLYBATCH_MIRROR to a folder"
            f" that holds {file.upstream}/{file.path}",
        )


def _transfer(address: str, partial: Path) -> None:
    """Fetch the rest of `partial`; raises OSError when the transfer ends too early."""
    have = partial.stat().st_size if partial.is_file() else 0
    headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"}
    with requests.get(address, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if answer.status_code == 416:  # nothing left: the partial file is all there is, or too long
            if have == int(answer.headers.get("Content-Range", "*/-1").rpartition("/")[2]):
                return
            partial.unlink()
            raise OSError("the server has less than was kept")
        answer.raise_for_status()
        resumed = answer.status_code == 206
        rest = int(answer.headers.get("Content-Length", -1))
        begun = have if resumed else 0
        total = begun + rest if rest >= 0 else None
        with (
            partial.open("ab" if resumed else "wb") as out,
            tqdm(
                total=total,
                initial=begun,
                unit="B",
                unit_scale=True,
                desc=address[-40:],
                disable=not sys.stderr.isatty(),
            ) as bar,
        ):
            for piece in answer.iter_content(_CHUNK):
                out.write(piece)
                bar.update(len(piece))
        if total is not None and partial.stat().st_size != total:
            raise OSError(f"the transfer ended at {partial.stat().st_size} of {total} bytes")


def _extract(archive: Path, member: str, path: Path, file: RemoteFile) -> None:
    """Write one member, never more bytes than the registry says it has."""
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as stream:
            content = stream.read(file.bytes + 1)
    except (zipfile.BadZipFile, KeyError, EOFError, OSError) as error:
        archive.unlink(missing_ok=True)
        raise InputError(
            file.url,
            f"no readable member {member} ({error})",
            f"{file.bytes} bytes",
            "Run again: the archive is fetched anew",
        ) from error
    path.write_bytes(content)


def _check(file: RemoteFile, path: Path, where: str, do: str) -> None:
    size = path.stat().st_size
    if size != file.bytes:
        raise InputError(where, f"{size} bytes", f"{file.bytes} bytes ({file.path})", do)
    digest = sha256_of(path)
    if digest != file.sha256:
        raise InputError(where, f"sha256 {digest}", f"{file.sha256} ({file.path})", do)


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    return f"HTTP status {response.status_code}" if response is not None else type(error).__name__
