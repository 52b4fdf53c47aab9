"""The service: whom it answers, and for how long it listens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from polybatch.commands.serve import _NAMES, _exposed
from polybatch.search import service
from polybatch.search.searcher import Searcher
from polybatch.search.service import application
from tests.helpers.small_study import NAME, write_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def client(study: Path) -> Iterator[TestClient]:
    with TestClient(application(Searcher(study))) as found:
        yield found


def test_a_body_that_never_ends_is_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BODY_SECONDS", 0.05)
    sent: list[Any] = []
    messages = [{"type": "http.request", "body": b'{"query"', "more_body": True}]

    async def receive() -> Any:
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/search", "headers": [(b"host", b"a")],
    }  # fmt: skip
    asyncio.run(client.app(scope, receive, send))
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


def test_on_this_machine_alone_it_answers_to_its_own_names(study: Path) -> None:
    client = TestClient(application(Searcher(study), _NAMES))
    for name, status in (("localhost:8000", 200), ("[::1]:8000", 200), ("evil.example", 400)):
        assert client.get("/health", headers={"Host": name}).status_code == status


def test_pages_and_health_answer_head(client: TestClient) -> None:
    assert [client.head(path).status_code for path in ("/", "/health")] == [200, 200]
    assert client.get("/openapi.json").json()["paths"]["/health"].keys() == {"get"}


def test_an_address_of_ipv6_is_written_so_that_it_opens() -> None:
    assert _exposed("::1", 8000, ["bm25"], [NAME]).startswith("http://[::1]:8000 ")
