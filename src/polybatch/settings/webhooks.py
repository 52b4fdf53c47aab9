"""What a webhook's address has to be, and what of it may be shown: it may carry a token."""

from __future__ import annotations

from urllib.parse import urlsplit

from polybatch.core.errors import InputError


def check_webhook(where: str, url: str) -> None:
    """Raise InputError unless alerts can be posted to `url`; the message repeats nothing of it.

    Example:
        >>> check_webhook("notify.webhook", "file:///etc/passwd")
        Traceback (most recent call last):
        polybatch.core.errors.InputError: notify.webhook: found an address of scheme 'file', ...
    """
    found = _mistake(url)
    if found:
        raise InputError(
            where,
            found,
            "http:// or https:// and the name of a host, without blanks",
            "Copy the address again from the page of the service that takes the alerts",
        )


def host_of(url: str) -> str:
    """Return scheme and host of a checked address: all of it that is no secret.

    Example:
        >>> host_of("https://user:word@hooks.example.org:8443/T0/B0?key=1")
        'https://hooks.example.org:8443'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _mistake(url: str) -> str | None:
    if any(mark <= " " or mark == "\x7f" for mark in url):
        return "an address with a blank or a control character"
    if not url.isascii():
        return "an address with letters outside ASCII"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is no number, half a bracket
        return "an address whose host or port cannot be read"
    if parts.scheme not in ("http", "https"):
        known = parts.scheme in ("file", "ftp", "ftps", "data", "mailto", "ws", "wss", "ssh")
        return f"an address of scheme '{parts.scheme}'" if known else "no address of a web server"
    if not host or port == 0:
        return "an address without a host" if not host else "an address with port 0"
    return None
