"""The order in which rows of a pool are used: shuffled, without replacement, none left out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar

from polybatch.batches.pairs import Int64
from polybatch.core.randomness import stream

Key = TypeVar("Key", bound=Hashable)


class Queue:
    """Rows of a pool (items, texts), shuffled anew whenever all were used.

    `names`: of the random streams (`streams.stream`). `deferred`: how often a row had to wait.

    Example:
        >>> import numpy as np
        >>> queue = Queue(np.arange(4), (0, "toy"))
        >>> sorted(queue.take(lambda row: True) for _ in range(4))
        [0, 1, 2, 3]
    """

    def __init__(self, pool: Int64, names: tuple[object, ...]) -> None:
        self.pool, self.names, self.deferred = pool, names, 0
        self._epoch, self._at, self._order = 0, 0, self._shuffled(0)
        self._waiting: list[int] = []

    def take(self, may_join: Callable[[int], bool]) -> int | None:
        """Return the first row that may join a batch, or None where none of the pool may.

        Rows that may not are the first to be tried next time, each waiting once only.
        """
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
        """Yield those that wait, then new ones until the whole pool was tried."""
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


def take_at(
    place: int,
    order: list[Key],
    queue_of: Callable[[Key], Queue],
    may_join: Callable[[int], bool],
    movable: bool,
) -> int | None:
    """Return the row for a place of `order`, or None where no row may join.

    `order`: whose turn it is at each place. `movable`: who has no row that may join changes
    places with the next other one that has, in `order` itself.

    Example:
        >>> import numpy as np
        >>> queues = {"en": Queue(np.array([1]), ("en",)), "sw": Queue(np.array([2]), ("sw",))}
        >>> order = ["en", "sw"]
        >>> take_at(0, order, queues.__getitem__, lambda row: row == 2, movable=True), order
        (2, ['sw', 'en'])
    """
    row = queue_of(order[place]).take(may_join)
    if row is not None or not movable:
        return row
    tried = {order[place]}
    for later in range(place + 1, len(order)):
        if order[later] in tried:
            continue
        tried.add(order[later])
        row = queue_of(order[later]).take(may_join)
        if row is not None:
            order[place], order[later] = order[later], order[place]
            return row
    return None
