"""Markdown that shows what it was given: tables, and text whose marks stay marks."""

from __future__ import annotations

import unicodedata

import polars as pl

_MARKS = r"\`*_{}[]<>#|~&"
_HIDDEN = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")  # among them what turns the reading direction


def markdown(frame: pl.DataFrame) -> str:
    """Return a table whose cells are Markdown already; the first column left, the rest right.

    Example:
        >>> print(markdown(pl.DataFrame({"strategy": ["mono"], "AP": ["50.0"]})))
        | strategy | AP |
        |:---|---:|
        | mono | 50.0 |
    """
    marks = ["---:"] * frame.width
    marks[0] = ":---"
    rows = [frame.columns, *frame.rows()]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], f"|{'|'.join(marks)}|", *lines[1:]])


def escape(text: str) -> str:
    r"""Return text that Markdown shows as it is, on one line.

    Example:
        >>> print(escape("a|b_c"))
        a\|b\_c
    """
    return "".join(f"\\{mark}" if mark in _MARKS else mark for mark in " ".join(text.split()))


def excerpt(text: str, longest: int = 90) -> str:
    r"""Return the beginning of a text as Markdown shows it, with hidden characters made visible.

    Marks of reading direction are hidden characters: unseen, they would reorder the page.

    Example:
        >>> print(excerpt("a\u202e<b>"))
        a‹U+202E›\<b\>
    """
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return escape("".join(_visible(mark) for mark in cut))


def _visible(mark: str) -> str:
    if mark in "\t\n\r" or unicodedata.category(mark) not in _HIDDEN:
        return mark
    return f"‹U+{ord(mark):04X}›"


MISSING = "–"


def number(value: float | None, sign: bool = False) -> str:
    """Return a score in percent, or a difference in points, with one decimal: the only such format.

    Example:
        >>> number(0.46049), number(0.0123, sign=True), number(-0.0001, sign=True), number(None)
        ('46.0', '+1.2', '+0.0', '–')
    """
    if value is None:
        return MISSING
    rounded = round(100 * value, 1) + 0.0  # no "-0.0"
    return f"{rounded:+.1f}" if sign else f"{rounded:.1f}"


def span(low: float | None, high: float | None) -> str:
    """Return an interval in points.

    Example:
        >>> span(-0.001, 0.0123)
        '[-0.1, 1.2]'
    """
    return MISSING if low is None or high is None else f"[{number(low)}, {number(high)}]"


def probability(value: float | None) -> str:
    """Return p with four digits.

    Example:
        >>> probability(0.00012), probability(0.00001)
        ('0.0001', '<0.0001')
    """
    if value is None:
        return MISSING
    return f"{value:.4f}" if value >= 0.00005 else "<0.0001"
