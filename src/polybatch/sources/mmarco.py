"""mMARCO: MS MARCO passages machine-translated to 13 languages, parallel by id (arXiv 2108.13897).

The large training set: `train` pairs queries with the relevant passages of the publisher's triples,
`dev` is dev.small with its judgements. With `sample`: that many queries, the same in every
language, and the passages they need (for dev, that many other passages as well).

A row is a line of the pairs of ids (its query, or in `train` its relevant passage, being in the
sample), and a query or passage that a pair names; in `dev` any passage of the pool. The others are
not requested and not counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polybatch.core.errors import InputError
from polybatch.sources.hub import HubSource, Streams, tab_rows
from polybatch.sources.sampling import drawn
from polybatch.sources.source import Parsed

_REPOSITORY = "unicamp-dl/mmarco"
_WORDS = {
    "ar": "arabic", "de": "german", "en": "english", "es": "spanish", "fr": "french",
    "hi": "hindi", "id": "indonesian", "it": "italian", "ja": "japanese", "nl": "dutch",
    "pt": "portuguese", "ru": "russian", "vi": "vietnamese", "zh": "chinese",
}  # fmt: skip
_PAIRS = {"train": "data/triples.train.ids.small.tsv", "dev": "data/qrels.dev.small.tsv"}
_QUERIES = {"train": "train/{}_queries.train.tsv", "dev": "dev/{}_queries.dev.small.tsv"}
_NOTE = "mmarco: machine-translated text; a query's other relevant passages are mostly not judged"


class Mmarco(HubSource):
    """Queries and passages with the ids of MS MARCO, which are the same in every language."""

    name = "mmarco"
    languages = tuple(_WORDS)
    splits = ("train", "dev")
    licence = "Apache-2.0 (translations); MS MARCO's terms for the texts"
    citation = (
        "Bonifacio et al.: mMARCO: A multilingual version of the MS MARCO passage ranking dataset. "
        "arXiv 2108.13897"
    )
    homepage = "https://github.com/unicamp-dl/mMARCO"
    repositories = (_REPOSITORY,)
    sampled = True

    def wanted(self, languages: Sequence[str], splits: Sequence[str]) -> Mapping[str, list[str]]:
        """Return collections, queries and the pairs of ids."""
        paths = [_PAIRS[split] for split in splits]
        paths += [_queries(lang, split) for lang in languages for split in splits]
        return {_REPOSITORY: [*paths, *map(_collection, languages)]}

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return that texts are translated by machine."""
        return (_NOTE,)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read pairs of ids, then the texts that they need; InputError names file and row."""
        self.check(languages, splits)
        root, tables = folder / "mmarco", Streams(self.name)
        pairs = {split: self._pairs(root, split) for split in splits}
        needed = {passage for found in pairs.values() for _, passage in found.first}
        pool = set[str]()
        if "dev" in splits:
            pool = self._others(root, languages[0], needed)
        there = {lang: _add_passages(tables, root, lang, needed, pool) for lang in languages}
        for split, found in pairs.items():
            held = {pair for pair in found.first if any(pair[1] in each for each in there.values())}
            answered = {query for query, _ in held}
            known = set[str]()
            for lang in languages:
                known |= _add_queries(tables, root, (lang, split), found.queries, answered)
            _add_pairs(tables, split, found, known, there)
        return tables.parsed(self.notes(splits))

    def _pairs(self, root: Path, split: str) -> _Pairs:
        """Return (query, relevant passage) ids, of a sample of the queries where params say so."""
        found = _Pairs.of(root / _PAIRS[split], split)
        sample = self.settings.sample if self.settings else None
        if sample is None:
            return found
        return found.of_queries(drawn(found.queries, sample, f"mmarco/{split}"))

    def _others(self, root: Path, lang: str, needed: set[str]) -> set[str]:
        """Return passages of the pool that no query of ours needs: all, or a sample."""
        names = (name for _, name, _ in _passages(root, lang) if name not in needed)
        sample = self.settings.sample if self.settings else None
        return set(names) if sample is None else drawn(names, sample, "mmarco/pool")


@dataclass(frozen=True)
class _Pairs:
    """Query and relevant passage, and the line where the pair stands first.

    `lines`, `again`: lines a query, and those of them that repeat a pair; `refused`: lines whose
    passage is judged not to be relevant, by query.
    """

    first: dict[tuple[str, str], int]
    lines: Counter[str]
    again: Counter[str]
    refused: dict[str, list[int]]

    @classmethod
    def of(cls, path: Path, split: str) -> _Pairs:
        """Read a file of triples (train) or judgements (dev)."""
        found = cls({}, Counter(), Counter(), {})
        for row, query, passage, relevance in _relevant(path, split):
            found.lines[query] += 1
            if not relevance:
                found.refused.setdefault(query, []).append(row)
            elif (query, passage) in found.first:
                found.again[query] += 1
            else:
                found.first[query, passage] = row
        return found

    @property
    def queries(self) -> set[str]:
        """The queries that have a relevant passage."""
        return {query for query, _ in self.first}

    def of_queries(self, chosen: set[str]) -> _Pairs:
        """Return the pairs of some queries."""
        return _Pairs(
            {pair: row for pair, row in self.first.items() if pair[0] in chosen},
            Counter({query: self.lines[query] for query in chosen}),
            Counter({query: self.again[query] for query in chosen}),
            {query: rows for query, rows in self.refused.items() if query in chosen},
        )


def _add_passages(
    tables: Streams, root: Path, lang: str, needed: set[str], pool: set[str]
) -> set[str]:
    """Add the passages of a language; return those of `needed` that are there."""
    there, file = set[str](), _collection(lang)
    for row, name, text in _passages(root, lang):
        if name not in needed and name not in pool:
            continue
        tables.tally.read(file)
        if not text.strip() or name in there:
            reason = "id used before" if name in there else "empty text"
            tables.reject(file, row, reason, lang, name, text)
            continue
        tables.tally.kept(file)
        tables.corpus.add(f"mmarco:{lang}:{name}", lang, text, None, f"mmarco:{name}", None, None)
        if name in needed:
            there.add(name)
    return there


def _add_queries(
    tables: Streams, root: Path, where: tuple[str, str], known: set[str], answered: set[str]
) -> set[str]:
    """Add the queries of a language and split that pairs name; return those that are there."""
    (lang, split), there, file = where, set[str](), _queries(*where)
    for row, (name, text) in tab_rows(root / file, 2):
        if name not in known:
            continue
        tables.tally.read(file)
        if not text.strip() or name in there or name not in answered:
            reason = "empty question" if name in answered else "no relevant passage"
            reason = "id used before" if name in there else reason
            tables.reject(file, row, reason, lang, name, text)
            continue
        tables.tally.kept(file)
        tables.queries.add(f"mmarco:{lang}:{name}", f"mmarco:{name}", lang, text, split)
        there.add(name)
    return there


def _add_pairs(
    tables: Streams, split: str, pairs: _Pairs, known: set[str], there: Mapping[str, set[str]]
) -> None:
    """Add the judgements of a split, in every language that has the passage."""
    file = _PAIRS[split]
    tables.tally.read(file, pairs.lines.total())
    for query, rows in sorted(pairs.refused.items()):
        for row in rows:
            tables.reject(file, row, "judged not relevant", None, query)
    for (query, passage), row in sorted(pairs.first.items()):
        languages = [lang for lang, passages in there.items() if passage in passages]
        if not languages or query not in known:
            what = "query" if languages else "passage"
            tables.reject(file, row, f"its {what} is in no language", None, query, passage)
            continue
        tables.tally.kept(file)
        for lang in languages:
            tables.qrels.add(f"mmarco:{query}", f"mmarco:{lang}:{passage}", 1)
    tables.tally.merged(file, pairs.again.total())


def _relevant(path: Path, split: str) -> Iterator[tuple[int, str, str, int]]:
    """Yield line, query, passage and relevance of the pairs of ids."""
    if split == "train":
        for row, (query, passage, _) in tab_rows(path, 3):
            yield row, query, passage, 1
        return
    for row, (query, _, passage, relevance) in tab_rows(path, 4):
        if not re.fullmatch("[0-9]{1,9}", relevance):
            raise InputError(
                f"{path}:{row}", f"the relevance '{relevance[:40]}'", "a number", "Fetch it again"
            )
        yield row, query, passage, int(relevance)


def _passages(root: Path, lang: str) -> Iterator[tuple[int, str, str]]:
    for row, (name, text) in tab_rows(root / _collection(lang), 2):
        yield row, name, text


def _collection(lang: str) -> str:
    return f"data/google/collections/{_WORDS[lang]}_collection.tsv"


def _queries(lang: str, split: str) -> str:
    return f"data/google/queries/{_QUERIES[split].format(_WORDS[lang])}"
