"""Keys of params.yaml that other versions wrote elsewhere or not at all, for `polybatch upgrade`.

A key that moves, or that every study has to have from now on, gets a row here in the same commit.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from polybatch.settings.data import NO_FOLDER

MOVED: dict[str, str] = {
    "evaluation.resamples": "statistics.resamples",
    "evaluation.confidence": "statistics.confidence",
}
"""Where a key was, and where it is now; the last part may have another name."""


@dataclass(frozen=True)
class Added:
    """A key that is required since, with the value (as YAML) by which all stays as it was."""

    value: str
    comment: str


ADDED = {
    "sources.*.folder": Added(NO_FOLDER, "none of mine"),
    "encoder.folder": Added(NO_FOLDER, "where the files of an encoder of your own are: as name"),
    "encoder.precision": Added("fp32", "of the products when texts are encoded; or bf16"),
    "training.grouped_texts": Added("0", "texts of like length encoded together; 0: the batch"),
    "statistics.contrasts": Added("[]", "no claim: write `- hybrid - mono` below it for one"),
    "statistics.smallest_difference": Added("0.5", "points; less does not matter"),
    "merges": Added("{}", "means of two strategies' weights"),
    "centred": Added("{}", "vectors without their means"),
    "lexical": Added("{}", "BM25"),
    "fusions": Added("{}", "two rankings as one"),
    "external": Added("{}", "results of other programs"),
    "validation.contained": Added("0.8", "shingles (8 characters) of a text inside another"),
    "validation.contained_characters": Added("100000", "no text is so long; 30 finds them"),
    "batches.exposure": Added("pairs", "as version 0.1 drew languages; or equal, item"),
}
"""By key; `*` stands for every row of a section."""

FIRST = frozenset(
    ("study", "sources", "datasets", "validation", "encoder", "batches", "training", "evaluation")
)
"""Sections that every study had from the beginning: a file without one of them is a preset."""


def upgrade_hint(key: str) -> str:
    """Return how a key that every study has to have is added, empty where that takes a person.

    Example:
        >>> upgrade_hint("sources.cldr.folder"), upgrade_hint("batches.steps")
        (', or run `polybatch upgrade`', '')
    """
    return ", or run `polybatch upgrade`" if any(fnmatchcase(key, form) for form in ADDED) else ""
