"""Fetching, against a real server on the loopback that misbehaves in each way we defend against."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from polybatch.core.errors import InputError
from tests.helpers.file_server import CONTENT, Server, fetcher, remote_file

MEMBER = b"member of the archive " * 500


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/one.json", MEMBER)
        archive.writestr("a/two.json", b"two")
        archive.writestr("../evil", b"evil")
    return buffer.getvalue()


def _kept(tmp_path: Path) -> list[Path]:
    return sorted(path for path in tmp_path.rglob("*") if path.is_file())


def test_a_file_comes_whole_and_nothing_else_stays(server: Server, tmp_path: Path) -> None:
    fetcher(tmp_path)(remote_file(server.url), tmp_path / "out" / "x.json")
    assert (tmp_path / "out" / "x.json").read_bytes() == CONTENT
    assert _kept(tmp_path) == [tmp_path / "out" / "x.json"]


def test_a_cut_transfer_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.cut = 20_000  # more answers than `attempts`, but each brings 16,384 bytes or more
    fetcher(tmp_path)(remote_file(server.url), tmp_path / "x")
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
        fetcher(tmp_path)(remote_file(server.url), tmp_path / "x")
    fetcher(tmp_path)(remote_file(server.url), tmp_path / "x")
    assert server.asked == ["bytes=20000-"] * 4
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_partial_file_longer_than_the_servers_is_dropped(server: Server, tmp_path: Path) -> None:
    _leave_partial(server, tmp_path, CONTENT + b"more")
    fetcher(tmp_path)(remote_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    _leave_partial(server, tmp_path)
    server.ranges = False
    fetcher(tmp_path)(remote_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_cuts_is_given_up(
    server: Server, tmp_path: Path
) -> None:
    server.ranges, server.cut = False, 20_000
    with pytest.raises(InputError, match="after 3 attempts"):
        fetcher(tmp_path)(remote_file(server.url), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_partial_file_that_is_all_there_needs_no_more(server: Server, tmp_path: Path) -> None:
    _leave_partial(server, tmp_path, CONTENT)
    fetcher(tmp_path)(remote_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_server_error_that_passes_is_waited_for(server: Server, tmp_path: Path) -> None:
    server.statuses = [500, 503]
    fetcher(tmp_path)(remote_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_missing_page_is_asked_for_once(server: Server, tmp_path: Path) -> None:
    server.statuses = [404] * 3
    with pytest.raises(InputError, match="found HTTP status 404, expected up/sub/x"):
        fetcher(tmp_path)(remote_file(server.url), tmp_path / "x")
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
        fetcher(tmp_path)(remote_file(server.url), tmp_path / "x")
    assert _kept(tmp_path) == []
    server.body = CONTENT
    fetcher(tmp_path)(remote_file(server.url), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_no_network_says_how_to_use_a_mirror(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        fetcher(tmp_path)(remote_file("http://127.0.0.1:1/x"), tmp_path / "x")
    assert "no connection" in str(caught.value)
    assert "set POLYBATCH_MIRROR to a folder that holds the file as up/sub/x.json" in str(
        caught.value
    )


def test_members_come_from_one_archive_fetched_once(server: Server, tmp_path: Path) -> None:
    server.body = _zip()
    fetch = fetcher(tmp_path)
    fetch(remote_file(f"{server.url}/a.zip#a/one.json", MEMBER), tmp_path / "one")
    asked = len(server.asked)
    fetch(remote_file(f"{server.url}/a.zip#a/two.json", b"two"), tmp_path / "two")
    assert ((tmp_path / "one").read_bytes(), (tmp_path / "two").read_bytes()) == (MEMBER, b"two")
    assert len(server.asked) == asked
    fetch.clean()
    assert _kept(tmp_path) == [tmp_path / "one", tmp_path / "two"]


def test_a_member_is_written_where_asked_whatever_its_name(server: Server, tmp_path: Path) -> None:
    server.body = _zip()
    inner = tmp_path / "deep" / "er"
    fetcher(tmp_path)(remote_file(f"{server.url}#../evil", b"evil"), inner / "x")
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
        fetcher(tmp_path)(remote_file(f"{server.url}#{member}", expected), tmp_path / "x")
    assert _kept(tmp_path) == []


def test_a_broken_archive_is_refused(server: Server, tmp_path: Path) -> None:
    good = _zip()
    for body in (good[: len(good) // 2], good[:60] + bytes(20) + good[80:]):
        server.body = body
        with pytest.raises(InputError, match="no readable member"):
            fetcher(tmp_path)(remote_file(f"{server.url}#a/one.json", MEMBER), tmp_path / "x")
        assert _kept(tmp_path) == []
