"""MIRACL: questions and Wikipedia passages of 18 languages, judged by people (arXiv 2210.09984).

Monolingual: questions were written in each language. The corpus is taken whole, or, with `sample`,
as every passage that was judged (relevant or not) and that many others a language.

A row is a topic, a judgement or a passage. A judgement of 0 keeps its passage in the pool; with
`sample`, passages that are not drawn are not requested and not counted.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from polybatch.core.errors import InputError
from polybatch.sources.hub import HubSource, Streams, tab_rows
from polybatch.sources.rows import halved
from polybatch.sources.sampling import drawn
from polybatch.sources.source import Parsed
from polybatch.sources.user_files import records

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
        queries = [_topic(kind, lang, split) for lang in languages for split in splits
                   for kind in ("topics", "qrels")]  # fmt: skip
        return {_QUERIES: queries, _PASSAGES: [_shards(lang) for lang in languages]}

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read questions with a relevant passage, and passages; InputError names file and row."""
        self.check(languages, splits)
        tables = Streams(self.name)
        for lang in languages:
            judgements = {split: list(_judgements(folder, lang, split)) for split in splits}
            judged = {each.passage for found in judgements.values() for each in found}
            passages = self._passages(folder, lang, judged, tables)
            for split, found in judgements.items():
                topics = _topics(folder, lang, split)
                answered = _judge(tables, (lang, split), found, topics, passages)
                _ask(tables, (lang, split), topics, answered)
        return tables.parsed(self.notes(splits))

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return how much of the corpus is searched."""
        if self.settings is None or self.settings.sample is None:
            return ()
        return (
            f"miracl: the pool is every judged passage and {self.settings.sample:,} others a "
            "language, so scores are higher than on the whole corpus",
        )

    def _passages(self, folder: Path, lang: str, judged: set[str], tables: Streams) -> set[str]:
        """Add the passages of a language, or the judged ones and a sample of the others.

        Returns the judged passages that are there.
        """
        root = folder / "miracl-corpus"
        shards = sorted((root / _shards(lang)).parent.glob("docs-*.jsonl.gz"))
        sample = self.settings.sample if self.settings else None
        taken: set[str] | None = None
        if sample is not None:
            others = (each.name for each in _documents(shards) if each.name not in judged)
            taken = judged | drawn(others, sample, f"miracl/{lang}")
        there: set[str] = set()
        for path, row, name, title, text in _documents(shards):
            if taken is not None and name not in taken:
                continue
            file = path.relative_to(root).as_posix()
            tables.tally.read(file)
            if halved(name + title + text) or not text.strip():
                reason = "half a surrogate pair" if text.strip() else "empty text"
                tables.reject(file, row, reason, lang, name, text)
                continue
            tables.tally.kept(file)
            group = f"miracl:{lang}:{name.partition('#')[0]}"
            of = (group, group, None)  # the article is all that a passage says of its place
            tables.corpus.add(f"miracl:{lang}:{name}", lang, text, title or None, *of)
            if name in judged:
                there.add(name)
        return there


class _Document(NamedTuple):
    path: Path
    row: int
    name: str
    title: str
    text: str


class _Judgement(NamedTuple):
    row: int
    query: str
    passage: str
    relevance: int


def _judge(
    tables: Streams,
    where: tuple[str, str],
    judgements: Sequence[_Judgement],
    topics: Sequence[tuple[int, str, str]],
    passages: Container[str],
) -> set[str]:
    """Add the judgements of a language and split; return the topics with a relevant passage."""
    lang, file = where[0], _topic("qrels", *where)
    with_text, answered = {name for _, name, text in topics if text.strip()}, set[str]()
    known: dict[tuple[str, str], int] = {}
    for row, query, passage, relevance in judgements:
        tables.tally.read(file)
        if passage not in passages or query not in with_text:
            what = "document is not in the corpus" if query in with_text else "topic is not there"
            tables.reject(file, row, f"judged {what}", lang, query, passage)
        elif (query, passage) not in known:
            known[query, passage] = relevance
            tables.tally.kept(file)
            if relevance > 0:
                answered.add(query)
                tables.qrels.add(f"miracl:{lang}:{query}", f"miracl:{lang}:{passage}", relevance)
        elif known[query, passage] == relevance:
            tables.tally.merged(file)
        else:
            tables.reject(file, row, "judged otherwise before", lang, query, passage)
    return answered


def _ask(
    tables: Streams,
    where: tuple[str, str],
    topics: Sequence[tuple[int, str, str]],
    answered: Container[str],
) -> None:
    """Add the topics of a language and split."""
    (lang, split), file = where, _topic("topics", *where)
    known: set[str] = set()
    for row, query, text in topics:
        tables.tally.read(file)
        if query in known or query not in answered or not text.strip():
            reason = "no relevant passage" if text.strip() else "empty question"
            reason = "id used before" if query in known else reason
            tables.reject(file, row, reason, lang, query, text)
            continue
        known.add(query)
        tables.tally.kept(file)
        name = f"miracl:{lang}:{query}"
        tables.queries.add(name, name, lang, text, split)


def _topics(folder: Path, lang: str, split: str) -> list[tuple[int, str, str]]:
    found = tab_rows(folder / "miracl" / _topic("topics", lang, split), 2)
    return [(row, query, text) for row, (query, text) in found]


def _documents(shards: Sequence[Path]) -> Iterator[_Document]:
    for path in shards:
        for row, fields in records(path):
            values = [fields.get(name) for name in ("docid", "title", "text")]
            if not all(isinstance(value, str) for value in values):
                raise InputError(
                    f"{path}:{row}",
                    f"{', '.join(type(value).__name__ for value in values)}",
                    "docid, title and text, each a text",
                    "Fetch it again",
                )
            yield _Document(path, row, *map(str, values))


def _judgements(folder: Path, lang: str, split: str) -> Iterator[_Judgement]:
    path = folder / "miracl" / _topic("qrels", lang, split)
    for row, (query, _, passage, relevance) in tab_rows(path, 4):
        if relevance not in ("0", "1"):
            raise InputError(
                f"{path}:{row}", f"the relevance '{relevance}'", "0 or 1", "Fetch the file again"
            )
        yield _Judgement(row, query, passage, int(relevance))


def _topic(kind: str, lang: str, split: str) -> str:
    return f"miracl-v1.0-{lang}/{kind}/{kind}.miracl-v1.0-{lang}-{split}.tsv"


def _shards(lang: str) -> str:
    return f"miracl-corpus-v1.0-{lang}/docs-*.jsonl.gz"
