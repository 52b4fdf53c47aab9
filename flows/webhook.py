"""Post an alert in a process of its own, so that nothing a server does can hold the flow.

A timeout of a socket starts anew with every byte, and looking up a name has none: only the end of
a process is one deadline for all of it. The address, which may carry a token, and the body go
through its standard input, so that neither a list of processes nor a message shows them.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

VARIABLE = "POLYBATCH_WEBHOOK"
"""Environment variable that holds the address instead of params.yaml, which is in git."""

SECONDS = 10.0
"""That a webhook has, for everything."""


def post(url: str, body: bytes, seconds: float = SECONDS) -> str | None:
    """Post JSON; return why it was not delivered, or None. Never raises, repeats nothing of `url`.

    Redirections are not followed: a POST that follows one becomes a GET without its body.
    """
    given = json.dumps({"url": url, "body": body.decode()}).encode()
    command = [sys.executable, "-I", __file__]
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return f"no process could be started for it: {error.strerror}"
    try:
        answer, _ = child.communicate(given, timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"no answer within {seconds:g} seconds"
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
    if child.returncode:
        return f"the process that sent it ended with code {child.returncode}"
    return answer.decode(errors="replace").strip() or None


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Leave the answer as it is: an error."""


def _send(url: str, body: bytes) -> str:
    """Send and return why it failed, in words of ours or the system's; empty if it did not."""
    opener = urllib.request.build_opener(_NoRedirection)
    try:
        address, headers = _without_user(url)
        headers["Content-Type"] = "application/json"
        opener.open(urllib.request.Request(address, body, headers)).close()
    except urllib.error.HTTPError as error:
        moved = ", a redirection: write the address that it leads to" * (300 <= error.code < 400)
        return f"HTTP status {error.code}{moved}"
    except urllib.error.URLError as error:
        return _cause(error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _cause(error)
    return ""


def _without_user(url: str) -> tuple[str, dict[str, str]]:
    """Return the address without `user:password@`, and the header that says the same."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    token = base64.b64encode(unquote(user).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {token}"}


def _cause(error: object) -> str:
    """Return what failed, without texts of exceptions that may hold the address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    if isinstance(error, socket.gaierror):
        return f"its name was not found ({error.strerror})"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection ({error.reason})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"no answer in HTTP ({type(error).__name__})"


if __name__ == "__main__":
    request = json.load(sys.stdin)
    print(_send(request["url"], request["body"].encode()))
