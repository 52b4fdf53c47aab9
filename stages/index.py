"""Encode a trial's evaluation datasets: FAISS index, document ids, query vectors."""

from __future__ import annotations

from pathlib import Path

from polybatch.core.dataset import Dataset, read_dataset
from polybatch.core.files import whole_folder, write_json
from polybatch.encoders.checkpoints import open_checkpoint
from polybatch.encoders.encode import encode_side, encode_with_settings
from polybatch.encoders.light import Encoder
from polybatch.retrieval.index import (
    TOKENS,
    EncodedQueries,
    build_index,
    load_index,
    save_index,
    save_queries,
    search,
)
from polybatch.retrieval.latency import FOUND
from polybatch.retrieval.tokenization import spaced
from polybatch.settings.config import Config
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.study import Trial
from polybatch.training.machine import check_machine, device, keep_freed_memory, make_deterministic

from .common import INDEX, MODELS, VALID, log, run_trial, write_latency


def index(config: Config, trial: Trial) -> str:
    """Encode the queries and documents of every evaluation dataset with the trial's checkpoint."""
    keep_freed_memory()
    check_machine(config.encoder.precision, "encoder.precision")
    make_deterministic(trial.seed, config.study.threads)
    encoder = open_checkpoint(MODELS / trial.path).to(device())
    datasets = {name: read_dataset(VALID / name) for name in config.used_for("evaluate")}
    with whole_folder(INDEX / trial.path) as folder:
        cut = {
            name: _index(dataset, encoder, config.encoder, folder / name)
            for name, dataset in datasets.items()
        }
        write_json(folder / "truncated.json", cut)
    _write_latency(
        config, trial, encoder, max(datasets.values(), key=lambda one: one.corpus.height)
    )
    count = sum(dataset.corpus.height + dataset.queries.height for dataset in datasets.values())
    shortened = sum(sum(each.values()) for each in cut.values())
    return f"{count:,} texts encoded, {shortened:,} of them cut"


def _index(
    dataset: Dataset, encoder: Encoder, settings: EncoderSettings, folder: Path
) -> dict[str, int]:
    """Write a dataset's index and query vectors; return how many texts of each side were cut."""
    folder.mkdir()
    texts, langs = dataset.corpus["text"].to_list(), dataset.corpus["lang"].to_list()
    vectors, counts = encode_side(encoder, settings, texts, "document")
    documents = counts.total(texts)[1]
    save_index(build_index(dataset.corpus["doc_id"].to_list(), vectors), folder)
    write_json(folder / TOKENS, counts.by_language(texts, langs, spaced(langs)))
    texts = dataset.queries["text"].to_list()
    vectors, counts = encode_side(encoder, settings, texts, "query")
    queries = counts.total(texts)[1]
    save_queries(EncodedQueries(tuple(dataset.queries["query_id"]), vectors), folder)
    log.info(
        "%s: %d documents (%d cut to their length), %d queries (%d cut)",
        *(dataset.name, dataset.corpus.height, documents, dataset.queries.height, queries),
    )
    return {"documents": documents, "queries": queries}


def _write_latency(config: Config, trial: Trial, encoder: Encoder, dataset: Dataset) -> None:
    """Measure encoding and searching a question in the largest pool."""
    settings = config.encoder
    found = load_index(INDEX / trial.path / dataset.name)

    def ask(text: str) -> object:
        vectors = encode_with_settings(encoder, settings, [text], "query")
        return search(found, EncodedQueries(("asked",), vectors), FOUND)

    write_latency(trial, ask, dataset.queries["text"].to_list())


if __name__ == "__main__":
    run_trial("index", index, ("strategies", "merges"))
