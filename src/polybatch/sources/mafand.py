"""MAFAND-MT: news sentences in English or French with an African language (arXiv 2205.02022).

Each pair of languages has articles of its own, so an item is in two languages. A file is read where
its African language is requested; a row is a sentence of a line in a language that is requested.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.sources.codes import bcp47
from polybatch.sources.lines import lines
from polybatch.sources.parallel import NOTE, Sentence, add
from polybatch.sources.registry import describe, remote_files
from polybatch.sources.source import Parsed, RemoteFile, Rows, Source


class Mafand(Source):
    """Thirteen African languages; Amharic, Shona and Xhosa have no `train`."""

    name = "mafand"
    splits = ("train", "dev", "test")

    def __init__(self) -> None:
        describe(self, self.name)
        pairs = [_parts(path)[:2] for path in remote_files(self.name) if path.endswith(".json")]
        pivots, others = ({bcp47(pair[i]) for pair in pairs} for i in (0, 1))
        self.languages = (*sorted(others), *sorted(pivots))

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return the files of the African languages and splits, and the licence of the code."""
        return tuple(
            file
            for path, file in remote_files(self.name).items()
            if not path.endswith(".json") or _wanted(path, languages, splits)
        )

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return how scores on parallel sentences are to be read."""
        return (f"mafand: {NOTE}", "mafand: the licence forbids commercial use")

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read sentences, aligned by their line."""
        self.check(languages, splits)
        rows = Rows()
        for path in remote_files(self.name):
            if path.endswith(".json") and _wanted(path, languages, splits):
                *words, split = _parts(path)
                for row, texts in _pairs(folder / path, words):
                    for lang, text in zip(map(bcp47, words), texts, strict=True):
                        if lang in languages:
                            rows.read(path)
                            item = f"{'-'.join(words)}:{split}:{row:04d}"
                            add(rows, Sentence(self.name, path, row, lang, item, text, split))
        return rows.parsed(self.notes(splits))


def _pairs(path: Path, words: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    for row, line in enumerate(lines(path), 1):
        try:
            texts = [json.loads(line)["translation"][word] for word in words]
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("a sentence that is no text")
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path}:{row}",
                f"{type(error).__name__} ({error})",
                f"a translation with {' and '.join(words)}, one JSON object a line",
                "Fetch it again: `dvc repro -f -s download@mafand`",
            ) from error
        yield row, texts


def _wanted(path: str, languages: Sequence[str], splits: Sequence[str]) -> bool:
    _, other, split = _parts(path)
    return bcp47(other) in languages and split in splits


def _parts(path: str) -> tuple[str, str, str]:
    """Return the publisher's words for the two languages, and the split, of a file.

    Example:
        >>> _parts("fr-bam/dev.json")
        ('fr', 'bam', 'dev')
    """
    pair, _, name = path.partition("/")
    pivot, _, other = pair.partition("-")
    return pivot, other, name.removesuffix(".json")
