"""Samples that do not depend on order, files or other languages: by a hash of each name."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable


def drawn(names: Iterable[str], count: int, stream: str) -> set[str]:
    """Return `count` of the names (all, if fewer): those whose SHA-256 with `stream` is smallest.

    Holds `count` names however many there are; a larger count keeps those of a smaller one.

    Example:
        >>> few = drawn(map(str, range(100)), 3, "en")
        >>> len(few), few < drawn(map(str, reversed(range(100))), 5, "en")
        (3, True)
    """
    keyed = ((hashlib.sha256(f"{stream}/{name}".encode()).digest(), name) for name in names)
    return {name for _, name in heapq.nsmallest(count, keyed)}
