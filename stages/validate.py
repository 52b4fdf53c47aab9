"""Turn data/raw into data/valid/<dataset>/{queries,corpus,qrels,rejected}.parquet."""

from __future__ import annotations

from typing import Any

from polybatch.config import Config
from polybatch.files import whole_folder, write_json
from polybatch.sources import source_of
from polybatch.tables import Dataset, write_dataset, write_table
from polybatch.validation import build, shared_texts, summarise
from stages.common import RAW, RESULTS, VALID, log, run


def validate(config: Config, _: str) -> str:
    """Build every dataset of the study and return their counts."""
    datasets: dict[str, Dataset] = {}
    summary: dict[str, Any] = {}
    with whole_folder(VALID) as folder:
        for name, settings in config.datasets.items():
            source = source_of(settings.source, settings.languages, settings.splits)
            parsed = source.read(RAW / settings.source, settings.languages, settings.splits)
            datasets[name] = build(name, settings, parsed)
            summary[name] = summarise(datasets[name], settings, parsed)
            write_dataset(datasets[name], folder / name)
            write_table(parsed.rejected, folder / name / "rejected.parquet")
            log.info("%s: %s", name, _line(datasets[name], parsed.rejected.height))
    uses = {name: settings.use for name, settings in config.datasets.items()}
    shared = shared_texts(datasets, uses)
    write_json(RESULTS / "validation.json", {"datasets": summary, "shared_texts": shared})
    return f"{len(datasets)} datasets"


def _line(dataset: Dataset, rejected: int) -> str:
    return (
        f"{dataset.queries['item_id'].n_unique()} items, {dataset.queries.height} queries, "
        f"{dataset.corpus.height} documents, {rejected} rows rejected"
    )


if __name__ == "__main__":
    run("validate", validate)
