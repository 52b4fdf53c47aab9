"""What an approximate index loses, counted by hand, and the stage that measures it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from polybatch.core.dataset import CORPUS, QRELS, QUERIES, Dataset, write_dataset
from polybatch.core.errors import InputErrorList
from polybatch.core.files import sha256_of_folder
from polybatch.evaluation.fidelity import FIDELITY
from polybatch.reports.html.shape import index_tables
from polybatch.reports.index_page import EXACT
from polybatch.retrieval.approximate_folder import open_approximate
from polybatch.retrieval.index import EncodedQueries, build_index, save_index, save_queries
from polybatch.settings.load import load

ROOT = Path(__file__).parents[2]
SECTION = """
index:
  kind: {kind}
  search: {search}
  sample: 1000
  seed: 0
  k: [10]
  max_loss: {most}
"""
LANGS = ("en", "sw")
OWN, OTHER, POOL = ("mono", 1.0, 1.0), ("cross", 1.0, 0.0), ("multi", 0.5, 0.5)


def _study(folder: Path) -> Path:
    """Write a study of two languages apart, with an answer in each that shares a direction.

    So the answer in the question's language is the first of all documents, and the other one the
    first of its own list and the 41st of the pool.
    """
    queries = [(f"q-{lang}", "item", lang, "?", "test") for lang in LANGS]
    ids = [(lang, f"{lang}-{n:02}") for lang in LANGS for n in range(40)]
    corpus = [(doc, lang, "text", "", "item", None, None) for lang, doc in ids]
    qrels = [("item", f"{lang}-39", 1) for lang in LANGS]
    rows = ((queries, QUERIES), (corpus, CORPUS), (qrels, QRELS))
    tables = [pl.DataFrame(each, schema, orient="row") for each, schema in rows]
    (folder / "data/valid/cldr-test").mkdir(parents=True)
    write_dataset(Dataset("cldr-test", *tables), folder / "data/valid/cldr-test")
    own = np.repeat(np.eye(2, 8), 40, axis=0)
    own[:, 2] = np.tile(np.linspace(0.3, 0.1, 40), 2)
    own[[39, 79], 2:4] = 0, 0.2
    asked = np.eye(2, 8)
    asked[:, 3] = 0.1
    vectors, questions = (
        (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        for rows in (own, asked)
    )
    place = folder / "data/index/hybrid/0/cldr-test"
    place.mkdir(parents=True)
    save_index(build_index([doc for _, doc in ids], vectors), place)
    save_queries(EncodedQueries(("q-en", "q-sw"), questions), place)
    return folder


def _run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str, search: str = '""', most: str = "null"
) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    section = SECTION.format(kind=kind, search=search, most=most) if kind else ""
    (folder / "params.yaml").write_text(text + section, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["approximate"])
    runpy.run_module("polybatch_stages.approximate", run_name="__main__")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _study(tmp_path_factory.mktemp("study"))


def test_a_visit_of_one_list_of_two_loses_the_other_language(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(study, monkeypatch, "IVF2,Flat", "nprobe=1")
    found = pl.read_csv(study / "results/index.csv", schema=FIDELITY)
    expected = [
        ("cldr-test", setting, lang, other, 1, measure, exact, approximate)
        for (setting, exact, approximate), pairs in (
            (OTHER, (("en", "sw"), ("sw", "en"))),
            (OWN, (("en", "en"), ("sw", "sw"))),
            (POOL, (("en", "mul"), ("sw", "mul"))),
        )
        for lang, other in pairs
        for measure in ("AP@10", "R@10")
    ]
    assert sorted(found.rows()) == expected
    (table,) = index_tables(found)
    assert len(table.rows) == 6
    text = (study / "results/index.md").read_text(encoding="utf-8")
    assert "Largest loss: 100.0 of" in text
    assert "| cross | en | sw | 1 | 100.0 | 0.0 | 100.0 | 100.0 | 0.0 | 100.0 |" in text
    assert open_approximate(study / "data/approximate/cldr-test").made.factory == "IVF2,Flat"


def test_too_large_a_loss_fails_and_the_old_index_stays(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(study, monkeypatch, "IVF2,Flat", "nprobe=2", "0.0")  # all lists: nothing is lost
    before = sha256_of_folder(study / "data/approximate")
    with pytest.raises(SystemExit, match=r"cross en>sw: found a loss of 100\.00 .* 3 more .*99\.9"):
        _run(study, monkeypatch, "IVF2,Flat", "nprobe=1", "99.9")
    assert sha256_of_folder(study / "data/approximate") == before
    assert "100.0" in (study / "results/index.md").read_text(encoding="utf-8")
    _run(study, monkeypatch, "IVF2,Flat", "nprobe=1", "100.0")
    assert sha256_of_folder(study / "data/approximate") != before


def test_search_is_exact_where_nothing_else_is_said(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("", "flat"):
        _run(study, monkeypatch, kind)
        assert (study / "results/index.md").read_text(encoding="utf-8") == EXACT
        found = pl.read_csv(study / "results/index.csv", schema=FIDELITY)
        assert found.height == 0
        assert index_tables(found) == []
        assert [one.name for one in (study / "data/approximate").iterdir()] == ["index.json"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("kind: hnsw", "kind: hsnw", "Did you mean 'hnsw'?"),
        ("kind: hnsw", "kind: IDMap,Flat", "or a FAISS factory string"),
        ("search: efSearch=64", "search: ef 64", "Write it as `nprobe=16`"),
        ("k: [10]", "k: [10, 10]", "index.k"),
        ("k: [10]", "k: [1001]", "index.k"),
        ("max_loss: 1", "max_loss: -1", "index.max_loss"),
        ("focus: hybrid ", "focus: bm25 ", "choose a strategy or merge as focus"),
    ],
)
def test_what_params_cannot_say_of_it(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text += SECTION.format(kind="hnsw", search="efSearch=64", most="1")
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    assert load(path).approximate is not None
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputErrorList) as told:
        load(path)
    assert says in str(told.value)
