"""Batch plans: which pairs share a training batch, all decided before training.

Laws of a plan, for every kind of batch:
1. every batch is full; but for `x-y`, it is of one kind, monolingual or cross-lingual;
2. no item is twice in a batch, from one dataset or from two, and no two items of a batch share a
   relevant document or a normalised text, in any language (`pairs.PairTable`);
3. the number of batches of each kind, language pair, query language and document language is
   within one batch of its share (`quotas.apportion` says which sums exactly), so every
   language whose share is at least one batch takes part; its expectation over seeds is that share;
4. the same seed gives the same rows, whatever the order of the datasets' rows, and a strategy's
   plan depends on no other strategy and not on its own name: equal batch settings, equal plan;
5. where budgets differ, a shorter plan is the first steps of the longer one.
Within a language pair items come in a shuffled order, without replacement, reshuffled when all
have been used; an item that may not join a batch is the first to be tried for a later one.

Letters: S steps, B pairs a batch.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from polybatch.batches.pairs import PairTable, pair_table
from polybatch.batches.planner import Planner
from polybatch.batches.quotas import Shares, blocks_of
from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.languages import LanguagePair
from polybatch.settings.batches import BatchSettings
from polybatch.settings.strategies import Strategy

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
    of_query, of_document = Counter[str](), Counter[str]()
    for pair, n in counts.items():
        of_query[pair.query] += n
        of_document[pair.document] += n
    weights = {
        pair: (of_query[pair.query] * float(of_document[pair.document])) ** exponent
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


def shares_of(counts: Counts, strategy: Strategy, settings: BatchSettings) -> Shares:
    """Return {language pair: share of a strategy's pairs}, summing to 1; empty: no batch.

    `counts`: pairs there are. But for `exposure: pairs`, the numbers of pairs do not count,
    and within each kind every language has equally many queries.

    Example:
        >>> counts = {LanguagePair("en", "en"): 9, LanguagePair("sw", "sw"): 4}
        >>> strategy, settings = Strategy("base", "mono"), BatchSettings(8, 4, 0.5, False, "pairs")
        >>> found = shares_of(counts, strategy, settings)  # as 9 ** 0.5 to 4 ** 0.5
        >>> {str(pair): share for pair, share in found.items()}
        {'en>en': 0.6, 'sw>sw': 0.4}
    """
    kind = KINDS[strategy.batches]
    if settings.exposure == "pairs":
        return kind.shares(counts, settings.size_exponent, strategy)
    shares = kind.shares(dict.fromkeys(counts, 1), 0.0, strategy)
    of_kind, of_query = defaultdict[str, float](float), defaultdict[tuple[str, str], float](float)
    for pair, share in shares.items():
        of_kind[pair.kind] += share
        of_query[pair.kind, pair.query] += share
    languages = Counter(kind for kind, _ in of_query)
    return {
        pair: share / of_query[pair.kind, pair.query] * of_kind[pair.kind] / languages[pair.kind]
        for pair, share in shares.items()
    }


def plan_batches(
    datasets: Sequence[Dataset],
    name: str,
    strategy: Strategy,
    settings: BatchSettings,
    seed: int,
    budgets: Sequence[int] = (),
) -> BatchPlan:
    """Return the complete plan of the strategy `name`, a name that only messages use.

    `budgets`: steps of the study's strategies (`quotas.blocks_of`); the plan is the first
    `settings.steps` steps of the one for the longest. InputError when the datasets
    have no pair of a language that the strategy needs, or a language pair cannot fill a batch
    that its share gives it.
    """
    pairs = pair_table(datasets)
    kind = KINDS[strategy.batches]
    if strategy.batches == "none":
        return BatchPlan(pl.DataFrame(schema=PLAN), {"steps": 0, "pairs": 0})
    shares = shares_of(pairs.counts(), strategy, settings)
    if not shares:
        raise InputError(
            f"strategies.{name}",
            f"no pair of languages for '{strategy.batches}' batches in "
            + ", ".join(dataset.name for dataset in datasets),
            f"{kind.meaning}; a pair is of one dataset",
            "Give one training dataset the languages, or remove the strategy",
        )
    planner = Planner(pairs, name, settings, seed)
    order = planner.order(shares, kind.unit, blocks_of(settings.steps, budgets))
    rows = planner.fill(order, movable=kind.unit == "slot")
    table = _table(rows, pairs, settings.batch_pairs)
    return BatchPlan(table, _summary(table, shares, settings, kind, planner))


def _table(rows: list[tuple[LanguagePair, int, int]], pairs: PairTable, size: int) -> pl.DataFrame:
    place = {lang: i for i, lang in enumerate(pairs.languages)}
    items = np.array([item for _, item, _ in rows])
    columns = np.array([place[pair.query] for pair, _, _ in rows])
    slots = np.arange(len(rows))
    return pl.DataFrame(
        {
            "step": slots // size,
            "slot": slots % size,
            "dataset": pairs.items["dataset"].gather(items).cast(pl.String),
            "item_id": pairs.items["item_id"].gather(items),
            "query_id": pairs.queries["query_id"].gather(pairs.query_of[items, columns]),
            "doc_id": pairs.documents["doc_id"].gather([document for _, _, document in rows]),
            "query_lang": [pair.query for pair, _, _ in rows],
            "doc_lang": [pair.document for pair, _, _ in rows],
            "kind": [pair.kind for pair, _, _ in rows],
        },
        schema=PLAN,
    )


def _summary(
    table: pl.DataFrame, shares: Shares, settings: BatchSettings, kind: BatchKind, planner: Planner
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
        "language_pairs": {
            "requested": len(shares),
            "drawn": len(realised),
            "never_drawn": len(shares) - len(realised),
        },
        "deferred": sum(queue.deferred for queue in planner.queues.values()),
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
    """Return step, slot, query_text and doc_text of a plan, in its order.

    Example:
        >>> queries = pl.DataFrame({"query_id": ["q"], "text": ["Who?"]})
        >>> corpus = pl.DataFrame({"doc_id": ["a"], "text": ["Poe."]})
        >>> table = pl.DataFrame({"step": [0], "slot": 0, "dataset": "toy", "query_id": "q",
        ...                       "doc_id": "a"})
        >>> plan_texts(table, [Dataset("toy", queries, corpus, pl.DataFrame())]).rows()
        [(0, 0, 'Who?', 'Poe.')]
    """
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
