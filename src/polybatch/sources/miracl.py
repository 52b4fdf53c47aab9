"""MIRACL: questions and Wikipedia passages of 18 languages, judged by people (arXiv 2210.09984).

Monolingual: questions were written in each language. The corpus is taken whole, or, with `sample`,
as every passage that was judged (relevant or not) and that many others a language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from polybatch.errors import InputError
from polybatch.sources.base import Parsed
from polybatch.sources.hub import HubSource, tab_rows
from polybatch.sources.records import Columns, records
from polybatch.sources.sampling import drawn
from polybatch.tables import CORPUS, QRELS, QUERIES, REJECTED

_QUERIES, _PASSAGES = "miracl/miracl", "miracl/miracl-corpus"


class Miracl(HubSource):
    """Two repositories: topics with judgements, and the passages."""

    name = "miracl"
    languages = (
        *("ar", "bn", "de", "en", "es", "fa", "fi", "fr", "hi"),
        *("id", "ja", "ko", "ru", "sw", "te", "th", "yo", "zh"),
    )
    splits = ("train", "dev")
    licence = "Apache-2.0"
    citation = (
        "Zhang et al.: MIRACL: A multilingual retrieval dataset covering 18 diverse languages. "
        "TACL 2023, arXiv 2210.09984"
    )
    homepage = "https://project-miracl.github.io"
    repositories = (_QUERIES, _PASSAGES)
    sampled = True

    def check(self, languages: Sequence[str], splits: Sequence[str]) -> None:
        """Raise InputError for what there is not; German and Yoruba have no training part."""
        super().check(languages, splits)
        if "train" in splits and (late := [lang for lang in languages if lang in ("de", "yo")]):
            raise InputError(
                "sources.miracl.splits",
                f"train with {', '.join(late)}",
                "dev alone for these languages",
                "Take dev, or leave the languages out",
            )

    def wanted(self, languages: Sequence[str], splits: Sequence[str]) -> Mapping[str, list[str]]:
        """Return topics, judgements and the passages' shards, however many."""
        asked = [_topic(kind, lang, split) for lang in languages for split in splits
                 for kind in ("topics", "qrels")]  # fmt: skip
        return {_QUERIES: asked, _PASSAGES: [_shards(lang) for lang in languages]}

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read questions with a relevant passage, and passages; InputError names file and row."""
        self.check(languages, splits)
        queries, corpus, qrels = Columns(QUERIES), Columns(CORPUS), Columns(QRELS)
        for lang in languages:
            judged: set[str] = set()
            for split in splits:
                answered: set[str] = set()
                for query, passage, relevance in _judgements(folder, lang, split):
                    judged.add(passage)
                    if relevance > 0:
                        answered.add(query)
                        qrels.add(f"miracl:{lang}:{query}", f"miracl:{lang}:{passage}", relevance)
                for _, (query, text) in tab_rows(
                    folder / "miracl" / _topic("topics", lang, split), 2
                ):
                    if query in answered:
                        name = f"miracl:{lang}:{query}"
                        queries.add(name, name, lang, text, split)
            self._passages(folder, lang, judged, corpus)
        return Parsed(queries.frame(), corpus.frame(), qrels.frame(), Columns(REJECTED).frame(),
                      self.notes(splits))  # fmt: skip

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return how much of the corpus is searched."""
        if self.settings is None or self.settings.sample is None:
            return ()
        return (
            f"miracl: the pool is every judged passage and {self.settings.sample:,} others a "
            "language, so scores are higher than on the whole corpus",
        )

    def _passages(self, folder: Path, lang: str, judged: set[str], corpus: Columns) -> None:
        """Add the passages of a language, or the judged ones and a sample of the others."""
        shards = sorted((folder / "miracl-corpus" / _shards(lang)).parent.glob("docs-*.jsonl.gz"))
        sample = self.settings.sample if self.settings else None
        taken: set[str] | None = None
        if sample is not None:
            others = (name for _, name, *_ in _documents(shards) if name not in judged)
            taken = judged | drawn(others, sample, f"miracl/{lang}")
        for _, name, title, text in _documents(shards):
            if taken is None or name in taken:
                group = f"miracl:{lang}:{name.partition('#')[0]}"
                corpus.add(f"miracl:{lang}:{name}", lang, text, title or None, group)


def _documents(shards: Sequence[Path]) -> Iterator[tuple[str, str, str, str]]:
    for path in shards:
        for row, fields in records(path):
            try:
                yield f"{path}:{row}", str(fields["docid"]), str(fields["title"]), fields["text"]
            except KeyError as error:
                raise InputError(
                    f"{path}:{row}", f"no {error}", "docid, title and text", "Fetch it again"
                ) from error


def _judgements(folder: Path, lang: str, split: str) -> Iterator[tuple[str, str, int]]:
    path = folder / "miracl" / _topic("qrels", lang, split)
    for row, (query, _, passage, relevance) in tab_rows(path, 4):
        if relevance not in ("0", "1"):
            raise InputError(
                f"{path}:{row}", f"the relevance '{relevance}'", "0 or 1", "Fetch the file again"
            )
        yield query, passage, int(relevance)


def _topic(kind: str, lang: str, split: str) -> str:
    return f"miracl-v1.0-{lang}/{kind}/{kind}.miracl-v1.0-{lang}-{split}.tsv"


def _shards(lang: str) -> str:
    return f"miracl-corpus-v1.0-{lang}/docs-*.jsonl.gz"
