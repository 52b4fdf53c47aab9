"""Turn data/raw into data/valid/<dataset>/{queries,corpus,qrels,rejected}.parquet.

results/validation.md and .json, and results/expectations, say what the data are; they are written
also when the stage fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from polybatch.config import Config
from polybatch.errors import InputError, InputErrorList
from polybatch.expectations import Result, broken, hold, index
from polybatch.files import whole_folder, write_json, write_text
from polybatch.leakage import LEAKS, leaks, without
from polybatch.profile import profile
from polybatch.quality import quarantine, refuse_losses
from polybatch.report import Outcome, validation_report
from polybatch.sources import source_of
from polybatch.sources.base import Parsed
from polybatch.tables import Dataset, check_dataset, write_dataset, write_table
from polybatch.validation import (
    check_languages,
    part_of,
    refuse_leaks,
    rows_read,
    shared_texts,
    summarise,
)
from stages.common import RAW, RESULTS, VALID, log, run

Docs = dict[str, dict[str, tuple[Result, str]]]


def validate(config: Config, _: str) -> str:
    """Build every dataset of the study, hold it against the expectations, return their number."""
    parsed, read = {}, {}
    for name in config.datasets:
        parsed[name], read[name] = _read(config, name)
    outcomes, docs = {}, {}  # each dataset's rows leave `read` when they are checked
    for name in config.datasets:
        outcomes[name], docs[name] = _check(config, name, parsed[name], read)
    _tell(config, outcomes, parsed, docs)
    errors = [error for outcome in outcomes.values() for error in outcome.broken]
    if errors:
        raise InputErrorList("The data are not as expected; see results/validation.md", errors)
    with whole_folder(VALID) as folder:
        for name, outcome in outcomes.items():
            write_dataset(outcome.dataset, folder / name)
            write_table(outcome.rejected, folder / name / "rejected.parquet")
            log.info("%s: %s", name, _line(outcome))
    return f"{len(outcomes)} datasets"


def _read(config: Config, name: str) -> tuple[Parsed, Dataset]:
    settings = config.datasets[name]
    source = source_of(settings.source, settings.languages, settings.splits)
    source = source.of(config.sources[settings.source])
    parsed = source.read(RAW / settings.source, settings.languages, settings.splits)
    return parsed.said(), part_of(name, settings, parsed)


def _check(
    config: Config, name: str, parsed: Parsed, read: dict[str, Dataset]
) -> tuple[Outcome, dict[str, tuple[Result, str]]]:
    """Quarantine rows, take leaks out of training data, and hold what is left to the suites."""
    settings, validation = config.datasets[name], config.validation
    evaluated = settings.use == "evaluate"  # the others are held against it
    checked = quarantine(read[name] if evaluated else read.pop(name), validation)
    dataset, composed = checked.dataset, checked.composed
    lost = pl.concat([parsed.rejected, checked.rejected])
    del checked
    check_dataset(dataset)
    gone, found = lost.clear(), LEAKS.to_frame()
    transductive = config.dapt is not None and config.dapt.transductive and settings.use == "text"
    if not evaluated and not transductive:
        others = config.used_for("evaluate")
        found = pl.concat(
            [leaks(dataset, read[other], validation.near_duplicate) for other in others]
        )
        if validation.leakage == "remove":
            dataset, gone = without(dataset, found)
    check_languages(dataset, settings)
    profiled = profile(dataset, lost, settings, validation, parsed.answers)
    corpus_only = {"corpus": profiled.tables["corpus"]}  # nobody asks domain text
    held = hold(corpus_only if settings.use == "text" else profiled.tables, settings, validation)
    errors = refuse_losses(dataset, lost, validation) + refuse_leaks(name, found, validation)
    errors += [
        InputError(
            f"dataset {name}, {where}",
            said,
            wanted,
            "See results/validation.md; mend the data or the threshold in params.yaml, validation",
        )
        for where, said, wanted in broken(held)
    ]
    rejected = pl.concat([lost, gone])
    notes = parsed.notes
    return (
        Outcome(
            dataset, settings, rejected, found, profiled, notes, composed, errors, parsed.tally
        ),
        held,
    )


def _tell(
    config: Config, outcomes: Mapping[str, Outcome], parsed: Mapping[str, Parsed], docs: Docs
) -> None:
    """Write the report, the summary and the Data Docs."""
    uses = {name: settings.use for name, settings in config.datasets.items()}
    summary: dict[str, Any] = {}
    for name, outcome in outcomes.items():
        summary[name] = summarise(outcome.dataset, outcome.settings, parsed[name]) | {
            "rejected": dict(sorted(outcome.rejected["reason"].value_counts().rows())),
            "brought_to_nfc": outcome.composed,
            "profile": outcome.profile.tables,
            "leaks": outcome.leaks.height,
            "holds": not outcome.broken,
        }
    shared = shared_texts({name: each.dataset for name, each in outcomes.items()}, uses)
    write_json(RESULTS / "validation.json", {"datasets": summary, "shared_texts": shared})
    write_text(RESULTS / "validation.md", validation_report(outcomes, config.validation.leakage))
    pages = []
    with whole_folder(RESULTS / "expectations") as folder:
        for name, suites in docs.items():
            for suite, (result, page) in suites.items():
                write_json(folder / f"{name}.{suite}.json", result)
                write_text(folder / f"{name}.{suite}.html", page)
                pages.append((name, suite, bool(result["success"])))
        write_text(folder / "index.html", index(pages))


def _line(outcome: Outcome) -> str:
    dataset = outcome.dataset
    later = outcome.rejected.height - int(outcome.tally["rejected"].sum())
    return (
        f"{dataset.queries['item_id'].n_unique()} items, {dataset.queries.height} queries, "
        f"{dataset.corpus.height} documents; {rows_read(outcome.tally)}; "
        f"{later:,} rows of the tables rejected"
    )


if __name__ == "__main__":
    run("validate", validate)
