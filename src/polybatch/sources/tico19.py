"""TICO-19: 3,071 medical sentences about COVID-19, English with 14 languages (arXiv 2007.01788).

Translation memories, each English with one language; the units' ids are the same in all of them,
so that the sentences are parallel across all languages. A document is what a unit's id begins
with (an article, a web page): 31 of them, by which the data can be split. A row is a unit's
sentence in a language that is requested; a unit without one has an empty row. Splits: `wikipedia`
has the documents from Wikipedia, which other training data is often from, `other` the rest.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from polybatch.sources.parallel import NOTE, Sentence, add, reject
from polybatch.sources.registry import describe, remote_files
from polybatch.sources.source import Parsed, RemoteFile, Rows, Source
from polybatch.sources.tmx import Unit, units

_PIVOT = "en"
_RENAMED = {"es-LA": "es-419"}  # BCP-47 has the region's number for Latin America


class Tico19(Source):
    """Sentences from PubMed, Wikipedia, Wikinews, Wikivoyage, Wikisource and doctors' talks."""

    name = "tico19"
    splits = ("all", "wikipedia", "other")

    def __init__(self) -> None:
        describe(self, self.name)
        words = {_word(path): path for path in remote_files(self.name) if path.endswith(".zip")}
        self._words = {_RENAMED.get(word, word): word for word in sorted(words)}
        self._paths = {lang: words[word] for lang, word in self._words.items()}
        self.languages = (_PIVOT, *self._paths)

    def files(self, languages: Sequence[str], splits: Sequence[str]) -> tuple[RemoteFile, ...]:
        """Return one memory per language beside English, and the licence."""
        wanted = {self._paths[lang] for lang in self._others(languages)} | {"LICENSE.md"}
        return tuple(file for path, file in remote_files(self.name).items() if path in wanted)

    def notes(self, splits: Sequence[str]) -> tuple[str, ...]:
        """Return how scores on parallel sentences are to be read."""
        return (f"tico19: {NOTE}",)

    def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
        """Read sentences; English ones are merged, or rejected where memories differ."""
        self.check(languages, splits)
        rows, english = Rows(), dict[str, str]()
        for lang in self._others(languages):
            path, seen = folder / self._paths[lang], set[str]()
            words = {_PIVOT: _PIVOT, lang: self._words[lang]}
            memory = list(units(path))
            repeated = {each: _repeated(memory, word) for each, word in words.items()}
            for row, (unit, texts) in enumerate(memory, 1):
                split = next((each for each in splits if each in ("all", _kind(unit))), None)
                for each in [each for each in words if split and each in languages]:
                    rows.read(path.name)
                    text = " ".join(texts.get(words[each], "").split())
                    sentence = _sentence(path, row, each, unit, text, split or "all")
                    if unit in seen:
                        reject(rows, sentence, "id used before in this file")
                    elif each == _PIVOT and _differs(english.setdefault(unit, text), text):
                        reject(rows, sentence, "English worded otherwise in another memory")
                    elif text in repeated[each]:
                        reject(rows, sentence, "the same text for different sentences")
                    else:
                        first = english[unit] if each == _PIVOT else text
                        add(rows, replace(sentence, text=first))
                seen.add(unit)
        return rows.parsed(self.notes(splits))

    def _others(self, languages: Sequence[str]) -> list[str]:
        """Return the languages whose memory is read: any one where only English is requested."""
        return [lang for lang in languages if lang != _PIVOT] or [next(iter(self._paths))]


def _word(path: str) -> str:
    """Return the publisher's word for a memory's language.

    Example:
        >>> _word("data/TM/all.en-es-LA.tmx.zip")
        'es-LA'
    """
    return Path(path).name.removeprefix("all.en-").removesuffix(".tmx.zip")


def _sentence(path: Path, row: int, lang: str, unit: str, text: str, split: str) -> Sentence:
    document = _document(unit)
    return Sentence("tico19", path.name, row, lang, _item(unit), text, split, document, document)


def _kind(unit: str) -> str:
    """Return the split of a unit.

    Example:
        >>> _kind("wiki_13:2300"), _kind("Wikipedia_handpicked_4:1"), _kind("Wikinews_2:1101")
        ('wikipedia', 'wikipedia', 'other')
    """
    return "wikipedia" if unit.startswith(("wiki_", "Wikipedia_")) else "other"


def _repeated(memory: Sequence[Unit], word: str) -> set[str]:
    """Return the texts that a memory has for several units: at most one of these can be right.

    French has 166 sentences of a conversation and of an article once more, in the place of others.
    """
    first = {unit: texts.get(word, "") for unit, texts in reversed(memory)}
    counts = Counter(" ".join(text.split()) for text in first.values())
    return {text for text, count in counts.items() if text and count > 1}


def _differs(text: str, other: str) -> bool:
    """Return whether texts differ in more than marks: memories quote and escape differently."""
    letters = (re.sub(r"[\W_]+", "", html.unescape(each)).casefold() for each in (text, other))
    return len(set(letters)) > 1


def _document(unit: str) -> str:
    """Return what a unit's id begins with.

    Example:
        >>> _document("PubMed_8:291"), _item("PubMed_8:291")
        ('PubMed_8', 'PubMed_8:0291')
    """
    return unit.rpartition(":")[0]


def _item(unit: str) -> str:
    """Return the id with its number in four digits, so that sorting keeps a document's order."""
    document, _, number = unit.rpartition(":")
    return f"{document}:{number:0>4}"
