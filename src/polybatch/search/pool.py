"""What is searched: a dataset's documents, and which of them say the same in other languages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.vectors import Int64


@dataclass(frozen=True)
class Pool:
    """A dataset's documents by row number; translations share an item."""

    dataset: Dataset

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The languages of the documents, sorted."""
        return tuple(sorted(self.dataset.corpus["lang"].unique()))

    @cached_property
    def doc_ids(self) -> list[str]:
        """The id of each document."""
        return self.dataset.corpus["doc_id"].to_list()

    @cached_property
    def _langs(self) -> Any:
        return self.dataset.corpus["lang"].to_numpy()

    def rows(self, languages: Sequence[str]) -> Int64:
        """Return the documents in these languages; all of them where none is named.

        Raises:
            InputError: a language without documents.

        Example:
            >>> corpus = pl.DataFrame({"doc_id": ["a", "b", "c"], "lang": ["sw", "en", "sw"]})
            >>> Pool(Dataset("faq", pl.DataFrame(), corpus, pl.DataFrame())).rows(["sw"])
            array([0, 2])
        """
        if unknown := sorted(set(languages) - set(self.languages)):
            known = ", ".join(self.languages)
            raise InputError("language", f"'{unknown[0]}'", f"one of {known}", "Choose one")
        if not languages:
            return np.arange(len(self.doc_ids))
        return np.flatnonzero(np.isin(self._langs, languages)).astype(np.int64)

    def document(self, row: int) -> dict[str, str]:
        """Return a document's id, language, title and text."""
        names = ("doc_id", "lang", "title", "text")
        found = self.dataset.corpus.row(row, named=True)
        return {name: found[name] or "" for name in names}

    def parallel(self, row: int) -> list[int]:
        """Return the documents in other languages that answer the same questions, by language.

        Example:
            >>> corpus = pl.DataFrame({"doc_id": ["a", "b"], "lang": ["en", "sw"]})
            >>> qrels = pl.DataFrame({"item_id": "i", "doc_id": ["a", "b"], "relevance": 1})
            >>> Pool(Dataset("faq", pl.DataFrame(), corpus, qrels)).parallel(0)
            [1]
        """
        lang = self._langs[row]
        same = {
            other
            for item in self._items.get(self.doc_ids[row], ())
            for other in self._documents[item]
            if self._langs[other] != lang
        }
        return sorted(same, key=lambda other: (self._langs[other], other))

    @cached_property
    def _answers(self) -> list[tuple[str, str]]:
        """Each item and document that answers it: what is judged 0 does not."""
        relevant = self.dataset.qrels.filter(pl.col("relevance") > 0)
        return relevant.select("item_id", "doc_id").rows()

    @cached_property
    def _items(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for item, doc_id in self._answers:
            found[doc_id].append(item)
        return found

    @cached_property
    def _documents(self) -> dict[str, list[int]]:
        row = {doc_id: number for number, doc_id in enumerate(self.doc_ids)}
        found: dict[str, list[int]] = defaultdict(list)
        for item, doc_id in self._answers:
            found[item].append(row[doc_id])
        return found

    def translations(self, text: str) -> dict[str, str]:
        """Return {language: text} of a question of the dataset; nothing of any other.

        Example:
            >>> rows = [("i", "en", "Where?"), ("i", "sw", "Wapi?")]
            >>> queries = pl.DataFrame(rows, ["item_id", "lang", "text"], orient="row")
            >>> Pool(Dataset("faq", queries, pl.DataFrame(), pl.DataFrame())).translations(" Wapi?")
            {'en': 'Where?', 'sw': 'Wapi?'}
        """
        found = self._questions.get(text.strip())
        return dict(sorted(self._wordings[found].items())) if found is not None else {}

    def examples(self, count: int) -> list[dict[str, str]]:
        """Return questions of the dataset, evenly spread over its items."""
        items = sorted(self._wordings)
        chosen = items[:: max(1, len(items) // max(1, count))][:count]
        return [{"lang": lang, "text": text} for lang, text in map(self._first, chosen)]

    def _first(self, item: str) -> tuple[str, str]:
        wordings = self._wordings[item]
        lang = "en" if "en" in wordings else min(wordings)
        return lang, wordings[lang]

    @cached_property
    def _questions(self) -> dict[str, str]:
        rows = self.dataset.queries.select("text", "item_id").iter_rows()
        return {text.strip(): item for text, item in rows}

    @cached_property
    def _wordings(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = defaultdict(dict)
        rows = self.dataset.queries.select("item_id", "lang", "text").iter_rows()
        for item, lang, text in rows:
            found[item].setdefault(lang, text)
        return found
