"""From a source's rows to a dataset: which part of it, what was kept, what was rejected and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from polybatch.errors import InputError
from polybatch.pairs import normalised
from polybatch.settings import DatasetSettings, ValidationSettings
from polybatch.sources.base import Parsed
from polybatch.split import split_by_group
from polybatch.tables import Dataset, check_dataset


def build(name: str, settings: DatasetSettings, parsed: Parsed) -> Dataset:
    """Return the part of a source's rows that `settings` asks for, checked.

    Raises InputError when a language asked for ends with no query or no document, or when ids
    repeat, references dangle or texts are empty; `part_of` and `polybatch.quality.quarantine` keep
    such rows apart instead. Domain text has a corpus only.
    """
    dataset = part_of(name, settings, parsed)
    check_dataset(dataset)
    check_languages(dataset, settings)
    return dataset


def part_of(name: str, settings: DatasetSettings, parsed: Parsed) -> Dataset:
    """Return the part of a source's rows that `settings` asks for; of domain text the corpus."""
    dataset = Dataset(name, parsed.queries, parsed.corpus, parsed.qrels)
    if settings.part != "all":
        train, heldout = split_by_group(dataset, settings.heldout_share, settings.source)
        dataset = train if settings.part == "train" else heldout
    if settings.use == "text":
        return Dataset(name, dataset.queries.clear(), dataset.corpus, dataset.qrels.clear())
    return dataset


def check_languages(dataset: Dataset, settings: DatasetSettings) -> None:
    """Raise InputError when a language asked for has neither a query nor a document."""
    there = set(dataset.queries["lang"]) | set(dataset.corpus["lang"])
    if missing := [lang for lang in settings.languages if lang not in there]:
        raise InputError(
            f"dataset {dataset.name}",
            f"no row in {', '.join(missing)}",
            f"queries or documents in each of {', '.join(settings.languages)}",
            f"Remove the language from datasets.{dataset.name}.languages, or take more splits",
        )


def summarise(dataset: Dataset, settings: DatasetSettings, parsed: Parsed) -> dict[str, Any]:
    """Return counts by language, what was rejected by reason, and the source's notes.

    `rows`: what became of the rows of each file that was read (`polybatch.tables.TALLY`).
    """
    return {
        "source": settings.source,
        "use": settings.use,
        "part": settings.part,
        "items": dataset.queries["item_id"].n_unique(),
        "queries": _by_language(dataset.queries),
        "documents": _by_language(dataset.corpus),
        "judgements": dataset.qrels.height,
        "rejected": _counts(parsed.rejected, "reason"),
        "rows": parsed.tally.to_dicts(),
        "notes": list(parsed.notes),
    }


def rows_read(tally: pl.DataFrame) -> str:
    """Return the sum of a source's rows in words.

    Example:
        >>> from polybatch.tables import TALLY
        >>> rows_read(pl.DataFrame([("a", 5, 3, 1, 1), ("b", 2, 2, 0, 0)], TALLY, orient="row"))
        '7 rows read = 5 kept + 1 merged + 1 rejected'
    """
    if tally.is_empty():
        return "rows read are not counted by this source"
    read, kept, merged, rejected = tally.select(pl.exclude("file").sum()).row(0)
    return f"{read:,} rows read = {kept:,} kept + {merged:,} merged + {rejected:,} rejected"


def shared_texts(datasets: Mapping[str, Dataset], uses: Mapping[str, str]) -> dict[str, int]:
    """Count texts of each evaluation dataset that stand, normalised, in a training dataset.

    Of the datasets as they are written, so zero where leaks were removed: queries against queries,
    documents against documents. `polybatch.leakage` looks closer.
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


def refuse_leaks(name: str, found: pl.DataFrame, settings: ValidationSettings) -> list[InputError]:
    """Return the error that leaking texts are, where params say that they are one.

    `found`: polybatch.leakage.LEAKS.
    """
    if settings.leakage != "fail" or found.is_empty():
        return []
    first = found.row(0, named=True)
    return [
        InputError(
            f"dataset {name}",
            f"{found.height} training texts that stand in an evaluation dataset (first: "
            f"{first['id']} as {first['evaluation_id']} of {first['evaluation']})",
            "none (validation.leakage: fail)",
            "Remove them, or set leakage: remove",
        )
    ]


def _by_language(frame: pl.DataFrame) -> dict[str, int]:
    return _counts(frame, "lang")


def _counts(frame: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(sorted(frame[column].value_counts().rows()))
