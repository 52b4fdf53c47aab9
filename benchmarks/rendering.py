"""RESULTS.md and the plot of how cost grows, of records alone."""

from __future__ import annotations

import io
import statistics
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

Rounds = Mapping[str, Sequence[Mapping[str, float]]]
OURS = "polybatch"

HEAD = """# Speed and memory

Written by `make bench` from the files in `records`; do not edit. Seconds and peak memory are
medians; a ratio is that of one round, in which every contender ran once, in turns: median, and in
brackets the least and the most. Earlier figures, typed, and those of what has no alternative:
[HISTORY.md](HISTORY.md).
"""
NONE = """
Nothing has been measured since the table is made this way: run `make bench` on an idle machine.
"""


def ratios(rounds: Rounds) -> dict[str, list[float]]:
    """Return, for each other contender, how many times as long it takes as ours, by round."""
    return {
        name: [
            theirs["seconds"] / mine["seconds"]
            for mine, theirs in zip(rounds[OURS], measured, strict=True)
        ]
        for name, measured in rounds.items()
        if name != OURS
    }


def render(records: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the text of RESULTS.md and the plot as SVG; empty if nothing has several sizes."""
    if not records:
        return HEAD + NONE, ""
    lines = [
        "",
        "| what | size | | seconds | peak | ours is faster |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for record in records:
        lines += _rows(record)
    plot = _plot([record for record in records if len(record["measured"]) > 1])
    shown = [
        "",
        "How cost grows (both axes logarithmic; slope 1 is linear):",
        "",
        "![](growth.svg)",
    ]
    lines += [*(shown if plot else []), "", "## Measured on", ""]
    lines += list(dict.fromkeys(_machine(record["machine"]) for record in records))
    return "\n".join([HEAD.rstrip("\n"), *lines]) + "\n", plot


def _rows(record: Mapping[str, Any]) -> list[str]:
    size = max(record["measured"], key=int)
    rounds: Rounds = record["measured"][size]
    found = ratios(rounds)
    lines = []
    for number, name in enumerate([OURS, *found]):
        measured = rounds[name]
        seconds = statistics.median(one["seconds"] for one in measured)
        peak = statistics.median(one["peak_mib"] for one in measured)
        what = (record["title"], f"{int(size):,} {record['unit']}") if number == 0 else ("", "")
        times = _spread(found[name]) if name in found else ""
        lines.append(
            f"| {what[0]} | {what[1]} | {name} | {seconds:.3g} | {peak:,.0f} MiB | {times} |"
        )
    return lines


def _spread(values: Sequence[float]) -> str:
    middle = statistics.median(values)
    return f"{middle:.2f} [{min(values):.2f}, {max(values):.2f}]"


def _machine(at: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in at["versions"].items())
    return (
        f"- {at['date']}, commit {at['commit']}: {at['cores']} cores of {at['processor']}, load"
        f" {at['load']} at the start; {at['system']}; {versions}"
    )


def _plot(records: Sequence[Mapping[str, Any]]) -> str:
    if not records:
        return ""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "polybatch"  # the same records, the same bytes
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator

    figure, axes = plt.subplots(
        1, len(records), figsize=(4.2 * len(records), 3.6), squeeze=False, layout="constrained"
    )
    for record, place in zip(records, axes[0], strict=True):
        sizes = sorted(map(int, record["measured"]))
        for name in sorted(record["measured"][str(sizes[0])], key=lambda name: name != OURS):
            middle = [
                statistics.median(one["seconds"] for one in record["measured"][str(size)][name])
                for size in sizes
            ]
            place.loglog(sizes, middle, marker="o", label=name)
        title = textwrap.fill(record["title"].partition(":")[0].replace("`", ""), 34)
        place.set(title=title, xlabel=record["unit"], ylabel="seconds")
        place.set_xticks(sizes, [f"{size:,}" for size in sizes])
        place.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        place.yaxis.set_major_formatter("{x:g}")
        place.minorticks_off()
        place.legend(fontsize="small")
    written = io.StringIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    plt.close(figure)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"
