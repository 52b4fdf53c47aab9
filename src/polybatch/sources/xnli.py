"""XNLI as parallel training pairs (Conneau et al., EMNLP 2018): a premise and what follows from it.

The rows of all languages are translations of one another, line by line. Of the three hypotheses of
a premise the entailed one is taken: the hypothesis asks, the premise answers. Only `dev` has labels
in the mirror's files; without one nobody knows what follows from what, so `test` is no split here.
A row is a line labelled `entailment`; the other lines are no pairs and are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.sources.registry import describe, remote_files
from polybatch.sources.source import Document, Parsed, Place, Query, RemoteFile, Rows, Source
from polybatch.sources.user_lines import lines

_LABELS = ("entailment", "neutral", "contradiction")
_NOTE = "xnli: pairs of sentences, not questions and answers; licence forbids commercial use"


class Xnli(Source):
    """Entailment pairs in fifteen languages."""

    name = "xnli"
    languages = (
        "ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh",
    )  # fmt: skip
    splits = ("dev",)

    def __init__(self) -> None:
        describe(self, "xnli")

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return one file per language and split."""
        wanted = {f"{split}-{lang}.tsv" for split in splits for lang in languages}
        return tuple(file for path, file in remote_files("xnli").items() if path in wanted)

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return what kind of pairs they are."""
        return (_NOTE,)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read the entailed pairs, aligned by their line."""
        self.check(languages, splits)
        rows = Rows()
        for split in splits:
            for lang in languages:
                _read(rows, folder / f"{split}-{lang}.tsv", split, lang)
        return rows.parsed(self.notes(splits))


def _read(rows: Rows, path: Path, split: str, lang: str) -> None:
    for number, line in lines(path):
        cells = [cell.strip() for cell in line.rstrip("\r\n").split("\t")]
        if len(cells) != 3 or cells[2] not in _LABELS:
            raise InputError(
                f"{path}:{number}",
                f"{len(cells)} columns" if len(cells) != 3 else f"the label '{cells[2][:20]}'",
                f"premise, hypothesis and one of {', '.join(_LABELS)}; tabs separate them",
                "Fetch the file again: `dvc repro -f -s` of its download stage",
            )
        if cells[2] != "entailment":
            continue
        rows.read(path.name)
        answer, question, _ = cells
        item_id = f"xnli:{split}:{number:05d}"
        doc_id = f"{item_id}:{lang}"
        place = Place("xnli", path.name, number, lang, item_id, question or answer)
        if not question or not answer:
            rows.reject(place, "empty text")
            continue
        query = Query(f"{doc_id}?", item_id, lang, question, split)
        rows.add(place, query, Document(doc_id, lang, answer, None, item_id))
