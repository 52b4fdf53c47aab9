"""Approximate indexes against plain sorts by numpy; damage, other makings and full disks."""

from __future__ import annotations

import json
import re
import resource
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of_folder
from polybatch.core.vectors import Float32
from polybatch.retrieval.approximate import ApproximateIndex, build_approximate, factory_of
from polybatch.retrieval.approximate_folder import (
    add_documents,
    fingerprint_of,
    open_approximate,
    refuse_other_source,
    remove_documents,
    save_approximate,
)
from polybatch.retrieval.index import build_index, load_index, save_index
from polybatch.settings.index import IndexSettings

COUNT, DIMENSIONS = 600, 8
IDS = [f"d{n:03}" for n in range(COUNT)]
LANGS = ["sw" if n % 20 == 0 else "en" for n in range(COUNT)]  # 30 documents of 600


def _unit(count: int, seed: int) -> Float32:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSIONS)).astype(np.float32)
    unit: Float32 = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


VECTORS, QUERIES = _unit(COUNT, 0), _unit(12, 1)


def _build(kind: str, search: str = "", sample: int = COUNT, seed: int = 0) -> ApproximateIndex:
    settings = IndexSettings(kind, search, sample, seed, (10,), None)
    return build_approximate(build_index(IDS, VECTORS), LANGS, settings, "abc", 1)


def _sorted(rows: list[int], k: int) -> list[list[int]]:
    """The truth: all products, sorted."""
    scores = QUERIES.astype(np.float64) @ VECTORS[rows].T.astype(np.float64)
    return [[rows[i] for i in each] for each in np.argsort(-scores, axis=1)[:, :k]]


def _found(index: ApproximateIndex, k: int = 10, *languages: str) -> list[list[int]]:
    return [hits.rows.tolist() for hits in index.nearest(QUERIES, k, languages)]


@pytest.mark.parametrize(
    ("kind", "search"),
    [("Flat", ""), ("IVF8,Flat", "nprobe=8"), ("IVF8,Flat,RFlat", "nprobe=8"), ("L2norm,Flat", "")],
)
def test_what_looks_at_everything_finds_what_a_sort_finds(kind: str, search: str) -> None:
    index = _build(kind, search)
    assert _found(index) == _sorted(list(range(COUNT)), 10)
    swahili = [n for n in range(COUNT) if LANGS[n] == "sw"]
    assert _found(index, 10, "sw") == _sorted(swahili, 10)
    assert [len(rows) for rows in _found(index, 1000, "sw")] == [30] * 12
    assert _found(index, 10, "yo") == [[]] * 12


@pytest.mark.parametrize(
    ("kind", "search", "least"),
    [("hnsw", "efSearch=64", 0.9), ("ivf-pq", "nprobe=15", 0.1), ("IVF8,SQ8", "nprobe=4", 0.5)],
)
def test_kinds_find_a_part_of_it_and_only_of_the_languages_asked_for(
    kind: str, search: str, least: float
) -> None:
    index, truth = _build(kind, search), _sorted(list(range(COUNT)), 10)
    pairs = zip(_found(index), truth, strict=True)
    assert np.mean([len({*rows} & {*true}) / 10 for rows, true in pairs]) >= least
    assert all(LANGS[row] == "sw" for rows in _found(index, 10, "sw") for row in rows)
    for hits in index.nearest(QUERIES, 10):
        assert np.all(np.diff(hits.scores) <= 0)


def test_lists_that_are_not_visited_are_what_is_lost() -> None:
    """By hand: two groups far apart, a list each; one visit finds one group's documents alone."""
    vectors = np.repeat(np.eye(2, DIMENSIONS, dtype=np.float32), 40, axis=0)
    exact = build_index([f"d{n}" for n in range(80)], vectors)
    settings = IndexSettings("IVF2,Flat", "nprobe=1", 80, 0, (10,), None)
    found = build_approximate(exact, ["en"] * 80, settings, "", 1).nearest(vectors[:1], 80)
    assert sorted(found[0].rows.tolist()) == list(range(40))


@pytest.mark.parametrize("kind", ["Flat", "hnsw", "IVF8,Flat"])
def test_documents_come_and_go_by_id_as_if_built_anew(kind: str, tmp_path: Path) -> None:
    search = {"IVF8,Flat": "nprobe=8", "hnsw": "efSearch=600"}.get(kind, "")
    settings = IndexSettings(kind, search, 500, 0, (10,), None)
    first = build_approximate(build_index(IDS[:500], VECTORS[:500]), LANGS[:500], settings, "", 1)
    save_approximate(first, tmp_path)
    add_documents(tmp_path, IDS[500:], LANGS[500:], VECTORS[500:])
    gone = [IDS[n] for n in range(0, COUNT, 3)]
    remove_documents(tmp_path, gone)
    kept = [n for n in range(COUNT) if n % 3]
    index = open_approximate(tmp_path)
    assert _found(index) == _sorted(kept, 10)
    assert _found(index, 5, "sw") == _sorted([n for n in kept if LANGS[n] == "sw"], 5)
    add_documents(tmp_path, gone[:1], ["sw"], VECTORS[:1])  # back again, as a new row
    hits = open_approximate(tmp_path).nearest(VECTORS[:1], 1)[0]
    assert hits.rows.tolist() == [COUNT]


def test_documents_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    save_approximate(_build("Flat"), tmp_path)
    before = sha256_of_folder(tmp_path)
    with pytest.raises(InputError, match=r"1 doc_ids that are there already \(d000\)"):
        add_documents(tmp_path, ["d000"], ["en"], VECTORS[:1])
    with pytest.raises(InputError, match=r"there already \(new\)"):
        add_documents(tmp_path, ["new", "new"], ["en", "en"], VECTORS[:2])
    with pytest.raises(InputError, match=r"1 doc_ids that the index lacks \(none\)"):
        remove_documents(tmp_path, ["none", "d000"])
    with pytest.raises(InputError, match="the index's 8 dimensions"):
        add_documents(tmp_path, ["new"], ["en"], np.eye(1, 4, dtype=np.float32))
    with pytest.raises(InputError, match="the index's 8 dimensions"):
        open_approximate(tmp_path).nearest(np.eye(1, 4, dtype=np.float32), 1)
    assert sha256_of_folder(tmp_path) == before


@pytest.mark.parametrize("kind", ["hnsw", "IVF8,PQ2x4"])
def test_the_same_seed_gives_the_same_bytes_and_another_another_sample(
    kind: str, tmp_path: Path
) -> None:
    digests = []
    for number, seed in enumerate((0, 0, 1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        save_approximate(_build(kind, sample=300, seed=seed), folder)
        digests.append((folder / "index.faiss").read_bytes())
    assert digests[0] == digests[1]
    assert (digests[0] != digests[2]) == (kind != "hnsw")  # a graph is not trained


def test_a_mapped_index_answers_as_one_in_memory_and_keeps_its_file(tmp_path: Path) -> None:
    for kind, search in (("hnsw", "efSearch=32"), ("IVF8,PQ2x4", "nprobe=4")):
        folder = tmp_path / kind
        folder.mkdir()
        built = _build(kind, search)
        save_approximate(built, folder)
        mapped = open_approximate(folder)
        assert _found(mapped) == _found(built) == _found(open_approximate(folder, mapped=False))
        before = _found(mapped)
        remove_documents(folder, [IDS[before[0][0]]])  # a new folder in the old one's place
        assert _found(mapped) == before
        assert before[0][0] not in _found(open_approximate(folder))[0]


def test_damage_is_told_by_the_file_and_its_digest(tmp_path: Path) -> None:
    save_approximate(_build("hnsw"), tmp_path)
    for name in ("index.faiss", "documents.parquet"):
        path = tmp_path / name
        whole = path.read_bytes()
        for damaged in (whole[:-1], whole[:100], b"", whole[:200] + b"\x7f" + whole[201:]):
            path.write_bytes(damaged)
            with pytest.raises(
                InputError, match=rf"{name}: found damaged or of another.*dvc repro"
            ):
                open_approximate(tmp_path)
        path.unlink()
        with pytest.raises(InputError, match=rf"{name}: found no such file"):
            open_approximate(tmp_path)
        path.write_bytes(whole)
    for text in ("", "null", "{}", '{"sha256": {}}', "[1]"):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(InputError, match=r"index\.json: found no readable file"):
            open_approximate(tmp_path)


def test_files_that_agree_with_their_digests_and_not_with_each_other(tmp_path: Path) -> None:
    index = _build("Flat")
    short = ApproximateIndex(index.faiss, index.documents.head(3), index.made)
    save_approximate(short, tmp_path)
    with pytest.raises(InputError, match="600 vectors, and 3 documents"):
        open_approximate(tmp_path)


def test_an_index_of_another_exact_one_is_refused_with_both_named(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, ids in ((one, IDS), (other, IDS[::-1])):
        folder.mkdir()
        save_index(build_index(ids, VECTORS), folder)
    settings = IndexSettings("Flat", "", 9, 0, (10,), None)
    index = build_approximate(load_index(one, mapped=True), LANGS, settings, fingerprint_of(one), 1)
    refuse_other_source(index, tmp_path, one)
    both = f"{fingerprint_of(one)}.*{fingerprint_of(other)}"
    with pytest.raises(InputError, match=both):
        refuse_other_source(index, tmp_path, other)


def test_a_full_disk_leaves_the_old_index_whole(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    save_approximate(_build("hnsw"), folder)
    before = sha256_of_folder(folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        with pytest.raises(InputError, match=r"index\.faiss: .*while writing.*Free disk space"):
            remove_documents(folder, IDS[:1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sha256_of_folder(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    assert len(_found(open_approximate(folder))) == 12


@pytest.mark.parametrize(
    ("kind", "search", "says"),
    [
        ("IVF8,Nonsense", "", "IVF8,Nonsense"),
        ("IVF900,Flat", "", "Number of training points"),
        ("SQ8", "nprobe=4", "nprobe"),
        ("PQ2x4", "", "invalid search params"),
    ],
)
def test_what_faiss_cannot_do_is_told(kind: str, search: str, says: str) -> None:
    threads = faiss.omp_get_max_threads()
    with pytest.raises(InputError, match=f"of which FAISS says.*{says}|{says}.*of which FAISS"):
        _build(kind, search)
    assert faiss.omp_get_max_threads() == threads


def test_the_size_decides_the_lists() -> None:
    """4 sqrt(N) lists as FAISS's guidelines say, 39 vectors a list as its trainer asks for."""
    assert factory_of("ivf-pq", 10_000, 384, 100_000) == "IVF256,PQ48"  # 10,000 / 39
    assert factory_of("ivf-pq", 1_000_000, 512, 39_000) == "IVF1000,PQ64"
    assert factory_of("ivf-pq", 5, 7, 100) == "IVF1,PQ1"
    assert factory_of("OPQ64,IVF4096,PQ64", 5, 7, 100) == "OPQ64,IVF4096,PQ64"


def test_what_is_written_beside_it_says_how_it_was_made(tmp_path: Path) -> None:
    save_approximate(_build("IVF8,Flat", "nprobe=3"), tmp_path)
    told = json.loads((tmp_path / "index.json").read_text(encoding="utf-8"))
    assert {**told, "sha256": sorted(told["sha256"])} == {
        **{"kind": "IVF8,Flat", "factory": "IVF8,Flat", "search": "nprobe=3"},
        **{"sample": COUNT, "seed": 0, "source": "abc"},
        "sha256": ["documents.parquet", "index.faiss"],
    }


def test_the_lines_of_the_document_replace_a_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs/use.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    settings = IndexSettings("hnsw", "", COUNT, 0, (10,), None)
    exact = build_index(["d-17", *IDS[1:]], VECTORS)
    place = tmp_path / "served/index"
    place.mkdir(parents=True)
    save_approximate(build_approximate(exact, ["en"] * COUNT, settings, "", 1), place)
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {"vectors": VECTORS[3:4], "query_vectors": VECTORS[3:4]}
    exec(lines, scope)
    (hits,) = scope["hits"]
    assert open_approximate(place).documents["doc_id"][hits.rows].to_list() == ["d-17"]
