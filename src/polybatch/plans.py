"""Batch plans: which pairs meet in which batch, decided wholly before training.

Laws of a plan, for every kind of batch:
1. every batch is full; but for `x-y`, it is of one kind, monolingual or cross-lingual;
2. no item is twice in a batch, and no two items of a batch share a relevant document or a
   normalised text, in any language (`pairs.PairTable`);
3. the number of batches of each kind and language pair is within one batch of the asked share;
4. the same seed gives the same rows, whatever the order of the datasets' rows, and a strategy's
   plan depends on no other strategy.
Within a language pair items come in a shuffled order, without replacement, reshuffled when all
have been used; an item that may not join a batch is the first to be tried for a later one.

Letters: S steps, B pairs a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from polybatch.errors import InputError
from polybatch.languages import LanguagePair
from polybatch.pairs import PairTable, pair_table
from polybatch.settings import BatchSettings, Strategy
from polybatch.streams import stream
from polybatch.tables import Dataset

PLAN = pl.Schema(
    {
        "step": pl.Int64,
        "slot": pl.Int64,
        "dataset": pl.String,
        "item_id": pl.String,
        "query_id": pl.String,
        "doc_id": pl.String,
        "query_lang": pl.String,
        "doc_lang": pl.String,
        "kind": pl.String,
    }
)

Shares = dict[LanguagePair, float]
Counts = Mapping[LanguagePair, int]


@dataclass(frozen=True)
class BatchKind:
    """A row of KINDS. `shares`: of the budget, by language pair, summing to 1 (empty: no batch).

    `unit`: whether a language pair is drawn for a whole batch or for each of its slots.
    """

    shares: Callable[[Counts, float, Strategy], Shares]
    unit: Literal["batch", "slot"]
    meaning: str


@dataclass(frozen=True)
class BatchPlan:
    """A plan (PLAN, sorted by step and slot) and what it holds, for people and for JSON."""

    table: pl.DataFrame
    summary: dict[str, Any]


def _proportional(
    counts: Counts, exponent: float, wanted: Callable[[LanguagePair], bool]
) -> Shares:
    weights = {pair: n**exponent for pair, n in counts.items() if wanted(pair)}
    total = sum(weights.values())
    return {pair: weight / total for pair, weight in sorted(weights.items())}


def _english(counts: Counts, exponent: float, _: Strategy) -> Shares:
    return _proportional(counts, exponent, lambda pair: pair == LanguagePair("en", "en"))


def _monolingual(counts: Counts, exponent: float, _: Strategy) -> Shares:
    return _proportional(counts, exponent, lambda pair: pair.kind == "mono")


def _cross_lingual(counts: Counts, exponent: float, _: Strategy) -> Shares:
    return _proportional(counts, exponent, lambda pair: pair.kind == "cross")


def _independent(counts: Counts, exponent: float, _: Strategy) -> Shares:
    """Query language and document language drawn apart; pairs without items are left out."""
    asked, answered = Counter[str](), Counter[str]()
    for pair, n in counts.items():
        asked[pair.query] += n
        answered[pair.document] += n
    weights = {
        pair: (asked[pair.query] * float(answered[pair.document])) ** exponent
        for pair in sorted(counts)
    }
    total = sum(weights.values())
    return {pair: weight / total for pair, weight in weights.items()}


def _mixed(counts: Counts, exponent: float, strategy: Strategy) -> Shares:
    cross = strategy.cross_ratio or 0.0
    mono_shares = _monolingual(counts, exponent, strategy) if cross < 1 else {}
    cross_shares = _cross_lingual(counts, exponent, strategy) if cross > 0 else {}
    if (cross < 1 and not mono_shares) or (cross > 0 and not cross_shares):
        return {}
    mixed = {pair: share * (1 - cross) for pair, share in mono_shares.items()}
    return mixed | {pair: share * cross for pair, share in cross_shares.items()}


KINDS: dict[str, BatchKind] = {
    "none": BatchKind(lambda *_: {}, "batch", "no batch: the encoder as it is"),
    "en-en": BatchKind(_english, "batch", "English questions and documents"),
    "x-x": BatchKind(_monolingual, "slot", "a pair has one language, a batch has several"),
    "mono": BatchKind(_monolingual, "batch", "one language a batch"),
    "x-y": BatchKind(_independent, "slot", "query and document languages drawn independently"),
    "cross": BatchKind(_cross_lingual, "batch", "one ordered pair of two languages a batch"),
    "hybrid": BatchKind(_mixed, "batch", "a batch is as of cross with cross_ratio, else of mono"),
}


def plan_batches(
    datasets: Sequence[Dataset],
    name: str,
    strategy: Strategy,
    settings: BatchSettings,
    seed: int,
) -> BatchPlan:
    """Return the complete plan of the strategy `name`.

    InputError when the datasets have no pair of a language that the strategy needs, or a language
    pair cannot fill a batch that its share gives it.
    """
    pairs = pair_table(datasets)
    kind = KINDS[strategy.batches]
    shares = kind.shares(pairs.counts(), settings.size_exponent, strategy)
    if strategy.batches == "none":
        return BatchPlan(pl.DataFrame(schema=PLAN), {"steps": 0, "pairs": 0})
    if not shares:
        raise InputError(
            f"strategies.{name}",
            f"no pair of languages for '{strategy.batches}' batches in "
            + ", ".join(dataset.name for dataset in datasets),
            kind.meaning,
            "Add languages to the training datasets, or remove the strategy",
        )
    planner = _Planner(pairs, name, settings, seed)
    units = settings.steps if kind.unit == "batch" else settings.steps * settings.batch_pairs
    order = planner.order(quotas(units, shares))
    if kind.unit == "batch":
        order = [pair for pair in order for _ in range(settings.batch_pairs)]
    rows = planner.fill(order, movable=kind.unit == "slot")
    table = _table(rows, pairs, settings.batch_pairs)
    return BatchPlan(table, _summary(table, shares, settings, kind, planner))


def quotas(units: int, shares: Shares) -> dict[LanguagePair, int]:
    """Divide `units` by largest remainder: first among kinds, then among each kind's pairs.

    Example:
        >>> shares = {LanguagePair("de", "de"): 0.5, LanguagePair("de", "sw"): 0.3,
        ...           LanguagePair("sw", "de"): 0.2}
        >>> {str(pair): n for pair, n in quotas(5, shares).items()}
        {'de>de': 3, 'de>sw': 1, 'sw>de': 1}
    """
    by_kind: dict[str, float] = {"mono": 0.0, "cross": 0.0}
    for pair, share in shares.items():
        by_kind[pair.kind] += share
    divided: dict[LanguagePair, int] = {}
    for kind, total in _largest_remainder(units, by_kind).items():
        part = {pair: share for pair, share in shares.items() if pair.kind == kind}
        if total:
            divided |= _largest_remainder(total, part)
    return divided


def _largest_remainder(units: int, shares: Mapping[Any, float]) -> dict[Any, int]:
    total = sum(shares.values())
    exact = {key: units * share / total for key, share in shares.items()}
    whole = {key: int(value + 1e-9) for key, value in exact.items()}
    left = units - sum(whole.values())
    by_rest = sorted(
        exact, key=lambda key: (whole[key] - exact[key], str(key) == "cross", str(key))
    )
    return {key: n + (key in by_rest[:left]) for key, n in whole.items()}


class _Queue:
    """Items of one language pair in the order they are to be used."""

    def __init__(
        self, pool: np.ndarray[Any, np.dtype[np.int64]], names: tuple[object, ...]
    ) -> None:
        self.pool, self.names, self.epoch, self.at = pool, names, 0, 0
        self.put_off: list[int] = []
        self.draws = stream(*names, "documents")
        self.order = self._shuffled()

    def _shuffled(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        return stream(*self.names, self.epoch).permutation(self.pool)

    def candidates(self) -> Iterator[int]:
        """Yield items to try: those put off first, then new ones, each at most once."""
        for item in list(self.put_off):
            self.put_off.remove(item)
            yield item
        for _ in range(len(self.pool)):
            if self.at == len(self.order):
                self.epoch, self.at = self.epoch + 1, 0
                self.order = self._shuffled()
            self.at += 1
            yield int(self.order[self.at - 1])


class _Batch:
    """What is in a batch so far, and who may join it."""

    def __init__(self, pairs: PairTable) -> None:
        self.pairs, self.items, self.keys = pairs, set[int](), set[int]()

    def join(self, item: int) -> bool:
        """Add the item unless it must not meet one that is there; tell whether it joined."""
        keys = self.pairs.keys_of(item)
        if item in self.items or not self.keys.isdisjoint(keys):
            return False
        self.items.add(item)
        self.keys.update(keys)
        return True


class _Planner:
    """Fills batches in order, keeping one queue a language pair."""

    def __init__(self, pairs: PairTable, name: str, settings: BatchSettings, seed: int) -> None:
        self.pairs, self.name, self.settings = pairs, name, settings
        self.names = (seed, name)
        self.queues: dict[LanguagePair, _Queue] = {}
        self.deferred = 0

    def order(self, counts: Mapping[LanguagePair, int]) -> list[LanguagePair]:
        """Return the language pairs of all units, shuffled."""
        every = [pair for pair, n in sorted(counts.items()) for _ in range(n)]
        return [every[i] for i in stream(*self.names, "order").permutation(len(every))]

    def fill(self, order: list[LanguagePair], movable: bool) -> list[tuple[LanguagePair, int, int]]:
        """Return (language pair, item, document row) for each slot of each batch.

        `movable`: a slot whose language pair has nobody left for this batch may change places
        with a later slot of another pair.
        """
        rows, size = [], self.settings.batch_pairs
        for begin in range(0, len(order), size):
            batch = _Batch(self.pairs)
            for slot in range(begin, begin + size):
                item = self._take(order[slot], batch)
                if item is None and movable:
                    item = self._change_places(order, slot, batch)
                if item is None:
                    raise self._cannot_fill(order[slot], len(batch.items))
                rows.append((order[slot], item, self._document(order[slot], item)))
        return rows

    def _take(self, pair: LanguagePair, batch: _Batch) -> int | None:
        queue = self._queue(pair)
        refused: list[int] = []
        found = None
        for item in queue.candidates():
            if batch.join(item):
                found = item
                break
            refused.append(item)
        self.deferred += len(refused)
        # Whoever was refused goes first next time; in a pool used up, each waits once only.
        queue.put_off = list(dict.fromkeys([*refused, *queue.put_off]))
        return found

    def _change_places(self, order: list[LanguagePair], slot: int, batch: _Batch) -> int | None:
        tried = {order[slot]}
        for later in range(slot + 1, len(order)):
            if order[later] in tried:
                continue
            tried.add(order[later])
            item = self._take(order[later], batch)
            if item is not None:
                order[slot], order[later] = order[later], order[slot]
                return item
        return None

    def _queue(self, pair: LanguagePair) -> _Queue:
        if pair not in self.queues:
            self.queues[pair] = _Queue(self.pairs.pool(pair), (*self.names, pair))
        return self.queues[pair]

    def _document(self, pair: LanguagePair, item: int) -> int:
        language = self.pairs.languages.index(pair.document)
        first = int(self.pairs.first_document[item, language])
        count = int(self.pairs.document_count[item, language])
        return first + (int(self.queues[pair].draws.integers(count)) if count > 1 else 0)

    def _cannot_fill(self, pair: LanguagePair, found: int) -> InputError:
        return InputError(
            f"strategies.{self.name}, language pair {pair}",
            f"{found} pairs that may stand in one batch (of {len(self._queue(pair).pool)} items)",
            f"{self.settings.batch_pairs} (batches.batch_pairs)",
            "Lower batch_pairs, add data in these languages, or take a language out of the"
            " training datasets",
        )


def _table(rows: list[tuple[LanguagePair, int, int]], pairs: PairTable, size: int) -> pl.DataFrame:
    place = {lang: i for i, lang in enumerate(pairs.languages)}
    items = np.array([item for _, item, _ in rows])
    asked = np.array([place[pair.query] for pair, _, _ in rows])
    slots = np.arange(len(rows))
    return pl.DataFrame(
        {
            "step": slots // size,
            "slot": slots % size,
            "dataset": pairs.items["dataset"].gather(items).cast(pl.String),
            "item_id": pairs.items["item_id"].gather(items),
            "query_id": pairs.queries["query_id"].gather(pairs.query_of[items, asked]),
            "doc_id": pairs.documents["doc_id"].gather([document for _, _, document in rows]),
            "query_lang": [pair.query for pair, _, _ in rows],
            "doc_lang": [pair.document for pair, _, _ in rows],
            "kind": [pair.kind for pair, _, _ in rows],
        },
        schema=PLAN,
    )


def _summary(
    table: pl.DataFrame, shares: Shares, settings: BatchSettings, kind: BatchKind, planner: _Planner
) -> dict[str, Any]:
    realised = Counter(
        LanguagePair(*row) for row in table.select("query_lang", "doc_lang").iter_rows()
    )
    return {
        "steps": settings.steps,
        "pairs": table.height,
        "unit": kind.unit,
        "distinct": {
            "pairs": table.select("dataset", "query_id", "doc_id").n_unique(),
            "items": table.select("dataset", "item_id").n_unique(),
            "queries": table.select("dataset", "query_id").n_unique(),
            "documents": table.select("dataset", "doc_id").n_unique(),
        },
        "kinds": dict(sorted(Counter(table["kind"]).items())),
        "deferred": planner.deferred,
        "languages": {
            str(pair): {
                "asked": round(share * table.height, 1),
                "pairs": realised[pair],
                "items": len(planner.pairs.pool(pair)),
            }
            for pair, share in sorted(shares.items())
        },
    }


def plan_texts(table: pl.DataFrame, datasets: Sequence[Dataset]) -> pl.DataFrame:
    """Return step, slot, query_text and doc_text of a plan, in its order."""
    queries, corpus = (
        pl.concat(
            [
                getattr(dataset, name)
                .lazy()
                .select(pl.lit(dataset.name).alias("dataset"), key, pl.col("text").alias(text))
                .join(table.lazy().select("dataset", key).unique(), on=["dataset", key], how="semi")
                for dataset in datasets
            ]
        ).collect()
        for name, key, text in (
            ("queries", "query_id", "query_text"),
            ("corpus", "doc_id", "doc_text"),
        )
    )
    joined = table.join(queries, on=["dataset", "query_id"], how="left", maintain_order="left")
    joined = joined.join(corpus, on=["dataset", "doc_id"], how="left", maintain_order="left")
    return joined.select("step", "slot", "query_text", "doc_text")
