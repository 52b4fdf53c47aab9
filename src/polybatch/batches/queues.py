"""The order in which rows of a pool are used: shuffled, without replacement, none left out."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from polybatch.batches.pairs import Int64
from polybatch.core.randomness import stream

Key = TypeVar("Key", bound=Hashable)


class Batch:
    """What rows of a batch have, and no two of them may have in common.

    Example:
        >>> batch = Batch(lambda row: [row % 10])
        >>> [batch.join(row) for row in (3, 4, 13)]  # 13 has what 3 has
        [None, None, 3]
    """

    def __init__(self, keys_of: Callable[[int], Iterable[Hashable]]) -> None:
        self.keys_of, self.present = keys_of, set[Hashable]()

    def join(self, row: int) -> Hashable | None:
        """Add a row and return None; or return the first of its keys that is there already."""
        keys = list(self.keys_of(row))
        for key in keys:
            if key in self.present:
                return key
        self.present.update(keys)
        return None


class Queue:
    """Rows of a pool (items, texts), shuffled anew whenever all were used.

    `names`: of the random streams (`streams.stream`). `deferred`: how often a row had to wait.

    Example:
        >>> import numpy as np
        >>> queue = Queue(np.arange(4), (0, "toy"))
        >>> sorted(queue.take(Batch(lambda row: [])) for _ in range(4))
        [0, 1, 2, 3]
    """

    def __init__(self, pool: Int64, names: tuple[object, ...]) -> None:
        self.pool, self.names, self.deferred = pool, names, 0
        self._epoch, self._at, self._order = 0, 0, self._shuffled(0)
        self._waiting = _Waiting()

    def take(self, batch: Batch) -> int | None:
        """Return the first row that joins a batch, or None where none of the pool may.

        Rows that may not are the first to be tried next time, each waiting once only.
        """
        before, found = self._waiting.take(batch)
        self.deferred += before
        if found is not None:
            return found
        for _ in range(len(self.pool)):
            row = self._next()
            key = batch.join(row)
            if key is None:
                return row
            self.deferred += 1
            self._waiting.add(row, key)
        return None

    def _next(self) -> int:
        if self._at == len(self._order):
            self._epoch, self._at = self._epoch + 1, 0
            self._order = self._shuffled(self._epoch)
        self._at += 1
        return int(self._order[self._at - 1])

    def _shuffled(self, epoch: int) -> Int64:
        return stream(*self.names, epoch).permutation(self.pool)


class _Waiting:
    """Rows that wait, in the order in which they came, each with the key that kept it out.

    All that one key keeps out are passed over together while a batch has it: a document that most
    items share would else make each slot try them all.
    """

    def __init__(self) -> None:
        self._tickets: list[int] = []
        self._rows = set[int]()
        self._kept_out: dict[Hashable, list[tuple[int, int]]] = {}  # heaps of (ticket, row)
        self._last = 0

    def add(self, row: int, key: Hashable) -> None:
        """Let a row wait behind all others, unless it waits already."""
        if row not in self._rows:
            self._last += 1
            self._rows.add(row)
            self._tickets.append(self._last)
            self._kept_out.setdefault(key, []).append((self._last, row))

    def take(self, batch: Batch) -> tuple[int, int | None]:
        """Return how many rows before the first that joins the batch do not, and that row."""
        while True:
            free = [
                (heap[0], key) for key, heap in self._kept_out.items() if key not in batch.present
            ]
            if not free:
                return len(self._tickets), None
            (ticket, row), key = min(free, key=lambda each: each[0])
            heapq.heappop(self._kept_out[key])
            if not self._kept_out[key]:
                del self._kept_out[key]
            other = batch.join(row)
            if other is None:
                place = bisect_left(self._tickets, ticket)
                del self._tickets[place]
                self._rows.remove(row)
                return place, row
            heapq.heappush(self._kept_out.setdefault(other, []), (ticket, row))


def take_at(
    place: int,
    order: list[Key],
    queue_of: Callable[[Key], Queue],
    batch: Batch,
    movable: bool,
) -> int | None:
    """Return the row for a place of `order`, or None where no row may join the batch.

    `order`: whose turn it is at each place. `movable`: who has no row that may join changes
    places with the next other one that has, in `order` itself.

    Example:
        >>> import numpy as np
        >>> queues = {"en": Queue(np.array([1]), ("en",)), "sw": Queue(np.array([2]), ("sw",))}
        >>> order, batch = ["en", "sw"], Batch(lambda row: [row])
        >>> batch.join(1)  # which leaves nothing for en
        >>> take_at(0, order, queues.__getitem__, batch, movable=True), order
        (2, ['sw', 'en'])
    """
    row = queue_of(order[place]).take(batch)
    if row is not None or not movable:
        return row
    tried = {order[place]}
    for later in range(place + 1, len(order)):
        if order[later] in tried:
            continue
        tried.add(order[later])
        row = queue_of(order[later]).take(batch)
        if row is not None:
            order[place], order[later] = order[later], order[place]
            return row
    return None
