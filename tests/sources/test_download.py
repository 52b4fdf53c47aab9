"""Fetching, against a real server on the loopback that misbehaves in each way we defend against."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from polybatch.core.errors import InputError
from polybatch.sources.fetch import Fetcher
from polybatch.sources.source import RemoteFile

CONTENT = bytes(range(256)) * 400  # 102,400 bytes
MEMBER = b"member of the archive " * 500


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/one.json", MEMBER)
        archive.writestr("a/two.json", b"two")
        archive.writestr("../evil", b"evil")
    return buffer.getvalue()


@dataclass
class Server:
    """What the server does: `statuses` are sent first; then `body`, `cut` bytes an answer."""

    body: bytes = CONTENT
    ranges: bool = True
    cut: int = 0
    statuses: list[int] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


def _handler(plan: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            plan.asked.append(asked)
            self.close_connection = True
            if plan.statuses:
                self._head(plan.statuses.pop(0), 0)
                return
            start = int(asked[6:-1]) if asked and plan.ranges else 0
            rest = plan.body[start:]
            if start and not rest:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(plan.body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self._head(206 if start else 200, len(rest))
            self.wfile.write(rest[: plan.cut] if plan.cut else rest)

        def _head(self, status: int, length: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    plan = Server()
    running = ThreadingHTTPServer(("127.0.0.1", 0), _handler(plan))
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    plan.url = f"http://127.0.0.1:{running.server_port}"
    yield plan
    running.shutdown()
    running.server_close()
    thread.join()


def _file(url: str, content: bytes = CONTENT, path: str = "sub/x.json") -> RemoteFile:
    return RemoteFile("up", path, url, hashlib.sha256(content).hexdigest(), len(content))


def _fetcher(tmp_path: Path, mirror: Path | None = None) -> Fetcher:
    return Fetcher(mirror, tmp_path / "work", attempts=3, pause=0.0)


def _kept(tmp_path: Path) -> list[Path]:
    return sorted(path for path in tmp_path.rglob("*") if path.is_file())


def test_a_file_comes_whole_and_nothing_else_stays(server: Server, tmp_path: Path) -> None:
    _fetcher(tmp_path)(_file(server.url), tmp_path / "out" / "x.json")
    assert (tmp_path / "out" / "x.json").read_bytes() == CONTENT
    assert _kept(tmp_path) == [tmp_path / "out" / "x.json"]


def test_a_cut_transfer_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.cut = 20_000  # more answers than `attempts`, but each brings 16,384 bytes or more
    _fetcher(tmp_path)(_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert server.asked == [None, *(f"bytes={16_384 * i}-" for i in range(1, 7))]


def _leave_partial(server: Server, tmp_path: Path, content: bytes = CONTENT[:20_000]) -> None:
    """Leave what a killed process leaves."""
    name = hashlib.sha256(server.url.encode()).hexdigest()[:16]
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / f"{name}.part").write_bytes(content)


def test_a_killed_or_failed_run_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    _leave_partial(server, tmp_path)
    server.statuses = [500] * 3
    with pytest.raises(InputError, match="HTTP status 500 after 3 attempts"):
        _fetcher(tmp_path)(_file(server.url), tmp_path / "x")
    _fetcher(tmp_path)(_file(server.url), tmp_path / "x")
    assert server.asked == ["bytes=20000-"] * 4
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_partial_file_longer_than_the_servers_is_dropped(server: Server, tmp_path: Path) -> None:
    _leave_partial(server, tmp_path, CONTENT + b"more")
    _fetcher(tmp_path)(_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    _leave_partial(server, tmp_path)
    server.ranges = False
    _fetcher(tmp_path)(_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_cuts_is_given_up(
    server: Server, tmp_path: Path
) -> None:
    server.ranges, server.cut = False, 20_000
    with pytest.raises(InputError, match="after 3 attempts"):
        _fetcher(tmp_path)(_file(server.url), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_partial_file_that_is_all_there_needs_no_more(server: Server, tmp_path: Path) -> None:
    _leave_partial(server, tmp_path, CONTENT)
    _fetcher(tmp_path)(_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_server_error_that_passes_is_waited_for(server: Server, tmp_path: Path) -> None:
    server.statuses = [500, 503]
    _fetcher(tmp_path)(_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_missing_page_is_asked_for_once(server: Server, tmp_path: Path) -> None:
    server.statuses = [404] * 3
    with pytest.raises(InputError, match="found HTTP status 404, expected up/sub/x"):
        _fetcher(tmp_path)(_file(server.url), tmp_path / "x")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (bytes(len(CONTENT)), "sha256"),
        (CONTENT[:-1], "102399 bytes"),
        (CONTENT * 5, "bytes, expected 102400 bytes"),
    ],
)
def test_wrong_bytes_are_refused_and_the_next_run_starts_clean(
    server: Server, tmp_path: Path, body: bytes, found: str
) -> None:
    server.body = body
    with pytest.raises(InputError, match=found):
        _fetcher(tmp_path)(_file(server.url), tmp_path / "x")
    assert _kept(tmp_path) == []
    server.body = CONTENT
    _fetcher(tmp_path)(_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_no_network_says_how_to_use_a_mirror(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        _fetcher(tmp_path)(_file("http://127.0.0.1:1/x"), tmp_path / "x")
    assert "no connection" in str(caught.value)
    assert "set POLYBATCH_MIRROR to a folder that holds the file as up/sub/x.json" in str(
        caught.value
    )


def test_members_come_from_one_archive_fetched_once(server: Server, tmp_path: Path) -> None:
    server.body = _zip()
    fetch = _fetcher(tmp_path)
    fetch(_file(f"{server.url}/a.zip#a/one.json", MEMBER), tmp_path / "one")
    asked = len(server.asked)
    fetch(_file(f"{server.url}/a.zip#a/two.json", b"two"), tmp_path / "two")
    assert ((tmp_path / "one").read_bytes(), (tmp_path / "two").read_bytes()) == (MEMBER, b"two")
    assert len(server.asked) == asked
    fetch.clean()
    assert _kept(tmp_path) == [tmp_path / "one", tmp_path / "two"]


def test_a_member_is_written_where_asked_whatever_its_name(server: Server, tmp_path: Path) -> None:
    server.body = _zip()
    inner = tmp_path / "deep" / "er"
    _fetcher(tmp_path)(_file(f"{server.url}#../evil", b"evil"), inner / "x")
    assert sorted(path.name for path in _kept(tmp_path / "deep")) == ["x"]


@pytest.mark.parametrize(
    ("member", "expected", "found"),
    [
        ("a/three.json", b"three", "no readable member"),
        ("a/one.json", MEMBER[:-1], "11000 bytes, expected 10999 bytes"),
        ("a/one.json", MEMBER[:5], "6 bytes, expected 5 bytes"),  # never more than one too many
    ],
)
def test_a_wrong_member_is_refused_and_the_archive_removed(
    server: Server, tmp_path: Path, member: str, expected: bytes, found: str
) -> None:
    server.body = _zip()
    with pytest.raises(InputError, match=found):
        _fetcher(tmp_path)(_file(f"{server.url}#{member}", expected), tmp_path / "x")
    assert _kept(tmp_path) == []


def test_a_broken_archive_is_refused(server: Server, tmp_path: Path) -> None:
    good = _zip()
    for body in (good[: len(good) // 2], good[:60] + bytes(20) + good[80:]):
        server.body = body
        with pytest.raises(InputError, match="no readable member"):
            _fetcher(tmp_path)(_file(f"{server.url}#a/one.json", MEMBER), tmp_path / "x")
        assert _kept(tmp_path) == []


def test_a_mirror_serves_without_asking_the_network(server: Server, tmp_path: Path) -> None:
    stored = tmp_path / "mirror" / "up" / "sub" / "x.json"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(CONTENT)
    _fetcher(tmp_path, tmp_path / "mirror")(_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert server.asked == []


def test_a_mirror_that_lacks_or_alters_a_file_is_named(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    fetch, file = _fetcher(tmp_path, mirror), _file("https://x.invalid/x.json")
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
        _fetcher(tmp_path, tmp_path / "mirror")(_file("https://x.invalid"), tmp_path / "out" / "x")
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
        _fetcher(tmp_path, tmp_path / "mirror")(_file("https://x.invalid"), tmp_path / "x")
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
                    _fetcher(root, root / "mirror")(_file("https://x.invalid"), root / "x")
            finally:
                os.seteuid(us)
                closed.chmod(0o755)


def test_a_file_that_only_a_mirror_has_is_not_asked_of_the_network(
    server: Server, tmp_path: Path
) -> None:
    file = RemoteFile("up", "x", server.url, "0", 1, mirror_only="answers are blanked")
    with pytest.raises(InputError, match="a mirror that holds up/x: answers are blanked"):
        _fetcher(tmp_path)(file, tmp_path / "x")
    assert server.asked == []


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", ""])
def test_a_path_outside_the_folder_is_no_file(path: str) -> None:
    with pytest.raises(ValueError, match="no path inside a folder"):
        RemoteFile("up", path, "https://x.invalid", "0", 1)
