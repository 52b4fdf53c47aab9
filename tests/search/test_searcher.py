"""`polybatch search` against a slow obvious version, and what it refuses."""

from __future__ import annotations

import gc
import json
import runpy
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import polars as pl
import pytest
import torch

from polybatch.cli import main
from polybatch.core.dataset import Dataset, write_dataset
from polybatch.core.errors import InputError
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.light import LightEncoder
from polybatch.encoders.use_multilingual import UseMultilingual
from polybatch.retrieval.approximate_folder import add_documents, remove_documents
from polybatch.retrieval.index import build_index, load_index, save_index
from polybatch.search.pool import Pool
from polybatch.search.searcher import Request, Searcher
from tests.helpers.small_study import NAME, TEXTS, dataset, write_fusion, write_study

QUESTION = "Hauptstadt von Frankreich"
GRAPH = """
index: {kind: hnsw, search: efSearch=64, sample: 100, seed: 0, k: [10], max_loss: 0}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_study(tmp_path_factory.mktemp("study"))
    params = folder / "params.yaml"
    text = params.read_text(encoding="utf-8").replace("second: hybrid", "second: zero-shot")
    params.write_text(text, encoding="utf-8")
    write_fusion(folder)
    return folder


@pytest.fixture(scope="module")
def searcher(study: Path) -> Searcher:
    return Searcher(study)


@pytest.mark.parametrize("langs", [(), ("tr",), ("en", "tr")])
def test_documents_are_those_of_a_sorted_list_of_all_products(
    study: Path, searcher: Searcher, langs: tuple[str, ...]
) -> None:
    encoder = open_checkpoint(study / "models/zero-shot/0")
    vector = encode_texts(encoder, [QUESTION], 64, 1)[0].astype(np.float64)
    index = load_index(study / "data/index/zero-shot/0" / NAME)
    lang_of = dict(dataset().corpus.select("doc_id", "lang").iter_rows())
    rows = zip(index.doc_ids, index.vectors.astype(np.float64) @ vector, strict=True)
    truth = sorted(
        ((score, doc) for doc, score in rows if not langs or lang_of[doc] in langs), reverse=True
    )[:4]
    found = searcher.search(Request(QUESTION, "zero-shot", None, langs, 4))["results"]
    assert [one["doc_id"] for one in found] == [doc for _, doc in truth]
    assert [one["score"] for one in found] == pytest.approx([score for score, _ in truth], abs=1e-5)


def test_filters_by_language_hold_no_second_copy_of_the_vectors(searcher: Searcher) -> None:
    def indexes() -> int:
        return sum(type(one) is faiss.IndexFlatIP for one in gc.get_objects())

    searcher.search(Request(QUESTION, "zero-shot"))
    before = indexes()
    for langs in (("de",), ("en",), ("tr",), ("de", "en"), ("de", "tr"), ("en", "tr")):
        searcher.search(Request(QUESTION, "zero-shot", None, langs))
    assert indexes() == before > 0


def test_parallel_documents_and_translations_are_the_items_other_languages(
    searcher: Searcher,
) -> None:
    question, answer = TEXTS["rain"]["tr"]
    found = searcher.search(Request(question, "zero-shot", k=1, languages=("tr",)))
    assert found["translations"] == {lang: pair[0] for lang, pair in TEXTS["rain"].items()}
    (best,) = found["results"]
    assert best["text"] == answer
    assert [one["text"] for one in best["parallel"]] == [TEXTS["rain"][x][1] for x in ("de", "en")]


def test_documents_judged_not_to_answer_are_not_parallel() -> None:
    corpus = pl.DataFrame({"doc_id": ["a", "b", "c"], "lang": ["en", "sw", "sw"]})
    qrels = pl.DataFrame({"item_id": "i", "doc_id": ["a", "b", "c"], "relevance": [2, 1, 0]})
    pool = Pool(Dataset("faq", pl.DataFrame(), corpus, qrels))
    assert [pool.parallel(row) for row in range(3)] == [[1], [0], []]


def test_bm25_finds_words_and_the_fusion_both(searcher: Searcher) -> None:
    words = searcher.search(Request("alte Mönche Brücke", "bm25"))["results"]
    assert [one["doc_id"] for one in words] == ["d-bridge-de"]
    both = searcher.search(Request("alte Mönche Brücke", "bm25-hybrid", k=3))["results"]
    assert both[0]["doc_id"] == "d-bridge-de"
    # first in both lists: 1 / (60 + 1) twice
    assert both[0]["score"] == pytest.approx(2 / 61, abs=1e-6)


def test_requests_together_are_answered_as_each_alone(searcher: Searcher) -> None:
    asked = [Request(pair[0], name, k=2) for each in TEXTS.values() for pair in each.values()
             for name in ("zero-shot", "bm25")]  # fmt: skip
    for answer, one in zip(searcher.search_all(asked), asked, strict=True):
        alone = searcher.search(one)
        assert (answer["query"], answer["strategy"]) == (one.query, one.strategy)
        for row, other in zip(answer["results"], alone["results"], strict=True):
            assert row["doc_id"] == other["doc_id"]
            assert row["score"] == pytest.approx(other["score"], abs=1e-5)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Request("  "), "0 characters"),
        (Request("a" * 2001), "1 to 2,000"),
        (Request("a", k=0), "1 to 1,000"),
        (Request("a", "hybird"), "Did you mean 'hybrid'?"),
        (Request("a", "zero-shot-centred"), "one of zero-shot"),
        (Request("a", "zero-shot", "xquad"), "one of cldr-test"),
        (Request("a", "zero-shot", None, ("fr",)), "one of de, en, tr"),
        (Request("a", "hybrid"), "index"),
    ],
)
def test_what_cannot_be_searched_is_told(searcher: Searcher, request_: Request, says: str) -> None:
    with pytest.raises(InputError) as told:
        searcher.search(request_)
    assert says in str(told.value)


def test_k_beyond_the_corpus_gives_all_of_it(searcher: Searcher) -> None:
    assert len(searcher.search(Request("a", "zero-shot", k=1000))["results"]) == 15


def test_an_index_of_another_checkpoint_is_refused_with_both_named(
    study: Path, tmp_path: Path
) -> None:
    shutil.copytree(study, tmp_path / "study")
    checkpoint = tmp_path / "study/models/zero-shot/0"
    shutil.rmtree(checkpoint)
    checkpoint.mkdir()
    module = UseMultilingual()
    with torch.no_grad():
        module.network.combine.bias += 0.5
    save_checkpoint(LightEncoder(module), checkpoint)
    with pytest.raises(InputError, match=r"fingerprint [0-9a-f]{12}.*fingerprint [0-9a-f]{12}"):
        Searcher(tmp_path / "study").search(Request("a", "zero-shot"))


def test_the_focus_is_searched_with_the_approximate_index(
    study: Path, searcher: Searcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph of fifteen documents is searched whole, so the exact answer is the truth."""
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    params = folder / "params.yaml"
    text = params.read_text(encoding="utf-8").replace("focus: hybrid ", "focus: zero-shot ")
    params.write_text(f"{text}{GRAPH}", encoding="utf-8")
    with pytest.raises(InputError, match=r"index\.json.*dvc repro.* of the stage approximate"):
        Searcher(folder).search(Request(QUESTION))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["approximate"])
    runpy.run_module("polybatch_stages.approximate", run_name="__main__")
    place = folder / "data/approximate" / NAME
    remove_documents(place, ["d-capital-de"])
    fast = Searcher(folder)
    for langs in ((), ("tr",), ("de", "en")):
        exact = searcher.search(Request(QUESTION, "zero-shot", None, langs, 6))["results"]
        truth = [one["doc_id"] for one in exact if one["doc_id"] != "d-capital-de"][:5]
        found = fast.search(Request(QUESTION, None, None, langs, 5))["results"]
        assert [one["doc_id"] for one in found] == truth
    add_documents(place, ["new"], ["de"], np.eye(1, 512, dtype=np.float32))
    with pytest.raises(InputError, match=r"1 documents that the dataset lacks \(new\)"):
        Searcher(folder).search(Request(QUESTION))
    index = folder / "data/index/zero-shot/0" / NAME
    save_index(build_index([*load_index(index).doc_ids][::-1], load_index(index).vectors), index)
    with pytest.raises(InputError, match=r"fingerprint [0-9a-f]{12}.*fingerprint [0-9a-f]{12}"):
        Searcher(folder).search(Request(QUESTION))


def test_what_a_run_made_again_is_opened_again(study: Path, tmp_path: Path) -> None:
    """By a searcher that had opened it; the truth is a new one."""
    folder, asked = tmp_path / "study", Request(QUESTION, "zero-shot", k=15)
    shutil.copytree(study, folder)
    old = Searcher(folder)
    assert len(old.search(asked)["results"]) == 15
    opened = old.ranker("zero-shot", NAME)
    assert old.ranker("zero-shot", NAME) is opened
    left, gone = dataset(), pl.col("doc_id") == "d-capital-de"
    left = replace(left, corpus=left.corpus.filter(~gone), qrels=left.qrels.filter(~gone))
    index, before = folder / "data/index/zero-shot/0" / NAME, old.search(asked)
    known = load_index(index)
    shutil.rmtree(folder / "data/valid" / NAME)  # as DVC does before a stage runs
    assert old.search(asked) == before
    (folder / "data/valid" / NAME).mkdir()
    write_dataset(left, folder / "data/valid" / NAME)
    assert old.search(asked)["results"] == before["results"][:14]
    shutil.rmtree(index.parent)
    assert old.ranker("zero-shot", NAME) is opened
    index.mkdir(parents=True)
    rows = [row for row, doc_id in enumerate(known.doc_ids) if doc_id != "d-capital-de"]
    save_index(build_index([known.doc_ids[row] for row in rows], known.vectors[rows]), index)
    found = old.search(asked)
    assert found == Searcher(folder).search(asked)
    assert len(found["results"]) == 14


def test_the_command_prints_lines_and_json(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["search", QUESTION, "--strategy", "zero-shot", "--k", "2", "--folder", str(study)]
    assert main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "zero-shot on cldr-test: 2 documents"
    assert main([*given, "--json", "--lang", "de"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["results"][0]["doc_id"] == "d-capital-de"
