"""WinoGrande's sentences translated by people into eleven African languages (arXiv 2412.12417).

Parallel sentences by id. The blank of a sentence is filled with its right option. Sentences come as
twins that differ in a word or two; twins are of one group. A row is a line below the header.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polybatch.sources.cells import cells
from polybatch.sources.parallel import NOTE, Sentence, add, reject
from polybatch.sources.registry import describe, remote_files
from polybatch.sources.source import Parsed, RemoteFile, Rows, Source

_SPLITS = {"train": "train_s", "dev": "dev", "test": "test"}  # the publisher's words


class WinograndeAfrican(Source):
    """3,674 sentences in twelve languages: 640 `train`, 1,267 `dev`, 1,767 `test`."""

    name = "winogrande-african"
    splits = tuple(_SPLITS)

    def __init__(self) -> None:
        describe(self, self.name)
        paths = [path for path in remote_files(self.name) if path.endswith(".csv")]
        self._paths = {_language(path): path for path in paths}
        self.languages = tuple(sorted(self._paths))

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return one file per language, and the licence."""
        wanted = {self._paths[lang] for lang in languages} | {"LICENSE-Winogrande"}
        return tuple(file for path, file in remote_files(self.name).items() if path in wanted)

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return how scores on parallel sentences are to be read."""
        return (f"winogrande-african: {NOTE}",)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read sentences with their blank filled."""
        self.check(languages, splits)
        rows = Rows()
        wanted = {_SPLITS[split]: split for split in splits}
        for lang in languages:
            path = self._paths[lang]
            # English stands beside every translation; its own file has only it
            records = cells(folder / path, 6 if lang == "en" else 9)
            next(records, None)
            for line, (name, *found, answer, word) in records:
                if word in wanted:
                    rows.read(path)
                    _add(rows, (path, line, lang, wanted[word]), name, [*found[-3:], answer])
        return rows.parsed(self.notes(splits))


def _add(rows: Rows, place: tuple[str, int, str, str], name: str, fields: Sequence[str]) -> None:
    """Add a sentence; `fields`: it, its two options and the number of the right one."""
    (path, line, lang, split), (text, first, second, answer) = place, fields
    option = {"1": first, "2": second}.get(answer, "")
    group = name.rpartition("-")[0]
    sentence = Sentence("winogrande-african", path, line, lang, name, text, split, group)
    if f"winogrande-african:{lang}:{name}" in rows.corpus:
        reject(rows, sentence, "qID used before in this language")
    elif not option or text.count("_") != 1:
        reject(rows, sentence, "no right option" if not option else "not one blank to fill")
    else:
        filled = text.replace("_", option)
        add(rows, Sentence("winogrande-african", path, line, lang, name, filled, split, group))


def _language(path: str) -> str:
    """Return a file's language.

    Example:
        >>> _language("winogrande_nso.csv"), _language("winogrande.csv")
        ('nso', 'en')
    """
    return Path(path).stem.removeprefix("winogrande").removeprefix("_") or "en"
