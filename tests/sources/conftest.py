"""A server on the loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from tests.helpers.file_server import Server, handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    plan = Server()
    running = ThreadingHTTPServer(("127.0.0.1", 0), handler(plan))
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    plan.url = f"http://127.0.0.1:{running.server_port}"
    yield plan
    running.shutdown()
    running.server_close()
    thread.join()
