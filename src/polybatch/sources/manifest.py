"""manifest.json of a folder of data/raw: what it holds, from where, under which licence."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polybatch.core.files import write_json

MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a source says of the files that it brought; what is None is not written.

    `files`: what is known of each, a list or by path. `revisions`: {repository: commit}, of the
    hub. `columns`: which column of the user's tables means what. `folder`: where the user's files
    are, as params say it. `not_read`: those of them that the source leaves out.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> Manifest(source="text", files={"sw/a.txt": "9eaf"}, not_read=["b.doc"]).write(folder)
        >>> Manifest.read(folder).not_read
        ['b.doc']
    """

    source: str
    files: Any = ()
    homepage: str | None = None
    revision: str | None = None
    licence: str | None = None
    citation: str | None = None
    notes: Sequence[str] | None = None
    revisions: Mapping[str, str] | None = None
    columns: Mapping[str, str] | None = None
    folder: str | None = None
    not_read: Sequence[str] | None = None

    def write(self, folder: Path) -> None:
        """Write it into `folder`, whole or not at all."""
        values = {name: value for name, value in vars(self).items() if value is not None}
        write_json(folder / MANIFEST, values)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Return what `write` wrote into `folder`; FileNotFoundError where nothing was fetched."""
        return cls(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
