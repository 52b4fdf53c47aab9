"""Prefect's own server on this machine, and whether one answers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterId
from prefect.client.schemas.objects import State
from prefect.settings import PREFECT_API_URL

from polybatch.core.errors import InputError

HOST = "127.0.0.1"
_SERVE = f"python -m {__package__}.serve"
_START, _STOP = 300.0, 15.0  # seconds that the server has to come up, and to go
_PAGE = 200  # the most task runs that the server lists at a time


def refuse_dead_server(url: str | None) -> None:
    """Refuse a server that is configured but does not answer; none configured is fine."""
    if url and not healthy(url):
        raise InputError(
            "PREFECT_API_URL",
            f"{url}, which does not answer",
            "a Prefect server that runs",
            f"Start it (`{_SERVE}`), or `unset PREFECT_API_URL` (and `prefect config unset"
            " PREFECT_API_URL`) to run with a temporary one",
        )


def healthy(url: str) -> bool:
    """Return whether a Prefect API answers at `url`, which ends in /api."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def refuse_busy_port(port: int) -> None:
    """Refuse a port that something listens on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                "params.yaml schedule.port",
                f"port {port}, which cannot be opened ({error.strerror})",
                "a free port",
                f"Stop what uses it (an earlier `{_SERVE}`?), or change schedule.port",
            ) from error


def wait_for_server(states: Sequence[State[Any]], seconds: float = 10.0) -> None:
    """Wait until a temporary server has recorded how tasks ended; it ends with this process.

    A server that is configured goes on and is not waited for.
    """
    ended = [each.state_details.task_run_id for each in states if each.is_final()]
    left = {each for each in ended if each}
    until = time.monotonic() + (0 if PREFECT_API_URL.value() else seconds)
    with get_client(sync_client=True) as client:
        while left and time.monotonic() < until:
            wanted = TaskRunFilter(id=TaskRunFilterId(any_=sorted(left)[:_PAGE]))
            found = client.read_task_runs(task_run_filter=wanted, limit=_PAGE)
            known = {run.id for run in found if run.state and run.state.is_final()}
            left -= known
            if not known:
                time.sleep(0.1)


@contextmanager
def running(port: int) -> Iterator[str]:
    """Yield the API's address of a server on loopback that ends with the block."""
    refuse_busy_port(port)
    url = f"http://{HOST}:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST]
    server = subprocess.Popen(
        [*command, "--port", str(port), "--log-level", "WARNING"],
        env=os.environ | {"PREFECT_API_URL": url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + _START
        while not healthy(url):
            if server.poll() is not None or time.monotonic() > until:
                raise InputError(
                    "Prefect server",
                    "no answer" if server.poll() is None else f"its exit code {server.poll()}",
                    f"an answer at {url}",
                    f"Run `prefect server start --host {HOST} --port {port}` to see why",
                )
            time.sleep(0.3)
        yield url
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(_STOP)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
