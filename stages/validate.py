"""Turn data/raw into data/valid/<dataset>/{queries,corpus,qrels,rejected}.parquet.

results/validation.md and .json, and results/expectations, say what the data are; they are written
also when the stage fails.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from polybatch.core.dataset import read_table, write_dataset, write_table
from polybatch.core.errors import InputError, InputErrorList
from polybatch.core.files import whole_folder, write_json, write_text
from polybatch.settings.config import Config
from polybatch.sources.table import source_of
from polybatch.validation.datasets import Prepared, check, is_own, prepare, summary
from polybatch.validation.expectations import index
from polybatch.validation.markdown_report import Outcome, rows_read, validation_report
from polybatch.validation.regrouped import GROUPS

from .common import RAW, RESULTS, VALID, log, run

GROUPS_BEFORE = VALID.parent / "groups.parquet"
"""What the last run here grouped: no output, so that DVC leaves it where it is."""


def validate(config: Config, _: str) -> str:
    """Build every dataset of the study, hold it against the expectations, return their number."""
    prepared = {name: _prepared(config, name) for name in config.datasets}
    places = pl.concat([GROUPS.to_frame(), *(each.places for each in prepared.values())])
    before, outcomes = _groups_before(), {}
    for name, settings in config.datasets.items():
        outcomes[name] = check(config, name, prepared, before)
        if settings.use != "evaluate":  # the others are held against those
            del prepared[name]
    _write_results(config, outcomes)
    errors = [error for outcome in outcomes.values() for error in outcome.broken]
    if errors:
        raise InputErrorList("The data are not as expected; see results/validation.md", errors)
    with whole_folder(VALID) as folder:
        for name, outcome in outcomes.items():
            write_dataset(outcome.dataset, folder / name)
            write_table(outcome.rejected, folder / name / "rejected.parquet")
            log.info("%s: %s", name, _line(outcome))
            for change in outcome.changes:
                log.warning("%s: %s", name, change)
    if places.height:
        write_table(places, GROUPS_BEFORE)
    return f"{len(outcomes)} datasets"


def _groups_before() -> pl.DataFrame:
    """Return GROUPS as the last run left them; nothing where there was none."""
    try:
        return read_table(GROUPS_BEFORE, GROUPS) if GROUPS_BEFORE.is_file() else GROUPS.to_frame()
    except InputError as error:
        log.warning("groups of the last run are not compared: %s", error)
        return GROUPS.to_frame()


def _prepared(config: Config, name: str) -> Prepared:
    settings = config.datasets[name]
    source = source_of(settings.source, settings.languages, settings.splits)
    source = source.of(config.sources[settings.source])
    parsed = source.read(RAW / settings.source, settings.languages, settings.splits)
    return prepare(name, settings, parsed, config.validation, is_own(source))


def _write_results(config: Config, outcomes: Mapping[str, Outcome]) -> None:
    """Write the report, the summary and the Data Docs."""
    write_json(RESULTS / "validation.json", summary(outcomes))
    write_text(RESULTS / "validation.md", validation_report(outcomes, config.validation))
    pages = []
    with whole_folder(RESULTS / "expectations") as folder:
        for name, outcome in outcomes.items():
            for suite, (result, page) in outcome.suites.items():
                write_json(folder / f"{name}.{suite}.json", result)
                write_text(folder / f"{name}.{suite}.html", page)
                pages.append((name, suite, bool(result["success"])))
        write_text(folder / "index.html", index(pages))


def _line(outcome: Outcome) -> str:
    dataset = outcome.dataset
    later = outcome.lost.height - int(outcome.tally["rejected"].sum())
    return (
        f"{dataset.queries['item_id'].n_unique()} items, {dataset.queries.height} queries, "
        f"{dataset.corpus.height} documents; {rows_read(outcome.tally)}; of the tables "
        f"{outcome.merged.height:,} rows merged, {later:,} rejected"
    )


if __name__ == "__main__":
    run("validate", validate)
