"""SIB-200: FLORES sentences with a topic, aligned by index_id (Adelani et al., arXiv 2309.07445).

The topics are not used: what is taken are the sentences and their alignment. A row is a line below
the one that names the columns.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from polybatch.sources.codes import by_language
from polybatch.sources.lines import lines
from polybatch.sources.parallel import NOTE, Sentence, add, reject
from polybatch.sources.registry import describe, remote_files
from polybatch.sources.source import Parsed, RemoteFile, Rows, Source

_FOLDER = "data/annotated"


class Sib200(Source):
    """1,004 sentences in 27 languages: 701 `train`, 99 `dev`, 204 `test`."""

    name = "sib200"
    splits = ("train", "dev", "test")

    def __init__(self) -> None:
        describe(self, self.name)
        words = {Path(path).parent.name for path in remote_files(self.name) if "/" in path}
        self._words = by_language(sorted(words))
        self.languages = tuple(sorted(self._words))

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return one file per language and split, and the licence."""
        wanted = {self._path(lang, split) for lang in languages for split in splits} | {"LICENSE"}
        return tuple(file for path, file in remote_files(self.name).items() if path in wanted)

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return how scores on parallel sentences are to be read."""
        return (f"sib200: {NOTE}",)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read sentences; a line without three columns, or with open quotes, is rejected."""
        self.check(languages, splits)
        rows = Rows()
        for lang in languages:
            for split in splits:
                path = folder / self._path(lang, split)
                for row, line in enumerate(lines(path)[1:], 2):  # the first line names columns
                    self._add(rows, line, (f"{path.parent.name}/{path.name}", row, lang, split))
        return rows.parsed(self.notes(splits))

    def _add(self, rows: Rows, line: str, place: tuple[str, int, str, str]) -> None:
        file, row, lang, split = place
        rows.read(file)
        index, *rest = _cells(line)
        text = rest[1] if len(rest) == 2 else line
        sentence = Sentence(self.name, file, row, lang, index, text, split, index)
        if len(rest) != 2 or not index.isdigit():
            reject(rows, sentence, "no three columns: index_id, category, text")
        elif f"{self.name}:{lang}:{index}" in rows.corpus:
            reject(rows, sentence, "index_id used before in this language")
        else:
            add(rows, sentence)

    def _path(self, lang: str, split: str) -> str:
        return f"{_FOLDER}/{self._words[lang]}/{split}.tsv"


def _cells(line: str) -> list[str]:
    r"""Return the cells of a line, in quotes where they hold marks; the line if it cannot be read.

    Example:
        >>> _cells('7\ttravel\t"Ni ""wapi""?"')
        ['7', 'travel', 'Ni "wapi"?']
    """
    try:
        return next(csv.reader([line], delimiter="\t", strict=True)) or [line]
    except csv.Error:
        return [line]
