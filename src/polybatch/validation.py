"""From a source's rows to a dataset: which part of it, what was kept, what was rejected and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from polybatch.errors import InputError
from polybatch.pairs import normalised
from polybatch.settings import DatasetSettings
from polybatch.sources.base import Parsed
from polybatch.split import split_by_group
from polybatch.tables import Dataset, check_dataset


def build(name: str, settings: DatasetSettings, parsed: Parsed) -> Dataset:
    """Return the part of a source's rows that `settings` asks for, checked.

    Raises InputError when a language asked for ends with no query or no document, or when ids
    repeat, references dangle or texts are empty. Domain text has a corpus only.
    """
    dataset = Dataset(name, parsed.queries, parsed.corpus, parsed.qrels)
    if settings.part != "all":
        train, heldout = split_by_group(dataset, settings.heldout_share, settings.source)
        part = train if settings.part == "train" else heldout
        dataset = Dataset(name, part.queries, part.corpus, part.qrels)
    if settings.use == "text":
        dataset = Dataset(name, dataset.queries.clear(), dataset.corpus, dataset.qrels.clear())
    check_dataset(dataset)
    _check_languages(dataset, settings)
    return dataset


def _check_languages(dataset: Dataset, settings: DatasetSettings) -> None:
    there = set(dataset.queries["lang"]) | set(dataset.corpus["lang"])
    if missing := [lang for lang in settings.languages if lang not in there]:
        raise InputError(
            f"dataset {dataset.name}",
            f"no row in {', '.join(missing)}",
            f"queries or documents in each of {', '.join(settings.languages)}",
            f"Remove the language from datasets.{dataset.name}.languages, or take more splits",
        )


def summarise(dataset: Dataset, settings: DatasetSettings, parsed: Parsed) -> dict[str, Any]:
    """Return counts by language, what was rejected by reason, and the source's notes."""
    return {
        "source": settings.source,
        "use": settings.use,
        "part": settings.part,
        "items": dataset.queries["item_id"].n_unique(),
        "queries": _by_language(dataset.queries),
        "documents": _by_language(dataset.corpus),
        "judgements": dataset.qrels.height,
        "rejected": _counts(parsed.rejected, "reason"),
        "notes": list(parsed.notes),
    }


def shared_texts(datasets: Mapping[str, Dataset], uses: Mapping[str, str]) -> dict[str, int]:
    """Count texts of each evaluation dataset that stand, normalised, in a training dataset.

    A first look at leakage by equal text: queries against queries, documents against documents.
    """
    found = {}
    for name, dataset in datasets.items():
        for other, seen in datasets.items():
            if uses[name] == "evaluate" and uses[other] == "train":
                for what in ("queries", "corpus"):
                    here = getattr(dataset, what).select(normalised("text"))
                    there = getattr(seen, what).select(normalised("text")).unique()
                    found[f"{name} in {other}, {what}"] = here.join(there, on="text").height
    return found


def _by_language(frame: pl.DataFrame) -> dict[str, int]:
    return _counts(frame, "lang")


def _counts(frame: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(sorted(frame[column].value_counts().rows()))
