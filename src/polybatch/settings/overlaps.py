"""Whether two datasets can hold the same questions or documents, by params alone."""

from __future__ import annotations

from typing import NamedTuple

from polybatch.settings.data import DatasetSettings


class SameData(NamedTuple):
    """Sources of which any two hold the same texts, and which texts these are."""

    sources: tuple[str, ...]
    what: str


SAME_DATA = (
    SameData(("xquad", "xquad-r"), "XQuAD's questions and paragraphs"),
    SameData(("mlqa", "mlqa-r"), "MLQA's questions and paragraphs"),
    SameData(("belebele", "sib200"), "FLORES sentences: 905 of 1,004 stand inside the passages"),
    SameData(("miracl", "tydiqa"), "TyDi QA's questions, which MIRACL judged again"),
)
"""Trained or adapted on one, nothing is measured on another. Every new source that has texts of
another gets a line here: settings, docs/sources.md and tests read only this table.
"""

DISTRACTORS = "distractors"
"""A split that holds documents of all other splits of its source."""


def same_data(source: str) -> dict[str, str]:
    """Return the other sources that hold texts of this one, and which texts these are.

    Example:
        >>> same_data("xquad")
        {'xquad-r': "XQuAD's questions and paragraphs"}
    """
    rows = [row for row in SAME_DATA if source in row.sources]
    return {other: row.what for row in rows for other in row.sources if other != source}


def overlap(one: DatasetSettings, other: DatasetSettings) -> str:
    """Return what two datasets may share; '' where they share nothing.

    They do where they come from one source, or from two that hold the same texts, unless they take
    different splits of it, or the two parts of the same split by group: with the same share,
    languages and splits, in whichever order.

    Example:
        >>> from dataclasses import replace
        >>> train = DatasetSettings("mlqa", "train", ("sw",), ("test",), "train", 0.2)
        >>> heldout = replace(train, use="evaluate", part="heldout")
        >>> overlap(train, heldout), overlap(train, replace(heldout, source="mlqa-r"))
        ('', "MLQA's questions and paragraphs")
    """
    if one.source == other.source:
        return "" if _apart(one, other) else f"texts of {one.source}"
    return same_data(one.source).get(other.source, "")


def _apart(one: DatasetSettings, other: DatasetSettings) -> bool:
    splits = set(one.splits), set(other.splits)
    if not splits[0] & splits[1] and DISTRACTORS not in splits[0] | splits[1]:
        return True
    alike = one.heldout_share == other.heldout_share and splits[0] == splits[1]
    alike = alike and set(one.languages) == set(other.languages)
    return alike and {one.part, other.part} == {"train", "heldout"}
