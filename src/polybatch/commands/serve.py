"""`polybatch serve`: the search as a service with a page."""

from __future__ import annotations

import argparse
import socket
from contextlib import suppress

from polybatch.core.errors import InputError

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_NAMES = (*_LOOPBACK, "[::1]")  # as a Host header writes it
_FINISH = 30
"""Seconds that searches have to end when the service does."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    words = "address to listen on (default: 127.0.0.1, this machine alone)"
    parser.add_argument("--host", default="127.0.0.1", help=words)
    parser.add_argument("--port", type=int, default=8000, help="default: 8000; 0: any free one")


def work(chosen: argparse.Namespace) -> str:
    """Serve until SIGTERM or Ctrl-C; then finish what runs."""
    import uvicorn

    from polybatch.search.searcher import Searcher
    from polybatch.search.service import application

    searcher = Searcher(chosen.folder)
    listening = _listen(chosen.host, chosen.port)
    ready = searcher.ready
    print(_exposed(chosen.host, listening.getsockname()[1], ready, searcher.datasets), flush=True)
    for dataset in searcher.datasets if ready else ():  # so that the first question waits for none
        with suppress(InputError):
            searcher.ranker(searcher.first_ready, dataset)
    # A busy client that comes back after the 5 s of uvicorn's own limit would find itself cut off.
    hosts = _NAMES if chosen.host in _LOOPBACK else ("*",)
    config = uvicorn.Config(
        application(searcher, hosts),
        log_level="warning",
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_FINISH,
    )
    uvicorn.Server(config).run(sockets=[listening])
    return "stopped"


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; InputError if the port is in use or not ours."""
    if not 0 <= port < 1 << 16:  # the system would take the rest of a division
        raise InputError("--port", str(port), "0 to 65535", "Choose another")
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = places[0]
        # Named, since asyncio sends at once (TCP_NODELAY) only what it sees to be TCP: else every
        # answer waits 40 ms for the client's acknowledgement.
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(512)
    except OSError as error:
        raise InputError(
            f"--host {host} --port {port}",
            f"the system's answer '{error}'",
            "an address of this machine and a free port",
            "Choose another port, or end what listens there",
        ) from error
    return found


def _exposed(host: str, port: int, ready: list[str], datasets: list[str]) -> str:
    name = f"[{host}]" if ":" in host else host
    lines = [
        f"http://{name}:{port} searches {', '.join(datasets)}"
        f" with {', '.join(ready) or 'nothing yet: run `polybatch run`'}"
    ]
    if host not in _LOOPBACK:
        lines.append(
            "Everyone who reaches this address can read every document of these datasets: there is"
            " no password."
        )
    return "\n".join(lines)
