"""What a file of rows is, once it is opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Record = tuple[int, dict[str, Any]]
"""Row (the line it begins on, from 1) and fields."""


@dataclass(frozen=True)
class Broken:
    """A row that has no fields: why, and what it says."""

    row: int
    reason: str
    text: str


@dataclass(frozen=True)
class RowFile:
    """A file's rows. `columns`: the names of its header; None for JSONL, which has none.

    `notes`: how the file was read where that is not plain.
    """

    columns: tuple[str, ...] | None
    rows: Iterator[Record | Broken]
    notes: tuple[str, ...] = ()
