"""NTREX-128: 1,997 news sentences of 123 articles, line-aligned (Federmann et al. 2022).

A row is a line of a language's file, with the article that the same line of another file names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.sources.codes import by_language
from polybatch.sources.lines import lines
from polybatch.sources.parallel import NOTE, Sentence, add
from polybatch.sources.registry import describe, remote_files
from polybatch.sources.source import Parsed, RemoteFile, Rows, Source

_DOCUMENTS, _FOLDER = "DOCUMENT_IDS.tsv", "NTREX-128"


class Ntrex(Source):
    """News sentences in 30 languages, grouped by article."""

    name = "ntrex"
    splits = ("test",)

    def __init__(self) -> None:
        describe(self, self.name)
        paths = {
            Path(path).name.split(".")[1]: path
            for path in remote_files(self.name)
            if path.startswith(f"{_FOLDER}/")
        }
        self._words = by_language(sorted(paths))
        self._paths = {lang: paths[word] for lang, word in self._words.items()}
        self.languages = tuple(sorted(self._paths))

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return one file per language, the articles' ids, and the licence."""
        wanted = {self._paths[lang] for lang in languages} | {_DOCUMENTS, "LICENSE.md"}
        return tuple(file for path, file in remote_files(self.name).items() if path in wanted)

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return how scores on parallel sentences are to be read."""
        return (f"ntrex: {NOTE}",)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read sentences; InputError where a file does not have a line for each article id."""
        self.check(languages, splits)
        articles = lines(folder / _DOCUMENTS)
        rows = Rows()
        for lang in languages:
            path = folder / self._paths[lang]
            found = lines(path)
            if len(found) != len(articles):
                raise InputError(
                    path,
                    f"{len(found)} lines",
                    f"{len(articles)}, one for each line of {_DOCUMENTS}",
                    "Fetch it again: `dvc repro -f -s download@ntrex`",
                )
            for row, (text, article) in enumerate(zip(found, articles, strict=True), 1):
                rows.read(path.name)
                where = (self.name, path.name, row, lang, f"{row:04d}")
                add(rows, Sentence(*where, text, "test", article.strip(), article.strip()))
        return rows.parsed(self.notes(splits))
