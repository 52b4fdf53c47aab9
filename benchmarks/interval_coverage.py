"""How often a 95% interval holds the true mean: items resampled, and queries resampled.

    python benchmarks/interval_coverage.py [--worlds 1000] [--out docs/img/coverage.svg]

Each world has 100 items asked in 8 languages; a query's score is the true mean, plus what its item
adds in every language, plus what it adds alone. The share of variance that comes from the item
runs from 0 to 0.9. Resampling queries takes eight translations for eight questions.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import polars as pl

from polybatch.evaluation.scores import SCORES
from polybatch.statistics.breakdowns import setting_views
from polybatch.statistics.resampling import Resampling
from polybatch.statistics.significance import assess

ITEMS, LANGUAGES, MEAN, SPREAD = 100, 8, 0.5, 0.1
SHARES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)


def world(share: float, number: int) -> np.ndarray:
    """Return scores (items, languages) whose variance comes from the item by `share`."""
    chance = np.random.default_rng([round(1000 * share), number])
    item = chance.standard_normal((ITEMS, 1)) * share**0.5
    alone = chance.standard_normal((ITEMS, LANGUAGES)) * (1 - share) ** 0.5
    return MEAN + SPREAD * (item + alone)


def holds(scores: np.ndarray, clustered: bool, resamples: int) -> bool:
    """Tell whether the interval of the monolingual mean holds the true mean."""
    items, languages = scores.shape
    rows = [
        ("world", "mono", f"l{b}", f"l{b}", f"{a}" if clustered else f"{a}-{b}", "AP", scores[a, b])
        for a in range(items)
        for b in range(languages)
    ]
    frame = pl.DataFrame(rows, SCORES, orient="row")
    found = assess(
        {"only": frame},
        "only",
        lambda lists, _: setting_views(lists),
        Resampling(resamples, 0.95, 0),
    )
    return found["low"][0] <= MEAN <= found["high"][0]


def coverage(share: float, clustered: bool, worlds: int, resamples: int = 400) -> float:
    """Return the share of worlds whose interval holds the true mean."""
    kept = [holds(world(share, n), clustered, resamples) for n in range(worlds)]
    return sum(kept) / worlds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("docs/img/coverage.svg"))
    arguments = parser.parse_args()
    lines = {}
    for name, clustered in (("items resampled", True), ("queries resampled", False)):
        lines[name] = [coverage(share, clustered, arguments.worlds) for share in SHARES]
        sys.stdout.write(f"{name}: {', '.join(f'{100 * value:.1f}%' for value in lines[name])}\n")
    arguments.out.write_text(drawing(lines), encoding="utf-8")


def drawing(lines: dict[str, list[float]]) -> str:
    """Return the plot as SVG: coverage in percent over the item's share of the variance."""

    def place(share: float, value: float) -> tuple[float, float]:
        return 60 + 480 * share / 0.9, 40 + 260 * (1 - value)

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 360" font-family="sans-serif"'
        ' font-size="13">',
        "<title>Coverage of 95% intervals, clustered by item and not</title>",
        '<rect width="680" height="360" fill="#fff"/>',
    ]
    for value in (0.0, 0.25, 0.5, 0.75, 0.95, 1.0):
        x, y = place(0, value)
        dash = ' stroke-dasharray="4 3"' if value == 0.95 else ""
        colour = "#444" if value == 0.95 else "#ddd"
        parts.append(f'<path d="M{x} {y:.1f}h480" stroke="{colour}"{dash}/>')
        if value != 1.0:
            parts.append(f'<text x="52" y="{y + 4:.1f}" text-anchor="end">{value:.0%}</text>')
    for share in SHARES:
        x, y = place(share, 0)
        parts.append(f'<text x="{x:.1f}" y="{y + 20:.1f}" text-anchor="middle">{share}</text>')
    parts.append(
        '<text x="300" y="345" text-anchor="middle">share of the variance that an item has in'
        " common in all languages</text>"
    )
    for (name, values), colour in zip(lines.items(), ("#0072b2", "#d55e00"), strict=True):
        points = [place(share, value) for share, value in zip(SHARES, values, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in points]
        x, y = points[-1]
        parts.append(f'<text x="{x + 10:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
