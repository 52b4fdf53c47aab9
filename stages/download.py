"""Bring one source's files to data/raw/<source>, checked; POLYBATCH_MIRROR names a mirror."""

from __future__ import annotations

import os
from pathlib import Path

from polybatch.core.files import refuse_special_files, whole_folder
from polybatch.settings.config import Config
from polybatch.settings.data import NO_FOLDER
from polybatch.sources.fetch import Fetcher
from polybatch.sources.table import source_of

from .common import RAW, known, run


def download(config: Config, key: str) -> str:
    """Fetch the source `key` and return what was fetched."""
    known(config.sources, key, "source")
    settings = config.sources[key]
    source = source_of(key, settings.languages, settings.splits).of(settings)
    if settings.folder not in (None, NO_FOLDER):
        refuse_special_files(Path(settings.folder), f"sources.{key}.folder")
    mirror = os.environ.get("POLYBATCH_MIRROR")
    fetcher = Fetcher(Path(mirror) if mirror else None, RAW / ".resume" / key, before=RAW / key)
    with whole_folder(RAW / key) as folder:
        source.download(folder, settings.languages, settings.splits, fetcher)
        count = sum(path.is_file() for path in folder.rglob("*"))
    fetcher.clean()
    return f"{count} files"


if __name__ == "__main__":
    run("download", download, "source")
