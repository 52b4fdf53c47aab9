"""Strategies and rows without vectors, written and scored as the stages do it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from polybatch.core.dataset import (
    CORPUS,
    QRELS,
    QUERIES,
    Dataset,
    revision_of,
    write_table,
)
from polybatch.evaluation.scores import evaluate, evaluate_source
from polybatch.retrieval.arm_folders import open_source, save_fusion, save_tokens
from polybatch.retrieval.index import EncodedQueries, build_index, save_index, save_queries

LANGS = ("en", "sw")


def scored_dataset() -> Dataset:
    items = range(30)
    return Dataset(
        "cldr-test",
        pl.DataFrame(
            [
                (f"q{n}{lang}", f"i{n}", lang, f"Ask {n} & {lang}?", "t")
                for n in items
                for lang in LANGS
            ],
            QUERIES,
            orient="row",
        ),
        pl.DataFrame(
            [
                (f"d{n}{lang}", lang, f"Say {n} {lang}", "", None, None, None)
                for n in items
                for lang in LANGS
            ],
            CORPUS,
            orient="row",
        ),
        pl.DataFrame(
            [(f"i{n}", f"d{n}{lang}", 1) for n in items for lang in LANGS], QRELS, orient="row"
        ),
    )


def made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_strategy(
    folder: Path, strategy: str, noise: float, dataset: Dataset, seed: int = 0
) -> None:
    chance = np.random.default_rng(seed)
    count = dataset.queries.height
    items = np.repeat(chance.standard_normal((count // 2, 8)), 2, axis=0)  # both languages alike
    documents = (items + 0.5 * chance.standard_normal((count, 8))).astype(np.float32)
    queries = documents + noise * chance.standard_normal((count, 8)).astype(np.float32)
    queries, documents = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (queries, documents)
    )
    index = made(folder / "data/index" / strategy / str(seed) / "cldr-test")
    save_index(build_index(dataset.corpus["doc_id"].to_list(), documents), index)
    save_queries(EncodedQueries(tuple(dataset.queries["query_id"]), queries), index)
    scores = evaluate(dataset, queries, documents, ["AP", "R@1"]).per_query
    revisions = {dataset.name: revision_of(dataset)}
    write_table(scores, made(folder / "results/scores" / strategy) / f"{seed}.parquet", revisions)


def write_others(folder: Path, dataset: Dataset) -> None:
    """Write rows that have no vectors, as the stages `lexical` and `fuse` do."""
    index = folder / "data/index"
    made(index / "bm25/0/cldr-test")
    save_tokens(index / "bm25/0", dataset, 0.9, 0.4)
    save_fusion(made(index / "bm25-hybrid/0"), Path("bm25/0"), Path("hybrid/0"), 60)
    for name in ("bm25", "bm25-hybrid"):
        source = open_source(index / name / "0", dataset)
        scores = evaluate_source(dataset, source, ["AP", "R@1"]).per_query
        path = made(folder / "results/scores" / name) / "0.parquet"
        write_table(scores, path, {dataset.name: revision_of(dataset)})
