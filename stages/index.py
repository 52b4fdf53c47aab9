"""Encode a trial's evaluation datasets: FAISS index, document ids, query vectors."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import torch

from polybatch.core.dataset import Dataset, read_dataset
from polybatch.core.files import sha256_of_folder, whole_folder, write_json
from polybatch.encoders.checkpoints import open_checkpoint
from polybatch.encoders.encode import Side, encode_with_settings
from polybatch.encoders.light import Encoder
from polybatch.encoders.tokens import count_by_language
from polybatch.retrieval.flat_rows import room_for
from polybatch.retrieval.index import (
    TOKENS,
    EncodedQueries,
    checked_index,
    load_index,
    save_index,
    save_queries,
    search,
)
from polybatch.retrieval.kept_vectors import keep_note, key_of, take
from polybatch.retrieval.latency import FOUND
from polybatch.retrieval.tokenization import spaced
from polybatch.settings.config import Config
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.study import Trial
from polybatch.training.machine import check_machine, device, keep_freed_memory, make_deterministic
from polybatch.versions.record import VERSIONS, read_versions

from .common import INDEX, MODELS, VALID, log, run_trial, write_latency


def index(config: Config, trial: Trial) -> str:
    """Encode the queries and documents of every evaluation dataset with the trial's checkpoint."""
    keep_freed_memory()
    check_machine(config.encoder.precision, "encoder.precision")
    make_deterministic(trial.seed, config.study.threads)
    encoder = open_checkpoint(MODELS / trial.path).to(device())
    datasets = {name: read_dataset(VALID / name) for name in config.used_for("evaluate")}
    keys = _keys(config, trial, list(datasets))
    with whole_folder(INDEX / trial.path) as folder:
        cut = {}
        for name, dataset in datasets.items():
            (folder / name).mkdir()
            before = _taken(dataset, keys[name], folder / name)
            cut[name] = before or _index(dataset, encoder, config.encoder, folder / name)
        write_json(folder / "truncated.json", cut)
    for name, key in keys.items():
        keep_note(key, INDEX / trial.path / name, cut[name])
    _write_latency(
        config, trial, encoder, max(datasets.values(), key=lambda one: one.corpus.height)
    )
    count = sum(dataset.corpus.height + dataset.queries.height for dataset in datasets.values())
    shortened = sum(sum(each.values()) for each in cut.values())
    return f"{count:,} texts, {shortened:,} of them cut"


def _keys(config: Config, trial: Trial, datasets: list[str]) -> dict[str, str]:
    """Return, of each dataset, the name of all that its vectors depend on."""
    made_by = (read_versions(VERSIONS).numbers["index"], torch.__version__, str(device()))
    common = (*made_by, config.study.threads, config.encoder, sha256_of_folder(MODELS / trial.path))
    return {name: key_of(*common, sha256_of_folder(VALID / name)) for name in datasets}


def _taken(dataset: Dataset, key: str, folder: Path) -> dict[str, int] | None:
    """Fill the folder with vectors made before of the same; None where there are none."""
    if cut := take(key, folder):
        log.info("%s: vectors made before, of the same texts and weights", dataset.name)
    return cut


def _index(
    dataset: Dataset, encoder: Encoder, settings: EncoderSettings, folder: Path
) -> dict[str, int]:
    """Write a dataset's index and query vectors; return how many texts of each side were cut."""
    corpus, asked = dataset.corpus, dataset.queries
    flat, rows = room_for(corpus.height, encoder.get_embedding_dimension())
    encode_with_settings(encoder, settings, corpus["text"], "document", rows)
    documents, by_language = _count(encoder, settings, corpus, "document")
    save_index(checked_index(corpus["doc_id"].to_list(), flat), folder)
    write_json(folder / TOKENS, by_language)
    vectors = encode_with_settings(encoder, settings, asked["text"], "query")
    queries = _count(encoder, settings, asked, "query")[0]
    save_queries(EncodedQueries(tuple(asked["query_id"]), vectors), folder)
    log.info(
        "%s: %d documents (%d cut to their length), %d queries (%d cut)",
        *(dataset.name, dataset.corpus.height, documents, dataset.queries.height, queries),
    )
    return {"documents": documents, "queries": queries}


def _count(
    encoder: Encoder, settings: EncoderSettings, texts: pl.DataFrame, side: Side
) -> tuple[int, dict[str, dict[str, float | None]]]:
    return count_by_language(encoder, texts, *settings.of(side), spaced(texts["lang"].unique()))


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
