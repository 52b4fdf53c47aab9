"""What a source is: files to fetch, and how they are read into queries, corpus and qrels."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from polybatch.core.errors import InputError
from polybatch.settings.data import NO_FOLDER, SourceSettings
from polybatch.sources.manifest import Manifest
from polybatch.sources.rows import Document as Document
from polybatch.sources.rows import Parsed as Parsed
from polybatch.sources.rows import Place as Place
from polybatch.sources.rows import Query as Query
from polybatch.sources.rows import Row as Row
from polybatch.sources.rows import Rows as Rows
from polybatch.sources.rows import Tally as Tally


@dataclass(frozen=True)
class RemoteFile:
    """A file of a publisher. `upstream`/`path` is its place in a mirror and in `data/raw`.

    `url` may end in `#member`: the file is that member of the zip archive at the address.
    `mirror_only`: why the address does not serve these bytes; empty where it does.

    Example:
        >>> RemoteFile("mlqa", "../elsewhere", "https://a.org/b", sha256="", bytes=0)
        Traceback (most recent call last):
        ValueError: '../elsewhere' is no path inside a folder
    """

    upstream: str
    path: str
    url: str
    sha256: str
    bytes: int
    mirror_only: str = ""

    def __post_init__(self) -> None:
        """Refuse a path that would leave its folder."""
        for part in (self.upstream, self.path):
            if not part or part.startswith("/") or ".." in part.split("/"):
                raise ValueError(f"{part!r} is no path inside a folder")


class Fetch(Protocol):
    """Puts a publisher's file, checked, at a path."""

    def __call__(self, file: RemoteFile, path: Path) -> None:
        """Write `file` to `path`; InputError if it cannot be had whole."""


class Source(ABC):
    """A publisher's data. Subclass it and put an instance into `polybatch.sources.SOURCES`.

    `languages` are BCP-47, `splits` the publisher's words. One that holds texts of another source
    has a line in `polybatch.settings.overlaps`.

    Example:
        >>> class Mine(Source):
        ...     name, languages, splits = "mine", ("en", "sw"), ("all",)
        ...     licence, citation, homepage, revision = "CC0-1.0", "", "", "1"
        ...     def read(self, folder, languages, splits):
        ...         return Rows().parsed()
        >>> Mine().read(Path(), ["sw"], ["all"]).queries.columns
        ['query_id', 'item_id', 'lang', 'text', 'split']
        >>> Mine().check(["de"], ["all"])
        Traceback (most recent call last):
        polybatch.core.errors.InputError: sources.mine.languages: found de, expected some of en, \
sw. Remove what the source does not have.
    """

    name: str
    languages: tuple[str, ...]
    splits: tuple[str, ...]
    licence: str
    citation: str
    homepage: str
    revision: str
    own: bool = False
    """Whether it reads the user's own files: `sources.<name>.folder`; may stand several times in
    params, as `<name>-<anything>`."""
    on_hub: bool = False
    """Whether the Hugging Face hub has it, at the commits of `sources.<name>.revisions`."""
    sampled: bool = False
    """Whether `sources.<name>.sample` may ask for a part."""
    settings: SourceSettings | None = None

    def of(self, settings: SourceSettings) -> Source:
        """Return this source with what params say of it; InputError for keys it does not take."""
        mine = {
            "folder": self.own,
            "columns": self.own,
            "revisions": self.on_hub,
            "sample": self.sampled,
        }
        for name, takes in mine.items():
            value = getattr(settings, name)
            if value not in (None, NO_FOLDER) and not takes:
                raise InputError(
                    f"sources.{self.name}.{name}",
                    str(value),
                    "no such key of this source" + ("" if self.own else ": it is fetched"),
                    "Remove it",
                )
        if self.own and settings.folder in (None, "", NO_FOLDER) and not settings.revisions:
            raise InputError(
                f"sources.{self.name}.folder",
                "nothing",
                "the folder of your files",
                "Add it, for example folder: inputs/faq",
            )
        found = copy.copy(self)
        found.settings = settings
        return found

    def check(self, languages: Sequence[str], splits: Sequence[str]) -> None:
        """Raise InputError if the source lacks a requested language or split."""
        for what, requested, there in (
            ("languages", languages, self.languages),
            ("splits", splits, self.splits),
        ):
            if missing := [word for word in requested if word not in there]:
                raise InputError(
                    f"sources.{self.name}.{what}",
                    ", ".join(missing),
                    f"some of {', '.join(there)}",
                    "Remove what the source does not have",
                )

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return the files to fetch; none for a source that is written, not fetched."""
        return ()

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return what a reader of the results should know about these splits."""
        return ()

    def download(
        self, folder: Path, languages: Sequence[str], splits: Sequence[str], fetch: Fetch
    ) -> None:
        """Fetch every file into `folder` and write its manifest."""
        files = self.files(languages, splits)
        for file in files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            fetch(file, target)
        self.write_manifest(folder, splits, files)

    def write_manifest(
        self, folder: Path, splits: Sequence[str], files: Sequence[RemoteFile]
    ) -> None:
        """Write `manifest.json`: what this folder holds, from where, under which licence."""
        Manifest(
            source=self.name,
            homepage=self.homepage,
            revision=self.revision,
            licence=self.licence,
            citation=self.citation,
            notes=list(self.notes(splits)),
            files=[asdict(file) for file in files],
        ).write(folder)

    @abstractmethod
    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read what `download` wrote."""
