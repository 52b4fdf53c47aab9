"""SciFact: scientific claims and the abstracts that settle them, in BEIR's form (arXiv 2004.14974).

English only. Every abstract is in the pool. A row is a claim, an abstract or a judgement.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polybatch.sources.beir_tables import BeirTables
from polybatch.sources.registry import describe, remote_files
from polybatch.sources.source import Parsed, RemoteFile, Source


class Scifact(Source):
    """1,109 claims, 5,183 abstracts; 919 judgements in `train`, 339 in `test`. From a mirror."""

    name = "scifact"
    languages = ("en",)
    splits = ("train", "test")

    def __init__(self) -> None:
        describe(self, self.name)

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return claims, abstracts, the judgements of the splits, and the licence."""
        unused = {f"beir/qrels/{split}.tsv" for split in self.splits if split not in splits}
        return tuple(file for path, file in remote_files(self.name).items() if path not in unused)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read all abstracts, and the claims and judgements of the splits."""
        self.check(languages, splits)
        tables = BeirTables(self.name, folder / "beir", splits)
        tables.add(folder / "beir", "en")
        return tables.parsed()
