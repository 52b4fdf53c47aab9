"""Files of a user, written and read, and what comes of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from polybatch.settings.data import SourceSettings
from polybatch.sources.fetch import Fetcher
from polybatch.sources.source import Parsed
from polybatch.sources.table import source_of

HEAD = "item_id,lang,question,answer\n"
TABS = HEAD.replace(",", "\t")


def read(
    tmp_path: Path,
    files: Mapping[str, str | bytes],
    languages: tuple[str, ...] = ("en",),
    splits: tuple[str, ...] = ("all",),
    columns: tuple[str, ...] | None = None,
    name: str = "local",
) -> Parsed:
    folder, raw = tmp_path / "own", tmp_path / "raw"
    for file, content in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        (folder / file).write_bytes(data)
    settings = SourceSettings(languages, splits, str(folder), columns)
    source = source_of(name, languages, splits).of(settings)
    source.download(raw, languages, splits, Fetcher(None, raw))
    return source.read(raw, languages, splits)


def questions(found: Parsed) -> dict[str, str]:
    return dict(found.queries.select("item_id", "text").rows())


def reasons(found: Parsed) -> list[tuple[str, int, str]]:
    return found.rejected.select("file", "row", "reason").rows()


TWO = {"a": "Where?", "b": "When?"}
HEAD_JSON = '{"item_id": "a", "lang": "en", "question": "Q", "answer": "A"}\n'
ROWS = "a,en,Where?,Here.\nb,en,When?,Now.\n"
