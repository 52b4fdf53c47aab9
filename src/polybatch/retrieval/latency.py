"""How long one question takes, asked by itself, on the machine that is there."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Asked = TypeVar("Asked")
FOUND = 10
"""Documents that a question is answered with where its time is measured."""

_MOST, _SECONDS = 50, 0.5


def median_milliseconds(ask: Callable[[Asked], object], questions: Sequence[Asked]) -> float | None:
    """Return the median time of asking one question; None without any.

    At most 50 of them, evenly spread, and no more than half a second; the first one warms up.

    Example:
        >>> 0 <= median_milliseconds(len, ["who", "when"]) < 100, median_milliseconds(len, [])
        (True, None)
        >>> asked = []
        >>> _ = median_milliseconds(asked.append, range(99))
        >>> len(asked), asked[:4], asked[-1]  # the first one twice
        (51, [0, 0, 1, 3], 97)
    """
    count = min(_MOST, len(questions))
    chosen = [questions[number * len(questions) // count] for number in range(count)]
    if not chosen:
        return None
    ask(chosen[0])
    taken: list[float] = []
    for question in chosen:
        begun = time.perf_counter()
        ask(question)
        taken.append(1000 * (time.perf_counter() - begun))
        if sum(taken) > 1000 * _SECONDS:
            break
    return round(statistics.median(taken), 3)
