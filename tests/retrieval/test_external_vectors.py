"""Somebody's vectors: scored as ours are, and refused where they do not fit the dataset."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from polybatch.core.errors import InputError
from polybatch.core.vectors import Float32
from polybatch.evaluation.scores import evaluate, evaluate_source
from polybatch.retrieval.external import read_external
from tests.helpers.worlds import World

MEASURES = ["AP", "AP@5", "nDCG@10", "R@1", "R@10"]
Harm = Callable[[Path], object]


def _whole(folder: Path, world: World, kind: str) -> None:
    """Write the vectors in another order than the dataset's."""
    folder.mkdir()
    for side, name, vectors, ids in (
        ("queries", "query_id", world[1], world[0].queries["query_id"]),
        ("documents", "doc_id", world[2], world[0].corpus["doc_id"]),
    ):
        order = np.random.default_rng(4).permutation(len(ids))
        if kind == "npy":
            np.save(folder / f"{side}.npy", vectors[order].astype(np.float16))
            lines = "".join(f"{each}\n" for each in ids.gather(order))
            (folder / f"{name}s.txt").write_text(lines)
        else:
            columns = {name: ids.gather(order), "vector": vectors[order].astype(float)}
            pl.DataFrame(columns).write_parquet(folder / f"{side}.parquet")


@pytest.mark.parametrize("kind", ["npy", "parquet"])
def test_vectors_score_as_ours_do(world: World, tmp_path: Path, kind: str) -> None:
    """Small whole numbers, which a float16 holds exactly."""
    _whole(tmp_path / "toy", world, kind)
    found = evaluate_source(world[0], read_external(tmp_path, world[0]), MEASURES)
    assert found.per_query.equals(evaluate(*world, MEASURES).per_query)


def _save(vectors: object) -> Harm:
    return lambda folder: np.save(folder / "queries.npy", vectors)  # type: ignore[arg-type]


def _pickled(folder: Path) -> None:
    array = np.empty((3, 2), object)
    array[:] = "x"
    np.save(folder / "queries.npy", array, allow_pickle=True)


def _claims_much(folder: Path) -> None:
    """A header of 8 TB over the bytes of a small array."""
    path = folder / "queries.npy"
    with path.open("wb") as stream:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(bytes(64))


def _ids(change: Callable[[list[str]], list[str]]) -> Harm:
    def harm(folder: Path) -> None:
        path = folder / "query_ids.txt"
        path.write_text("".join(f"{each}\n" for each in change(path.read_text().splitlines())))

    return harm


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_pickled, r"queries\.npy: found no readable array \(ValueError\).*no pickle"),
        (lambda f: (f / "queries.npy").write_bytes(pickle.dumps([1])), "no readable array"),
        (lambda f: (f / "queries.npy").write_bytes(b""), "no readable array"),
        (lambda f: np.savez(f / "x.npz", 1) or (f / "x.npz").rename(f / "queries.npy"),
         r"queries\.npy: found NpzFile"),
        (_claims_much, "no readable array"),
        (_save(np.zeros((3, 2, 2))), r"an array of shape \(3, 2, 2\)"),
        (_save(np.zeros((3, 2), int)), "type int64"),
        (_save(np.zeros((3, 2))), r"queries\.npy: found 3 vectors, expected one for each of \d+"),
        (_ids(lambda ids: [*ids[:-1], "nobody"]), r"query_ids\.txt:\d+: found 'nobody'"),
        (_ids(lambda ids: [*ids[:-1], ids[0]]), r"query_ids\.txt:\d+: found '.*', which row 1 is"),
        (lambda f: (f / "query_ids.txt").write_bytes(b"\xff\n"), "UnicodeDecodeError"),
        (lambda f: (f / "query_ids.txt").unlink(), r"query_ids\.txt: found no readable file"),
        (lambda f: (f / "queries.npy").unlink(), r"toy: found no vectors of queries"),
        (lambda f: (f / "queries.parquet").touch(), r"queries\.npy and queries\.parquet"),
        (lambda f: (f / "multi.run").touch(), "found both runs and vectors"),
        (lambda f: [path.unlink() for path in f.iterdir()], "found neither runs nor vectors"),
        (lambda f: f.rename(f.with_name("other")), "no folder .*toy"),
        (lambda f: (f / "multi.run").symlink_to("/nowhere"), "a link to nothing"),
    ],
)  # fmt: skip
def test_bad_vectors_are_refused(world: World, tmp_path: Path, harm: Harm, message: str) -> None:
    _whole(tmp_path / "toy", world, "npy")
    harm(tmp_path / "toy")
    with pytest.raises(InputError, match=message):
        read_external(tmp_path, world[0])


def _change(vectors: Float32, value: float) -> Float32:
    changed = vectors.copy()
    changed[1, 0] = value
    return changed


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused(
    world: World, tmp_path: Path, value: float
) -> None:
    _whole(tmp_path / "toy", world, "npy")
    wide = world[1].astype(np.float64)
    np.save(tmp_path / "toy" / "queries.npy", _change(wide, value))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="1 vectors with NaN or infinity"):
        read_external(tmp_path, world[0])


def test_other_dimensions_are_refused(world: World, tmp_path: Path) -> None:
    _whole(tmp_path / "toy", world, "npy")
    np.save(tmp_path / "toy" / "documents.npy", world[2][:, :2])
    with pytest.raises(InputError, match="3 dimensions, expected 2"):
        read_external(tmp_path, world[0])


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([[1.0, 2.0], [1.0], [2.0, 3.0]], "vectors of"),
        ([[1.0, None], [1.0, 2.0], [2.0, 3.0]], "vectors of"),
        ([None, [1.0, 2.0], [2.0, 3.0]], "vectors of"),
        ([[], [], []], "vectors of"),
        (["a", "b", "c"], r"no table of query_id and vector"),
        ([1.0, 2.0, 3.0], r"no table of query_id and vector"),
    ],
)
def test_bad_tables_are_refused(
    world: World, tmp_path: Path, column: list[object], message: str
) -> None:
    _whole(tmp_path / "toy", world, "parquet")
    path = tmp_path / "toy" / "queries.parquet"
    pl.DataFrame({"query_id": ["a", "b", "c"], "vector": column}).write_parquet(path)
    with pytest.raises(InputError, match=rf"queries\.parquet: .*{message}"):
        read_external(tmp_path, world[0])
    pl.DataFrame({"id": ["a"]}).write_parquet(path)
    with pytest.raises(InputError, match="no table of query_id and vector"):
        read_external(tmp_path, world[0])


@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from(["multi.run", "multi.run.gz", "queries.npy", "queries.parquet"]),
       content=st.binary(max_size=200), cut=st.integers(0, 200))  # fmt: skip
@example(name="queries.npy", content=b"PK\x05\x06", cut=1)  # numpy takes it for an archive
def test_no_bytes_make_a_traceback(
    world: World, tmp_path: Path, name: str, content: bytes, cut: int
) -> None:
    """Arbitrary bytes, and the beginnings of sound files."""
    folder = tmp_path / "toy"
    if not folder.exists():
        _whole(folder, world, "npy")
        _whole(tmp_path / "tables", world, "parquet")
    for old in ("multi.run", "multi.run.gz", "queries.npy", "queries.parquet"):
        (folder / old).unlink(missing_ok=True)
    (folder / "documents.npy").rename(tmp_path / "aside") if "run" in name else None
    sound = tmp_path / "tables" / "queries.parquet"
    begun = sound.read_bytes()[: cut * 20] if name.endswith("parquet") else gzip.compress(content)
    (folder / name).write_bytes(content if cut % 2 else begun[:-1])
    with pytest.raises(InputError):
        read_external(tmp_path, world[0])
    (tmp_path / "aside").rename(folder / "documents.npy") if "run" in name else None
