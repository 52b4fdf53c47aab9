"""A server on the loopback that misbehaves as it is told to, and fetching from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from polybatch.sources.fetch import Fetcher
from polybatch.sources.source import RemoteFile

CONTENT = bytes(range(256)) * 400  # 102,400 bytes


@dataclass
class Server:
    """What the server does: `statuses` are sent first; then `body`, `cut` bytes an answer."""

    body: bytes = CONTENT
    ranges: bool = True
    cut: int = 0
    statuses: list[int] = field(default_factory=list)
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


def handler(plan: Server) -> type[BaseHTTPRequestHandler]:
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


def remote_file(url: str, content: bytes = CONTENT, path: str = "sub/x.json") -> RemoteFile:
    return RemoteFile("up", path, url, hashlib.sha256(content).hexdigest(), len(content))


def fetcher(tmp_path: Path, mirror: Path | None = None) -> Fetcher:
    return Fetcher(mirror, tmp_path / "work", attempts=3, pause=0.0)
