"""What the numbers say, in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

_LONG = {"mono": "monolingual", "cross": "cross-lingual", "multi": "multilingual"}


def headlines(
    sure: pl.DataFrame,
    measure: str,
    focus: str,
    baseline: str,
    noisy: Iterable[tuple[str, ...]] = (),
) -> list[str]:
    """Return a sentence a dataset: what `focus` gains and loses against `baseline`.

    `sure`: significance.SIGNIFICANCE. A difference whose interval holds 0 is said not to be
    told from none; `noisy` holds (strategy, dataset, setting) whose difference is below seed noise.

    Example:
        >>> rows = [("mono", -0.026, -0.032, -0.019), ("cross", 0.037, 0.033, 0.042)]
        >>> names = ("setting", "difference", "difference_low", "difference_high")
        >>> sure = pl.DataFrame(rows, names, orient="row").with_columns(
        ...     dataset=pl.lit("d"), measure=pl.lit("AP"), kind=pl.lit("setting"),
        ...     strategy=pl.lit("hybrid"))
        >>> headlines(sure, "AP", "hybrid", "mono")[0][:74]
        'On d, hybrid beats mono by 3.7 points of cross-lingual AP [3.3, 4.2] and l'
    """
    rows = sure.filter(measure=measure, kind="setting", strategy=focus)
    known = set(noisy)
    sentences = []
    for (dataset,), part in rows.group_by("dataset", maintain_order=True):
        told = [
            _Change(row, (focus, str(dataset), row["setting"]) in known)
            for row in part.iter_rows(named=True)
            if row["difference"] is not None
        ]
        if told:
            sentences.append(f"On {dataset}, {_sentence(told, measure, focus, baseline)}.")
    return sentences


class _Change:
    def __init__(self, row: dict[str, Any], noisy: bool) -> None:
        self.points, self.setting, self.noisy = 100 * row["difference"], row["setting"], noisy
        low, high = row["difference_low"], row["difference_high"]
        self.sure = low is not None and (low > 0 or high < 0)
        self.span = "" if low is None else f" [{100 * low:.1f}, {100 * high:.1f}]"

    def told(self, measure: str) -> str:
        """Return how much of what: `3.7 points of cross-lingual AP [3.3, 4.2]`."""
        points = abs(self.points) if self.sure else self.points
        sign = "" if self.sure else "+" if points >= 0 else ""
        noise = ", less than seed noise" if self.noisy else ""
        return (
            f"{sign}{points:.1f} points of {_LONG.get(self.setting, self.setting)} {measure}"
            f"{self.span}{noise}"
        )


def _sentence(changes: list[_Change], measure: str, focus: str, baseline: str) -> str:
    gains = [change.told(measure) for change in changes if change.sure and change.points > 0]
    losses = [change.told(measure) for change in changes if change.sure and change.points < 0]
    even = [change.told(measure) for change in changes if not change.sure]
    parts = []
    if gains:
        parts.append(f"{focus} beats {baseline} by {_joined(gains)}")
    if losses:
        parts.append(
            f"loses {_joined(losses)}"
            if gains
            else f"{focus} loses to {baseline} {_joined(losses)}"
        )
    told = " and ".join(parts)
    if not even:
        return told
    rest = f"it is not to be told from {baseline} by {_joined(even)}"
    return f"{told}; {rest}" if told else rest.replace("it is", f"{focus} is", 1)


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
