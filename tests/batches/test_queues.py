"""The order in which rows are used, against a slow obvious version that tries them one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.batches.invariants import check_plan
from polybatch.batches.pairs import Int64
from polybatch.batches.plan import plan_batches
from polybatch.batches.queues import Batch, Queue
from polybatch.core.dataset import CORPUS, QRELS, Dataset
from polybatch.core.randomness import stream
from polybatch.settings.batches import BatchSettings
from tests.helpers.plans import parallel, strategy_of


class Plain:
    """Every row that waits is tried again for every slot."""

    def __init__(self, pool: Int64, names: tuple[object, ...]) -> None:
        self.pool, self.names, self.deferred = pool, names, 0
        self._epoch, self._at, self._order = 0, 0, self._shuffled(0)
        self._waiting: list[int] = []

    def take(self, may_join: Callable[[int], bool]) -> int | None:
        refused: list[int] = []
        found = None
        for row in self._candidates():
            if may_join(row):
                found = row
                break
            refused.append(row)
        self.deferred += len(refused)
        self._waiting = list(dict.fromkeys([*refused, *self._waiting]))
        return found

    def _candidates(self) -> Iterator[int]:
        for row in list(self._waiting):
            self._waiting.remove(row)
            yield row
        for _ in range(len(self.pool)):
            if self._at == len(self._order):
                self._epoch, self._at = self._epoch + 1, 0
                self._order = self._shuffled(self._epoch)
            self._at += 1
            yield int(self._order[self._at - 1])

    def _shuffled(self, epoch: int) -> Int64:
        return stream(*self.names, epoch).permutation(self.pool)


@settings(max_examples=300, deadline=None)
@given(
    keys=st.lists(st.sets(st.integers(0, 5), max_size=3), min_size=1, max_size=14),
    turns=st.lists(st.booleans(), min_size=1, max_size=60),
    size=st.integers(1, 6),
)
def test_rows_come_in_the_order_of_trying_them_one_by_one(
    keys: list[set[int]], turns: list[bool], size: int
) -> None:
    """Two queues fill batches in turns, as two languages do; a row is in both, once in a batch."""
    pools = [np.arange(len(keys)), np.arange(0, len(keys), 2)]
    quick = [Queue(pool, (number,)) for number, pool in enumerate(pools)]
    plain = [Plain(pool, (number,)) for number, pool in enumerate(pools)]
    for begin in range(0, len(turns), size):
        batch, other = (Batch(lambda row: [~row, *keys[row]]) for _ in range(2))
        for turn in turns[begin : begin + size]:
            found = plain[turn].take(lambda row, other=other: other.join(row) is None)
            assert quick[turn].take(batch) == found
            assert quick[turn].deferred == plain[turn].deferred
            assert batch.present == other.present


@pytest.mark.parametrize("kind", ["mono", "x-x", "hybrid"])
def test_a_document_that_most_items_share_costs_seconds(kind: str) -> None:
    """Tried one by one, what waits would take minutes."""
    plain = parallel(20_000, ("de", "en"))
    row = {"doc_id": "hub", "lang": "en", "text": "Ask the support."}
    hub = pl.DataFrame([row | dict.fromkeys(CORPUS.names()[3:])], schema=CORPUS, orient="row")
    items = plain.queries["item_id"].unique(maintain_order=True).head(18_000)
    judged = pl.DataFrame({"item_id": items, "doc_id": "hub", "relevance": 1}, schema=QRELS)
    dataset = Dataset("toy", plain.queries, pl.concat([plain.corpus, hub]),
                      pl.concat([plain.qrels, judged]))  # fmt: skip
    asked = BatchSettings(80, 32, 0.5, match_budget=False, exposure="equal")
    begin = time.process_time()
    table = plan_batches([dataset], kind, strategy_of(kind), asked, 0).table
    assert time.process_time() - begin < 10  # half a second, where nothing else runs
    check_plan(table, [dataset], asked, strategy_of(kind))
    with_hub = table.join(judged, on="item_id", how="semi").group_by("step").len()
    assert with_hub["len"].max() == 1
