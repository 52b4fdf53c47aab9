"""What stands in data/index/<name>/<seed>, whatever made it, opened as a source of scores.

Of each dataset a folder: an index and query vectors (`index`), tokens (`lexical`), or somebody's
runs or vectors (`external`). A fusion holds `fusion.json` alone: where the two rows are that it
joins, and what they held.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from polybatch.core.dataset import Dataset, read_table, write_table
from polybatch.core.errors import InputError, not_made
from polybatch.core.files import sha256_of_folder, write_json
from polybatch.core.json_files import read_json
from polybatch.retrieval.external import read_external
from polybatch.retrieval.fusion import FusedScores
from polybatch.retrieval.index import EncodedQueries, load_index, load_queries
from polybatch.retrieval.lexical import Bm25Scores
from polybatch.retrieval.score_rows import ScoreRows, VectorScores
from polybatch.retrieval.tokenization import tokenize, tokenizer_of

_FUSION, _BM25 = "fusion.json", "bm25.json"
_TOKENS = pl.Schema([("id", pl.String()), ("tokens", pl.List(pl.String()))])
_AGAIN = "Run `dvc repro` again: the stage that writes it has to follow the data"


def open_source(folder: Path, dataset: Dataset) -> ScoreRows:
    """Return the scores of a dataset; `folder`: data/index/<name>/<seed>.

    Raises:
        InputError: nothing there of the dataset, or of other queries or documents.

    Example:
        >>> open_source(Path("index/mono/0"), Dataset("faq", *[pl.DataFrame()] * 3))
        Traceback (most recent call last):
        polybatch.core.errors.InputError: index/mono/0/faq: found no such folder, ...
    """
    if (folder / _FUSION).is_file():
        fusion = _read(folder / _FUSION, "first", "second", "constant")
        parts = [folder.parents[1] / fusion[key]["folder"] for key in ("first", "second")]
        one, other = (open_source(part, dataset) for part in parts)
        return FusedScores.of_sources(dataset, one, other, fusion["constant"])
    place = folder / dataset.name
    if (place / _BM25).is_file():
        return _open_tokens(place, dataset)
    if queries := open_queries(folder, dataset):
        index = load_index(place)
        _refuse_other(place, index.doc_ids, dataset.corpus["doc_id"])
        return VectorScores.between(dataset, queries.vectors, index.vectors)
    if not place.is_dir():
        raise not_made(place, "folder")
    return read_external(folder, dataset)


def open_external(key: str, folder: Path, dataset: Dataset, form: str) -> ScoreRows:
    """Return somebody's scores; InputError unless they are of the form that `key` says."""
    source = read_external(folder, dataset)
    found = "vectors" if isinstance(source, VectorScores) else "runs"
    if found != form:
        raise InputError(
            f"{key}.form", form, f"{found}, as {folder / dataset.name} holds", f"Write '{found}'"
        )
    return source


def index_bytes(source: ScoreRows) -> int | None:
    """Return the size of what a source searches, all lists together; None for finished runs.

    Example:
        >>> import numpy as np
        >>> rows = np.eye(3, dtype=np.float32)
        >>> index_bytes(VectorScores(rows, rows, np.array([0, 1, 2, 2])))  # 4 documents, 3 floats
        48
    """
    if isinstance(source, VectorScores):
        return len(source.columns) * int(source.documents[:1].nbytes)
    if isinstance(source, Bm25Scores):
        return source.index_bytes
    if isinstance(source, FusedScores):
        sizes = [index_bytes(part) for part in source.sources]
        return None if None in sizes else sum(size or 0 for size in sizes)
    return None


def open_queries(folder: Path, dataset: Dataset) -> EncodedQueries | None:
    """Return the queries' vectors where our own encoder made some, None elsewhere."""
    place = folder / dataset.name
    if not (place / "documents.faiss").is_file():
        return None
    queries = load_queries(place)
    _refuse_other(place, queries.query_ids, dataset.queries["query_id"])
    return queries


def save_tokens(folder: Path, dataset: Dataset, k1: float, b: float) -> dict[str, str]:
    """Write what BM25 counts of a dataset; return {language: how its texts are cut}.

    Raises:
        InputError: a language without tokenisation.
    """
    sides = {"documents": (dataset.corpus, "doc_id"), "queries": (dataset.queries, "query_id")}
    languages = sorted({lang for table, _ in sides.values() for lang in table["lang"]})
    tokenizers = {lang: tokenizer_of(lang) for lang in languages}
    for side, (table, name) in sides.items():
        rows = table.select("text", "lang").iter_rows()
        tokens = {"id": table[name], "tokens": [tokenize(text, lang) for text, lang in rows]}
        path = folder / dataset.name / f"{side}.parquet"
        write_table(pl.DataFrame(tokens, schema=_TOKENS), path)
    write_json(folder / dataset.name / _BM25, {"k1": k1, "b": b, "tokenizers": tokenizers})
    return tokenizers


def _open_tokens(place: Path, dataset: Dataset) -> ScoreRows:
    settings = _read(place / _BM25, "k1", "b")
    documents, queries = (
        read_table(place / f"{side}.parquet", _TOKENS) for side in ("documents", "queries")
    )
    _refuse_other(place, documents["id"].to_list(), dataset.corpus["doc_id"])
    _refuse_other(place, queries["id"].to_list(), dataset.queries["query_id"])
    tokens = queries["tokens"].to_list(), documents["tokens"].to_list()
    return Bm25Scores.of_tokens(dataset, *tokens, settings["k1"], settings["b"])


def _read(path: Path, *names: str) -> dict[str, Any]:
    """Return an object of JSON that has these keys; InputError if it is none."""
    found = read_json(path)
    if not isinstance(found, dict) or not found.keys() >= set(names):
        raise InputError(path, "something else", f"an object with {', '.join(names)}", _AGAIN)
    return found


def save_fusion(folder: Path, first: Path, second: Path, constant: int) -> None:
    """Write which two folders (<name>/<seed>) are joined, with a digest of what they hold."""
    index = folder.parents[1]
    parts = {
        key: {"folder": part.as_posix(), "sha256": sha256_of_folder(index / part)}
        for key, part in (("first", first), ("second", second))
    }
    write_json(folder / _FUSION, parts | {"constant": constant})


def _refuse_other(folder: Path, encoded: Sequence[str], there: pl.Series) -> None:
    if list(encoded) != there.to_list():
        raise InputError(
            folder,
            f"{len(encoded)} ids that are not the dataset's",
            f"{len(there)} ids in the dataset's order",
            _AGAIN,
        )
