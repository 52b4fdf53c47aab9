"""An arm from outside: runs or vectors that somebody made with a system of their own.

A folder has one folder per dataset, and in it either runs, as `polybatch.retrieval.trec` writes
them, or vectors:

    multi.run            every query against all documents
    mono.run             every query against the documents of its own language
    cross.run            every other query, where all documents are in one language
    sw_en.run            queries in sw against documents in en; for any pair
    queries.npy, query_ids.txt       (Q, D) and the ids of its rows, a line each
    documents.npy, doc_ids.txt       (N, D)
    queries.parquet, documents.parquet      columns query_id or doc_id, and vector, instead

Runs may end in `.run.gz`. A list without a run of its own is what multi.run holds of its language.
Scores of vectors are inner products, of the vectors as they are. Other files are not read.

Letters: Q queries, N documents, D dimensions.
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.files import refuse_special_files
from polybatch.core.vectors import Float32
from polybatch.retrieval.external_runs import RunScores, run_scores
from polybatch.retrieval.score_rows import VectorScores

_RUNS = (".run", ".run.gz")
_VECTORS = "vectors (rows, dimensions) of 16, 32 or 64-bit floats"
_LAYOUT = "runs (multi.run, mono.run, ...) or vectors (queries.npy, documents.npy, ...)"


def read_external(folder: Path, dataset: Dataset) -> RunScores | VectorScores:
    """Read what a folder holds of a dataset: a source of scores for `evaluate_source`.

    Raises:
        InputError: no folder of the dataset, no runs or vectors in it, or both; files that are not
            what they have to be; ids that the dataset lacks; vectors not one an id.
    """
    place = folder / dataset.name
    refuse_special_files(place, f"the arm's folder of {dataset.name}")
    runs = _runs(place)
    sides = {side: _vector_files(place, side) for side in ("queries", "documents")}
    if bool(runs) == any(sides.values()):
        found = "both runs and vectors" if runs else "neither runs nor vectors"
        raise InputError(place, found, _LAYOUT, "Leave one kind in the folder")
    if runs:
        return run_scores(dataset, runs)
    tables = {"queries": dataset.queries["query_id"], "documents": dataset.corpus["doc_id"]}
    vectors = [_vectors(place, side, file, tables[side]) for side, file in sides.items()]
    return VectorScores.between(dataset, *vectors)


def _runs(place: Path) -> dict[str, Path]:
    runs: dict[str, Path] = {}
    for path in sorted(place.iterdir()):
        ending = next((each for each in _RUNS if path.name.endswith(each)), None)
        if ending is None:
            continue
        name = path.name.removesuffix(ending)
        if name in runs:
            found = f"{runs[name].name} and {path.name}"
            raise InputError(place, found, "one of them", "Remove the other")
        runs[name] = path
    return runs


def _vector_files(place: Path, side: str) -> Path | None:
    found = [place / f"{side}.{ending}" for ending in ("npy", "parquet")]
    there = [path for path in found if path.exists()]
    if len(there) > 1:
        raise InputError(place, " and ".join(p.name for p in there), "one", "Remove the other")
    return there[0] if there else None


def _vectors(place: Path, side: str, path: Path | None, ids: pl.Series) -> Float32:
    """Return the vectors of one side in the order of the dataset's ids."""
    if path is None:
        raise InputError(place, f"no vectors of {side}", f"{side}.npy or .parquet", "Add the file")
    name = ids.name
    if path.suffix == ".npy":
        vectors, named, where = _npy(path), *_ids(place / f"{name}s.txt")
    else:
        vectors, named, where = _parquet(path, name)
    if len(vectors) != len(named):
        raise InputError(path, f"{len(vectors)} vectors", f"one for each of {len(named)} ids in"
                         f" {where}", "Write both from the same table")  # fmt: skip
    return vectors[_order(path, where, named, ids)]


def _order(path: Path, where: str, named: list[str], ids: pl.Series) -> list[int]:
    """Return the row of each of the dataset's ids."""
    rows: dict[str, int] = {}
    known = set(ids)
    for row, each in enumerate(named):
        if each in rows or each not in known:
            found = f"'{each[:80]}'" + (f", which row {rows[each] + 1} is" if each in rows else "")
            expected = f"each {ids.name} of the dataset once"
            raise InputError(f"{where}:{row + 1}", found, expected, "Correct the ids")
        rows[each] = row
    if missing := [each for each in ids if each not in rows]:
        found = f"no vector of {len(missing)} ids ({', '.join(missing[:3])})"
        raise InputError(path, found, f"one for each of {len(ids)}", "Encode these texts too")
    return [rows[each] for each in ids]


def _npy(path: Path) -> Float32:
    try:
        # Mapped: a header may claim any size, and only what is in the file is then read.
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, BadZipFile) as error:
        found = f"no readable array ({type(error).__name__})"
        raise InputError(path, found, f"{_VECTORS}, no pickle", "Save it again: np.save") from error
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype.kind != "f":
        found = type(vectors).__name__
        if isinstance(vectors, np.ndarray):
            found = f"an array of shape {vectors.shape} and type {vectors.dtype}"
        raise InputError(path, found, _VECTORS, "Save the vectors alone: np.save")
    return _float32(np.asarray(vectors))


def _ids(path: Path) -> tuple[list[str], str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        found = f"no readable file ({type(error).__name__})"
        raise InputError(
            path, found, "one id per line, in UTF-8", "Write it beside the .npy"
        ) from error
    return lines, str(path)


def _parquet(path: Path, name: str) -> tuple[Float32, list[str], str]:
    try:
        frame = pl.read_parquet(path, columns=[name, "vector"])
        vectors = frame["vector"].cast(pl.List(pl.Float64))
        widths = vectors.list.len().unique()
        complete = len(widths) == 1 and not frame[name].has_nulls() and widths[0]
        numbers = vectors.explode()
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        found = f"no table of {name} and vector ({type(error).__name__})"
        raise InputError(path, found, f"{_VECTORS}, and their ids", "Write it again") from error
    if not complete or frame[name].dtype != pl.String or numbers.has_nulls():
        found = f"{name} as {frame[name].dtype}, vectors of {sorted(map(str, widths))[:3]} numbers"
        raise InputError(path, found, "ids as texts, vectors of one length", "Write it again")
    return _float32(numbers.to_numpy().reshape(frame.height, -1)), frame[name].to_list(), str(path)


def _float32(vectors: npt.NDArray[np.floating]) -> Float32:
    with np.errstate(over="ignore"):  # becomes infinite, which is refused
        return np.ascontiguousarray(vectors, dtype=np.float32)
