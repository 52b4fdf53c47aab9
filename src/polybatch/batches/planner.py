"""Fills the batches of a plan, in order, from one queue per language pair (or one of all).

Letters: S steps, B pairs a batch.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Literal

import numpy as np

from polybatch.batches.pairs import PairTable
from polybatch.batches.queues import Batch, Queue, take_at
from polybatch.batches.quotas import Shares, apportion
from polybatch.core.errors import InputError
from polybatch.core.languages import LanguagePair
from polybatch.core.randomness import stream
from polybatch.settings.batches import BatchSettings


class Planner:
    """Draws the language pairs of all slots, then the items.

    Random streams are named after the seed and the batch settings but for the number of steps:
    strategies with the same batches have the same plan, and a longer plan begins as a shorter one.
    """

    def __init__(self, pairs: PairTable, name: str, settings: BatchSettings, seed: int) -> None:
        self.pairs, self.name, self.settings = pairs, name, settings
        self.names = (seed, settings.batch_pairs, settings.size_exponent, settings.exposure)
        self.queues: dict[LanguagePair | None, Queue] = {}
        self.draws: dict[LanguagePair, np.random.Generator] = {}

    def order(
        self, shares: Shares, unit: Literal["batch", "slot"], blocks: list[int]
    ) -> list[list[LanguagePair]]:
        """Return the language pairs of all slots, shuffled by unit within each block.

        `blocks`: steps of each block of the longest plan; those beyond `settings.steps` are
        apportioned with the others, and left out.
        """
        size = self.settings.batch_pairs
        units, slots = (1, size) if unit == "batch" else (size, 1)
        chance = stream(*self.names, "quotas")
        drawn = apportion(shares, [steps * units for steps in blocks], chance)
        own = sum(end <= self.settings.steps for end in accumulate(blocks))
        order = []
        for block, counts in enumerate(drawn[:own]):
            every = [pair for pair, n in counts.items() for _ in range(n)]
            shuffled = stream(*self.names, "order", block).permutation(len(every))
            order.append([every[i] for i in shuffled for _ in range(slots)])
        return order

    def fill(
        self, blocks: list[list[LanguagePair]], movable: bool
    ) -> list[tuple[LanguagePair, int, int]]:
        """Return (language pair, item, document row) for each slot of each batch.

        `movable`: a slot whose language pair has no item left for this batch may change places
        with a later slot of another pair in its block.

        Raises:
            InputError: a batch cannot be filled with different items.
        """
        rows, size = [], self.settings.batch_pairs
        for order in blocks:
            for begin in range(0, len(order), size):
                batch = Batch(self._keys)
                for slot in range(begin, begin + size):
                    item = take_at(slot, order, self._queue, batch, movable)
                    if item is None:
                        raise self._cannot_fill(order[slot], slot - begin)
                    rows.append((order[slot], item, self._document(order[slot], item)))
        return rows

    def _keys(self, item: int) -> list[int]:
        """Return what an item has that no other of a batch may have: itself, and what it shares."""
        return [~item, *self.pairs.keys_of(item)]  # those of pairs are not negative

    def _queue(self, pair: LanguagePair) -> Queue:
        key = None if self.settings.exposure == "item" else pair
        queue = self.queues.get(key)
        if queue is None:
            pool = self.pairs.parallel_items() if key is None else self.pairs.pool(key)
            queue = self.queues[key] = Queue(pool, (*self.names, key or "items"))
        return queue

    def _document(self, pair: LanguagePair, item: int) -> int:
        language = self.pairs.languages.index(pair.document)
        first = int(self.pairs.first_document[item, language])
        count = int(self.pairs.document_count[item, language])
        if count == 1:
            return first
        if pair not in self.draws:
            self.draws[pair] = stream(*self.names, pair, "documents")
        return first + int(self.draws[pair].integers(count))

    def _cannot_fill(self, pair: LanguagePair, found: int) -> InputError:
        where, pool = f"language pair {pair}", f"{len(self._queue(pair).pool)} items"
        instead = "add data in these languages, or take a language out of the training datasets"
        if self.settings.exposure == "item":
            where, pool = "batches.exposure 'item'", f"{pool} in every language"
            instead = "write batches.exposure: equal, or add translations"
        return InputError(
            f"strategies.{self.name}, {where}",
            f"{found} pairs that may stand in one batch (of {pool})",
            f"{self.settings.batch_pairs} (batches.batch_pairs)",
            f"Lower batch_pairs, {instead}",
        )
