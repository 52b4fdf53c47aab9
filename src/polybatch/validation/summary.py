"""results/validation.json: what validation says of each dataset, for later stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polybatch.core.json_files import read_json


@dataclass(frozen=True)
class DatasetSummary:
    """What results/validation.json holds of a dataset.

    `queries`, `documents`: how many a language; `rejected`: how many a reason; `rows`: what became
    of each file's rows (`dataset.TALLY`). `merged`: documents, and judgements, that became one with
    others: no rejected rows. `brought_to_nfc`: texts; `leaks`: training texts that stand in an
    evaluation dataset, `leaks_by_match`: how they do; `holds`: whether every expectation does.
    """

    source: str
    use: str
    part: str
    items: int
    queries: Mapping[str, int]
    documents: Mapping[str, int]
    judgements: int
    merged: int
    rejected: Mapping[str, int]
    rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    brought_to_nfc: int
    profile: Mapping[str, Any]
    leaks: int
    leaks_by_match: Mapping[str, int]
    holds: bool


def read_summaries(path: Path) -> dict[str, DatasetSummary]:
    """Return what results/validation.json holds of each dataset, by name."""
    found = read_json(path)["datasets"]
    return {name: DatasetSummary(**values) for name, values in found.items()}
