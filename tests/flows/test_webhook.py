"""The webhook against real servers on loopback, each of which misbehaves in its own way."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows import webhook
from flows.alerts import raise_alerts, webhook_of
from flows.register import register
from polybatch.core.errors import InputError
from polybatch.settings.load import load
from polybatch.settings.webhooks import check_webhook, host_of
from tests.helpers.toy_flow import make_toy, sh

SECRET = "T0KEN-9f"
TLS = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost")


class Hook(ThreadingHTTPServer):
    """Answers `status` after `drip` bytes a tenth of a second apart; keeps what was asked."""

    def __init__(self, status: int = 200, drip: int = 0, location: str = "") -> None:
        self.posts: list[tuple[str, str, dict[str, str], bytes]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                hook.posts.append((self.command, self.path, dict(self.headers), body))
                for _ in range(drip):
                    self.wfile.write(b"H")
                    time.sleep(0.1)
                self.send_response(status)
                if location:
                    self.send_header("Location", location)
                self.end_headers()

            do_POST = do_GET = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/{SECRET}?key={SECRET}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        yield server
        server.shutdown()


def test_what_is_posted_arrives_as_it_is(hook: Hook) -> None:
    body = json.dumps({"text": "fällt → 0.4"}).encode()
    address = hook.url.replace("//", f"//us%40er:{SECRET}@")
    assert webhook.post(address, body) is None
    method, path, headers, got = hook.posts[0]
    assert (method, path, got) == ("POST", f"/{SECRET}?key={SECRET}", body)
    assert headers["Content-Type"] == "application/json"
    token = base64.b64encode(f"us@er:{SECRET}".encode()).decode()
    assert headers["Authorization"] == f"Basic {token}"


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
def test_another_status_is_a_failure(status: int) -> None:
    with Hook(status) as server:
        assert webhook.post(server.url, b"{}") == f"HTTP status {status}"
        server.shutdown()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed_and_said(status: int, hook: Hook) -> None:
    for location in (hook.url, "file:///etc/passwd", ""):
        with Hook(status, location=location) as server:
            failure = webhook.post(server.url, b"{}")
            server.shutdown()
        assert failure is not None
        assert failure.startswith(f"HTTP status {status}, a redirection")
        assert SECRET not in failure
    assert hook.posts == []


def test_a_server_that_drips_has_one_deadline() -> None:
    with Hook(drip=600) as server:
        begun = time.monotonic()
        assert webhook.post(server.url, b"{}", 2) == "no answer within 2 seconds"
        assert time.monotonic() - begun < 10
        server.shutdown()


def test_a_server_that_accepts_and_says_nothing_has_the_same() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}"
        assert webhook.post(address, b"{}", 1.5) == "no answer within 1.5 seconds"


def test_every_failure_is_words_without_the_address(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", *TLS, "-keyout", "key", "-out", "cert"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    program = (
        "import ssl, sys, http.server as h\n"
        "s = h.HTTPServer(('127.0.0.1', 0), h.BaseHTTPRequestHandler)\n"
        "c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain('cert', 'key')\n"
        "s.socket = c.wrap_socket(s.socket, server_side=True)\n"
        "print(s.server_port, flush=True); s.serve_forever()\n"
    )
    secure = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert secure.stdout is not None
    port = secure.stdout.readline().strip()
    junk = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_say_junk, args=(junk,), daemon=True).start()
    try:
        for address, words in (
            (f"https://localhost:{port}", "its certificate is not accepted"),
            (f"http://localhost:{port}", "Connection reset|no answer in HTTP"),
            ("http://127.0.0.1:1", "Connection refused"),
            (f"http://127.0.0.1:{junk.getsockname()[1]}", "no answer in HTTP"),
            ("http://nobody.invalid", "its name was not found"),
            (f"http://{'a' * 70}.invalid", "no answer in HTTP|its name was not found"),
            ("http://[::1", "no answer in HTTP"),
        ):
            failure = webhook.post(f"{address}/{SECRET}", b"{}", 30)
            assert failure is not None
            assert any(word in failure for word in words.split("|")), (address, failure)
            assert SECRET not in failure
    finally:
        secure.kill()
        secure.wait()
        junk.close()


def _say_junk(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            request = b""
            while not request.endswith(b"{}"):  # closing on unread bytes resets the connection
                request += connection.recv(4096)
            connection.sendall(f"{SECRET} is no HTTP\r\n\r\n".encode())


@pytest.mark.parametrize(
    "address",
    [
        *("file:///etc/passwd", "ftp://h/x", "data:,x", "gopher://h", "javascript:x", "//h/x"),
        *("T0/B0/x", "", "http://", "https:///x", "http://:80/x", "http://u:p@/x", "http:host"),
        *("http://h:port/x", "http://h:99999/", "http://h:0/", "http://[::1/", "http://h/a b"),
        *("http://h/x\n", " http://h/x", "http://h/\u00fc", "http://h\u2100/", "HTTP//h/"),
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(InputError, match="Copy the address again") as caught:
        check_webhook("notify.webhook", address.replace("x", SECRET))
    assert SECRET not in str(caught.value)


def test_good_addresses_pass_and_only_their_host_is_shown() -> None:
    for address in (
        f"https://hooks.example.org/services/{SECRET}",
        f"HTTPS://user:{SECRET}@[::1]:8443/x?token={SECRET}#{SECRET}",
        "http://127.0.0.1:5/",
    ):
        check_webhook("notify.webhook", address)
        assert SECRET not in host_of(address)
    assert host_of(f"https://u:{SECRET}@[::1]:8443/x") == "https://[::1]:8443"


def _fallen(tmp_path: Path, address: str | None) -> Path:
    """A toy study whose strategy fell, with this address in params.yaml."""
    root = make_toy(tmp_path, ("a",))
    params = root / "params.yaml"
    value = "null" if address is None else json.dumps(address)
    params.write_text(params.read_text().replace("webhook: null", f"webhook: {value}"))
    metrics = root / "results/metrics/a/0.json"
    metrics.parent.mkdir(parents=True)
    for score in (0.5, 0.4):
        metrics.write_text(json.dumps({"toy": {"mono": {"AP": score}}}))
        if score == 0.5:
            raise_alerts(root, load(params), [])
    return root


@pytest.fixture
def _no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.alerts.emit_event", lambda *_, **__: None)  # no server here


@pytest.mark.usefixtures("_no_events")
def test_the_file_says_what_was_sent_and_what_came_of_it(tmp_path: Path, hook: Hook) -> None:
    root = _fallen(tmp_path, hook.url)
    alerts = raise_alerts(root, load(root / "params.yaml"), [])
    page = (root / "results/alerts.md").read_text()
    sent = json.loads(hook.posts[-1][3])
    assert (
        sent["text"].splitlines()
        == alerts.lines
        == ["a: AP on toy mono fell from 0.5000 to 0.4000"]
    )
    assert f"- {sent['text']}\n" in page
    assert f"Webhook: http://127.0.0.1:{hook.server_port} took the alert." in page
    hook.shutdown()
    hook.server_close()
    alerts = raise_alerts(root, load(root / "params.yaml"), [])
    assert len(alerts.lines) == 1  # a failure is no alert
    assert "did not take the alert: Connection refused" in alerts.webhook
    page = (root / "results/alerts.md").read_text()
    assert f"Webhook: {alerts.webhook}." in page
    for path in (root / "results").rglob("*"):
        assert path.is_dir() or SECRET not in path.read_text(), path


@pytest.mark.usefixtures("_no_events")
def test_the_environment_goes_before_params_and_is_checked(
    tmp_path: Path, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _fallen(tmp_path, None)
    config = load(root / "params.yaml")
    assert webhook_of(config) is None
    assert raise_alerts(root, config, []).webhook == ""
    monkeypatch.setenv("POLYBATCH_WEBHOOK", hook.url)
    assert "took the alert" in raise_alerts(root, config, []).webhook
    monkeypatch.setenv("POLYBATCH_WEBHOOK", f"ftp://{SECRET}")
    with pytest.raises(InputError, match="POLYBATCH_WEBHOOK: found an address of scheme 'ftp'"):
        webhook_of(config)


@pytest.mark.usefixtures("_no_events")
def test_an_address_that_is_in_no_commit_is_in_no_experiment(tmp_path: Path) -> None:
    root = _fallen(tmp_path, f"https://h/{SECRET}")
    register(root)
    written = sh(root, "git", "cat-file", "--batch-all-objects", "--batch-check")
    for line in written.splitlines():
        name, kind, _ = line.split()
        if kind == "blob":
            assert SECRET not in sh(root, "git", "cat-file", "-p", name)
    sh(root, "git", "commit", "-qam", "mine")  # who commits it wants it there
    register(root)
    (ref,) = sh(root, "git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    assert SECRET in sh(root, "git", "show", f"{ref}:params.yaml")
