"""The publishers' files, pinned: address, revision, sha256, bytes, licence (registry.json)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from polybatch.sources.base import RemoteFile


@cache
def entry(upstream: str) -> dict[str, Any]:
    """Return a publisher's entry: homepage, revision, licence, citation, files.

    Example:
        >>> entry("mlqa")["licence"]
        'CC BY-SA 3.0'
    """
    text = files("polybatch.sources").joinpath("registry.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)[upstream]
    return found


def remote_files(upstream: str, prefix: str = "") -> dict[str, RemoteFile]:
    """Return a publisher's files whose path begins with `prefix`, by path."""
    return {
        file["path"]: RemoteFile(upstream, **file)
        for file in entry(upstream)["files"]
        if file["path"].startswith(prefix)
    }
