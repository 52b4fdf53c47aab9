"""Whether two datasets can hold the same questions or documents, told from params alone."""

from __future__ import annotations

import dataclasses

from polybatch.settings.data import SAME_DATA, DatasetSettings


def overlap(one: DatasetSettings, other: DatasetSettings) -> bool:
    """Tell whether two datasets may share data.

    They do where they come from one source, or from two that hold the same questions, unless
    they take different splits of it, or the two parts of the same split by group.
    """
    return _same_source(one.source, other.source) and not _apart(one, other)


def _same_source(one: str, other: str) -> bool:
    return one == other or frozenset({one, other}) in SAME_DATA


def _apart(one: DatasetSettings, other: DatasetSettings) -> bool:
    if one.source != other.source:
        return False
    if not set(one.splits) & set(other.splits):
        return True
    alike = dataclasses.replace(one, use=other.use, part=other.part) == other
    return alike and {one.part, other.part} == {"train", "heldout"}
