"""The index: what it refuses, what it finds; truth from a slow obvious search and by hand."""

from __future__ import annotations

import gc
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of
from polybatch.core.vectors import Float32, distinct_rows, inner_products
from polybatch.retrieval.flat_rows import room_for
from polybatch.retrieval.index import (
    EncodedQueries,
    build_index,
    checked_index,
    load_index,
    load_queries,
    save_index,
    save_queries,
    search,
)


def _unit(rows: Float32) -> Float32:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _random(count: int, dimensions: int = 8, seed: int = 0) -> Float32:
    return _unit(np.random.default_rng(seed).standard_normal((count, dimensions), np.float32))


def _queries(vectors: Float32) -> EncodedQueries:
    return EncodedQueries(tuple(f"q{row}" for row in range(len(vectors))), vectors)


def test_a_short_answer_is_not_padded_with_the_last_document() -> None:
    found = search(build_index(["a", "b", "c"], _random(3)), _queries(_random(2, seed=1)), 10)
    assert [sorted(doc.doc_id for doc in docs) for docs in found] == [["a", "b", "c"]] * 2


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.tuples(*[st.integers(-1, 1)] * 3).filter(any), min_size=1, max_size=25),
    k=st.integers(1, 30),
    order=st.randoms(use_true_random=False),
)
def test_search_is_a_sort_by_score_then_doc_id(rows: list, k: int, order: object) -> None:
    """Few distinct vectors, so that ties stand inside the answer and at its end."""
    ids = [f"d{n}" for n in range(len(rows))]
    order.shuffle(ids)
    vectors = _unit(np.array(rows, np.float32))
    queries = _queries(_unit(np.array([[1, 1, 0], [1, 0, 0], [1, 2, 3]], np.float32)))
    found = search(build_index(ids, vectors), queries, k)
    for docs, scores in zip(found, inner_products(queries.vectors, vectors), strict=True):
        truth = sorted(zip(scores.tolist(), ids, strict=True), reverse=True)[:k]
        assert [(doc.score, doc.doc_id) for doc in docs] == truth


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(*[st.integers(-1, 1)] * 3, st.booleans()).filter(lambda row: any(row[:3])),
        min_size=1,
        max_size=40,
    ).filter(lambda rows: any(row[3] for row in rows)),
    k=st.integers(1, 45),
    order=st.randoms(use_true_random=False),
)
def test_a_search_among_some_is_the_search_of_an_index_of_these(
    rows: list, k: int, order: object
) -> None:
    ids = [f"d{n}" for n in range(len(rows))]
    order.shuffle(ids)
    vectors = _unit(np.array([row[:3] for row in rows], np.float32))
    allowed = np.array([row[3] for row in rows])
    queries = _queries(np.array([[1, 1, 0], [1, 0, 0], [1, 2, 3]], np.float32))
    alone = build_index([name for name, one in zip(ids, allowed, strict=True) if one],
                        vectors[allowed])  # fmt: skip
    assert search(build_index(ids, vectors), queries, k, allowed) == search(alone, queries, k)


def test_ties_at_the_end_of_a_long_answer_are_all_looked_at() -> None:
    vectors = np.repeat(_random(2), [5, 200], axis=0)
    ids = [f"d{n:03}" for n in np.random.default_rng(0).permutation(205)]
    docs = search(build_index(ids, vectors), _queries(vectors[-1:]), 3)[0]
    assert [doc.doc_id for doc in docs] == sorted(ids[5:], reverse=True)[:3]


def test_saved_and_loaded_again_an_index_is_the_same_and_so_are_its_bytes(tmp_path: Path) -> None:
    index = build_index([f"d{n}" for n in range(50)], _random(50))
    save_index(index, tmp_path / "a")
    save_index(build_index(list(index.doc_ids), _random(50)), tmp_path / "b")
    for name in ("documents.faiss", "doc_ids.parquet"):
        assert sha256_of(tmp_path / "a" / name) == sha256_of(tmp_path / "b" / name)
    again = load_index(tmp_path / "a")
    assert again.doc_ids == index.doc_ids
    np.testing.assert_array_equal(again.vectors, _random(50))


def test_saved_and_loaded_again_queries_are_the_same(tmp_path: Path) -> None:
    save_queries(_queries(_random(5)), tmp_path)
    again = load_queries(tmp_path)
    assert again.query_ids == ("q0", "q1", "q2", "q3", "q4")
    np.testing.assert_array_equal(again.vectors, _random(5))


def test_vectors_with_nan_are_refused_by_name() -> None:
    vectors = _random(5)
    vectors[[1, 3]] = np.nan
    with pytest.raises(InputError, match=r"2 vectors with NaN or infinity \(b, d\)"):
        build_index(list("abcde"), vectors)
    with pytest.raises(InputError, match=r"NaN or infinity \(q1, q3\)"):
        search(build_index(list("abcde"), _random(5)), _queries(vectors), 1)


def test_lengths_are_held_to_a_thousandth() -> None:
    build_index(list("ab"), _random(2) * np.float32(1.0009))
    with pytest.raises(InputError, match=r"another length than 1 \(a, b\)"):
        build_index(list("ab"), _random(2) * np.float32(1.002))
    with pytest.raises(InputError, match="another length"):
        build_index(["a"], np.zeros((1, 4), np.float32))


def test_ids_have_to_be_unique_and_as_many_as_vectors() -> None:
    with pytest.raises(InputError, match=r"1 doc_ids more than once \(a\)"):
        build_index(["a", "b", "a"], _random(3))
    with pytest.raises(InputError, match="one row for each of 2 ids"):
        build_index(["a", "b"], _random(3))


def test_queries_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match="4 dimensions, expected the index's 8"):
        search(build_index(["a"], _random(1)), _queries(_random(1, 4)), 1)
    with pytest.raises(InputError, match="k = 0"):
        search(build_index(["a"], _random(1)), _queries(_random(1)), 0)


def test_missing_torn_and_mixed_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_index(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        load_queries(tmp_path)
    save_index(build_index(["a", "b"], _random(2)), tmp_path)
    save_queries(_queries(_random(2)), tmp_path)
    save_index(build_index(["a"], _random(1)), tmp_path / "other")
    (tmp_path / "doc_ids.parquet").write_bytes(
        (tmp_path / "other" / "doc_ids.parquet").read_bytes()
    )
    with pytest.raises(InputError, match="2 vectors, expected one for each of the 1 ids"):
        load_index(tmp_path)
    for name in ("documents.faiss", "queries.npy"):
        (tmp_path / name).write_bytes(b"torn")
    for load in (load_index, load_queries):
        with pytest.raises(InputError, match="no readable file"):
            load(tmp_path)


@pytest.mark.parametrize(
    "array",
    [
        *(np.float32(1), np.ones(2, np.float32), np.ones((2, 8, 1), np.float32)),
        *(np.ones((2, 8)), np.ones((2, 8), np.int64), np.ones((2, 8), bool)),
        *(np.array([["a"] * 8] * 2), np.ones((2, 8), ">f4"), np.ones((2, 8), np.complex64)),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_an_array_that_is_no_table_of_vectors_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    save_queries(_queries(_random(2)), tmp_path)
    np.save(tmp_path / "queries.npy", array)
    with pytest.raises(InputError, match=r"an array of shape .* and type .*dvc repro"):
        load_queries(tmp_path)


def test_an_archive_of_arrays_and_pickled_objects_are_refused(tmp_path: Path) -> None:
    save_queries(_queries(_random(2)), tmp_path)
    path = tmp_path / "queries.npy"
    with path.open("wb") as stream:
        np.savez(stream, vectors=_random(2))
    with pytest.raises(InputError, match=r"found NpzFile, expected vectors of queries"):
        load_queries(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="no readable file"):
        load_queries(tmp_path)
    np.save(path, np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(InputError, match="no readable file"):
        load_queries(tmp_path)


def test_an_index_of_another_kind_is_refused(tmp_path: Path) -> None:
    save_index(build_index(["a", "b"], _random(2)), tmp_path)
    for other in (faiss.IndexFlatL2(8), faiss.IndexHNSWFlat(8, 4), faiss.IndexLSH(8, 8)):
        other.add(_random(2))
        faiss.write_index(other, str(tmp_path / "documents.faiss"))
        with pytest.raises(InputError, match=r"another kind \(Index.*dvc repro"):
            load_index(tmp_path)


def test_a_torn_index_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    save_index(build_index(["a", "b"], _random(2)), tmp_path)
    path = tmp_path / "documents.faiss"
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match="no readable file"):
            load_index(tmp_path)


@pytest.mark.parametrize("number", [np.nan, np.inf, 2.0])
def test_an_index_whose_numbers_were_changed_is_refused(tmp_path: Path, number: float) -> None:
    save_index(build_index(["a", "b"], _random(2)), tmp_path)
    path = tmp_path / "documents.faiss"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4] + np.float32(number).tobytes())  # the last number of the last row
    with pytest.raises(InputError, match=r"documents\.faiss: found 1 vectors .*\(b\).*dvc repro"):
        load_index(tmp_path)


def test_distinct_rows_do_not_depend_on_the_order_given() -> None:
    vectors = np.repeat(_random(4), 3, axis=0)
    vectors[0] = vectors[1] = 0
    vectors[1] = -vectors[1]  # -0.0 is 0.0
    shuffled = np.random.default_rng(0).permutation(len(vectors))
    first, kind = distinct_rows(vectors)
    again, there = distinct_rows(vectors[shuffled])
    assert len(first) == 5
    np.testing.assert_array_equal(vectors[first], vectors[shuffled][again])
    np.testing.assert_array_equal(kind[shuffled], there)


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 40), width=st.integers(1, 7))
def test_distinct_rows_are_those_of_sorting_whole_rows(seed: int, count: int, width: int) -> None:
    """Few different numbers, so that many rows are the same, or begin the same."""
    chance = np.random.default_rng(seed)
    numbers = np.array([-0.0, 0.0, 1.0, -2.5], np.float32)
    vectors = numbers[chance.integers(0, len(numbers), (count, width))]
    first, kind = distinct_rows(vectors)
    whole = [(row + np.float32(0)).tobytes() for row in vectors]
    known = sorted(set(whole))
    assert [whole[row] for row in first] == known
    assert first.tolist() == [whole.index(one) for one in known]
    assert [known[one] for one in kind] == whole


def test_the_rows_of_an_index_outlive_it_and_are_not_written_to() -> None:
    vectors = _random(3)
    rows = build_index(["a", "b", "c"], vectors).vectors
    gc.collect()
    np.testing.assert_array_equal(rows, vectors)
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 0


def test_an_index_filled_in_place_is_checked_as_one_of_given_vectors(tmp_path: Path) -> None:
    flat, rows = room_for(2, 8)
    with pytest.raises(InputError, match="another length than 1"):
        checked_index(["a", "b"], flat)
    rows[:] = _random(2)
    for folder, index in (
        (tmp_path / "one", checked_index(["a", "b"], flat)),
        (tmp_path / "other", build_index(["a", "b"], _random(2))),
    ):
        folder.mkdir()
        save_index(index, folder)
    one, other = (tmp_path / name / "documents.faiss" for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


def test_a_score_depends_on_its_two_vectors_only() -> None:
    """In float32 this fails on most machines: one row alone takes another kernel than many."""
    queries, documents = _random(70, 512), _random(301, 512, seed=1)
    together = inner_products(queries, documents)
    for q, d in ((0, 0), (69, 300), (33, 150)):
        alone = inner_products(queries[q : q + 1], documents[d : d + 1])
        assert alone[0, 0] == together[q, d]
