"""Encode one strategy's evaluation datasets: FAISS index, document ids, query vectors."""

from __future__ import annotations

from polybatch.config import Config
from polybatch.encoders import encode_texts, open_checkpoint
from polybatch.files import whole_folder
from polybatch.machine import keep_freed_memory, make_deterministic
from polybatch.search import EncodedQueries, build_index, save_index, save_queries
from polybatch.tables import read_dataset
from stages.common import INDEX, MODELS, VALID, known, log, run


def index(config: Config, key: str) -> str:
    """Encode the queries and documents of every evaluation dataset with the checkpoint `key`."""
    known(dict(config.strategies), key, "strategy")
    keep_freed_memory()
    make_deterministic(config.study.seed, config.study.threads)
    encoder, settings = open_checkpoint(MODELS / key), config.encoder
    count = 0
    with whole_folder(INDEX / key) as folder:
        for name in config.used_for("evaluate"):
            dataset = read_dataset(VALID / name)
            (folder / name).mkdir()
            texts = dataset.corpus["text"].to_list()
            vectors = encode_texts(encoder, texts, settings.document_length, settings.batch_texts)
            save_index(build_index(dataset.corpus["doc_id"].to_list(), vectors), folder / name)
            texts = dataset.queries["text"].to_list()
            vectors = encode_texts(encoder, texts, settings.query_length, settings.batch_texts)
            ids = tuple(dataset.queries["query_id"])
            save_queries(EncodedQueries(ids, vectors), folder / name)
            log.info("%s: %d documents, %d queries", name, dataset.corpus.height, len(ids))
            count += dataset.corpus.height + len(ids)
    return f"{count} texts encoded"


if __name__ == "__main__":
    run("index", index, "strategy")
