"""The publishers' files, pinned: address, revision, sha256, bytes, licence (registry.json).

An entry of registry.json is named after what it holds; `upstream` is the folder of a mirror that
has its files. Its `files` are lines of the mirror's manifest.jsonl.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from polybatch.sources.source import RemoteFile, Source


@cache
def entry(name: str) -> dict[str, Any]:
    """Return an entry: upstream, homepage, revision, licence, citation, files.

    Example:
        >>> entry("mlqa-r")["upstream"], entry("mlqa-r")["licence"]
        ('lareqa', 'CC BY-NC 4.0')
    """
    text = files("polybatch.sources").joinpath("registry.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)[name]
    return found


def remote_files(name: str) -> dict[str, RemoteFile]:
    """Return the files of an entry by path, in the entry's order.

    Example:
        >>> next(iter(remote_files("mlqa-r").values())).upstream
        'lareqa'
    """
    about = entry(name)
    return {file["path"]: RemoteFile(about["upstream"], **file) for file in about["files"]}


def describe(source: Source, name: str) -> None:
    """Give `source` the licence, citation, homepage and revision of an entry."""
    about = entry(name)
    source.licence, source.citation = about["licence"], about["citation"]
    source.homepage, source.revision = about["homepage"], about["revision"]
