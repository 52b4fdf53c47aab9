"""Files from a mirror: taken without the network, refused by name where they are others."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from polybatch.core.errors import InputError
from polybatch.sources.source import RemoteFile
from tests.helpers.file_server import CONTENT, Server, fetcher, remote_file


def test_a_mirror_serves_without_asking_the_network(server: Server, tmp_path: Path) -> None:
    stored = tmp_path / "mirror" / "up" / "sub" / "x.json"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(CONTENT)
    fetcher(tmp_path, tmp_path / "mirror")(remote_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert server.asked == []


def test_a_mirror_that_lacks_or_alters_a_file_is_named(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    fetch, file = fetcher(tmp_path, mirror), remote_file("https://x.invalid/x.json")
    with pytest.raises(
        InputError, match=r"no folder .*mirror, expected the file published at http"
    ):
        fetch(file, tmp_path / "x")
    stored = mirror / "up" / "sub" / "x.json"
    stored.parent.mkdir(parents=True)
    with pytest.raises(InputError, match=r"x\.json: found no such file"):
        fetch(file, tmp_path / "x")
    stored.write_bytes(bytes(len(CONTENT)))
    with pytest.raises(InputError) as caught:
        fetch(file, tmp_path / "x")
    assert file.sha256 in str(caught.value)
    assert hashlib.sha256(bytes(len(CONTENT))).hexdigest() in str(caught.value)
    assert not (tmp_path / "x").exists()


def _stored(tmp_path: Path) -> Path:
    stored = tmp_path / "mirror" / "up" / "sub" / "x.json"
    stored.parent.mkdir(parents=True)
    return stored


def test_a_mirrors_file_of_another_size_is_refused_before_it_is_copied(tmp_path: Path) -> None:
    stored = _stored(tmp_path)
    with stored.open("wb") as stream:
        stream.truncate(10 << 40)  # sparse; no disk here could hold a copy
    with pytest.raises(InputError, match=r"found 10995116277760 bytes, expected 102400"):
        fetcher(tmp_path, tmp_path / "mirror")(
            remote_file("https://x.invalid"), tmp_path / "out" / "x"
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (Path.mkdir, "a folder"),
        (os.mkfifo, "a pipe, socket or device"),
        (lambda path: path.symlink_to("nowhere"), "a link to nowhere, which is not there"),
        (lambda path: path.symlink_to(path.name), "cannot be read .*symbolic links"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe, socket or device"),
        (lambda path: path.symlink_to("/proc/self/mem"), "0 bytes, expected 102400"),
    ],
)
def test_what_is_no_file_in_a_mirror_is_named_without_waiting(
    tmp_path: Path, make: Callable[[Path], None], found: str
) -> None:
    make(_stored(tmp_path))
    with pytest.raises(InputError, match=found):
        fetcher(tmp_path, tmp_path / "mirror")(remote_file("https://x.invalid"), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_mirror_that_may_not_be_read_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        root, us = Path(folder), os.geteuid()
        root.chmod(0o777)
        stored = _stored(root)
        stored.write_bytes(CONTENT)
        for closed in (stored, stored.parent):
            closed.chmod(0)
            if us == 0:  # who may read everything becomes somebody else
                os.seteuid(65534)
            try:
                with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
                    fetcher(root, root / "mirror")(remote_file("https://x.invalid"), root / "x")
            finally:
                os.seteuid(us)
                closed.chmod(0o755)


def test_a_file_that_only_a_mirror_has_is_not_asked_of_the_network(
    server: Server, tmp_path: Path
) -> None:
    file = RemoteFile("up", "x", server.url, "0", 1, mirror_only="answers are blanked")
    with pytest.raises(InputError, match="a mirror that holds up/x: answers are blanked"):
        fetcher(tmp_path)(file, tmp_path / "x")
    assert server.asked == []


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", ""])
def test_a_path_outside_the_folder_is_no_file(path: str) -> None:
    with pytest.raises(ValueError, match="no path inside a folder"):
        RemoteFile("up", path, "https://x.invalid", "0", 1)
