"""When two texts count as the same one."""

from __future__ import annotations

import polars as pl


def normalised(column: str) -> pl.Expr:
    """Return the text of a column in NFKC and lower case, punctuation and spaces made one space.

    Example:
        >>> frame = pl.DataFrame({"t": ["Où  est-il ?", "ＯÙ EST IL"]})
        >>> frame.select(normalised("t"))["t"].to_list()
        ['où est il', 'où est il']
    """
    text = pl.col(column).str.normalize("NFKC").str.to_lowercase()
    return text.str.replace_all(r"[\p{P}\p{Z}\p{C}\s]+", " ").str.strip_chars()
