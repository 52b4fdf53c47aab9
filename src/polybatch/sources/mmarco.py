"""mMARCO: MS MARCO passages machine-translated to 13 languages, parallel by id (arXiv 2108.13897).

The large training set: `train` pairs queries with the relevant passages of the publisher's triples,
`dev` is dev.small with its judgements. With `sample`: that many queries, the same in every
language, and the passages they need (for dev, that many other passages as well).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from polybatch.errors import InputError
from polybatch.sources.base import Parsed
from polybatch.sources.hub import HubSource, tab_rows
from polybatch.sources.records import Columns
from polybatch.sources.sampling import drawn
from polybatch.tables import CORPUS, QRELS, QUERIES, REJECTED

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
        root = folder / "mmarco"
        pairs = {split: self._pairs(root, split) for split in splits}
        needed = {passage for found in pairs.values() for _, passage in found}
        if "dev" in splits:
            needed |= self._others(root, languages[0], needed)
        queries, corpus, qrels = Columns(QUERIES), Columns(CORPUS), Columns(QRELS)
        for split, found in pairs.items():
            asked = {query for query, _ in found}
            for lang in languages:
                for _, (name, text) in tab_rows(root / _queries(lang, split), 2):
                    if name in asked:
                        queries.add(f"mmarco:{lang}:{name}", f"mmarco:{name}", lang, text, split)
                for query, passage in sorted(found):
                    qrels.add(f"mmarco:{query}", f"mmarco:{lang}:{passage}", 1)
        for lang in languages:
            for name, text in _passages(root, lang):
                if name in needed:
                    group = f"mmarco:{name}"
                    corpus.add(f"mmarco:{lang}:{name}", lang, text, None, group)
        return Parsed(queries.frame(), corpus.frame(), qrels.frame(), Columns(REJECTED).frame(),
                      self.notes(splits))  # fmt: skip

    def _pairs(self, root: Path, split: str) -> set[tuple[str, str]]:
        """Return (query, relevant passage) ids, of a sample of the queries where params say so."""
        found = set(_relevant(root, split))
        sample = self.settings.sample if self.settings else None
        if sample is None:
            return found
        chosen = drawn({query for query, _ in found}, sample, f"mmarco/{split}")
        return {pair for pair in found if pair[0] in chosen}

    def _others(self, root: Path, lang: str, needed: set[str]) -> set[str]:
        """Return passages of the pool that no query of ours needs: all, or a sample."""
        names = (name for name, _ in _passages(root, lang) if name not in needed)
        sample = self.settings.sample if self.settings else None
        return set(names) if sample is None else drawn(names, sample, "mmarco/pool")


def _relevant(root: Path, split: str) -> Iterator[tuple[str, str]]:
    path = root / _PAIRS[split]
    if split == "train":
        for _, (query, passage, _) in tab_rows(path, 3):
            yield query, passage
        return
    for row, (query, _, passage, relevance) in tab_rows(path, 4):
        if not relevance.isdigit():
            raise InputError(
                f"{path}:{row}", f"the relevance '{relevance}'", "a number", "Fetch it again"
            )
        if int(relevance):
            yield query, passage


def _passages(root: Path, lang: str) -> Iterator[tuple[str, str]]:
    for _, (name, text) in tab_rows(root / _collection(lang), 2):
        yield name, text


def _collection(lang: str) -> str:
    return f"data/google/collections/{_WORDS[lang]}_collection.tsv"


def _queries(lang: str, split: str) -> str:
    return f"data/google/queries/{_QUERIES[split].format(_WORDS[lang])}"
