"""Runs written, read back by their formats' rules and scored by trec_eval."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import pytrec_eval

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.files import sha256_of
from polybatch.core.languages import LanguagePair
from polybatch.core.vectors import Float32
from polybatch.evaluation.scores import Scores, evaluate
from polybatch.retrieval.fusion import FusedScores
from polybatch.retrieval.score_rows import VectorScores
from polybatch.retrieval.trec import pair_run, write_pair, write_runs

LANGUAGES = ("en", "sw")


def _world(copies: bool = True) -> tuple[Dataset, Float32, Float32]:
    """Return 20 items in two languages; half the documents share a vector, so that scores tie."""
    rows = [(f"q{i}-{lang}", f"i{i}", lang) for i in range(20) for lang in LANGUAGES]
    docs = [(f"d{i}-{lang}", lang) for i in range(20) for lang in LANGUAGES]
    judged = [(f"i{i}", f"d{i}-{lang}", 1) for i in range(20) for lang in LANGUAGES]
    chance = np.random.default_rng(0)
    documents = chance.standard_normal((40, 24), np.float32)
    documents[::4] = documents[0]
    queries = documents + chance.standard_normal((40, 24), np.float32)
    dataset = Dataset(
        "toy",
        pl.DataFrame(rows, schema=["query_id", "item_id", "lang"], orient="row"),
        pl.DataFrame(docs, schema=["doc_id", "lang"], orient="row"),
        pl.DataFrame(judged, schema=["item_id", "doc_id", "relevance"], orient="row"),
    )
    return dataset, queries, documents


def _scored(depth: int) -> Scores:
    return evaluate(*_world(), ["AP@10", "nDCG@10", "R@10"], depth)


def _read(path: Path) -> list[list[str]]:
    return [line.split() for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


@pytest.mark.parametrize("setting", ["mono", "multi"])
def test_trec_eval_finds_our_scores_in_the_files(setting: str, tmp_path: Path) -> None:
    scores = _scored(10)
    write_runs(_world()[0], scores.runs, tmp_path, "hybrid")
    run: dict[str, dict[str, float]] = {}
    for query, _, doc, _, score, _ in _read(tmp_path / f"{setting}.run.gz"):
        run.setdefault(query, {})[doc] = float(score)
    qrels: dict[str, dict[str, int]] = {}
    for query, _, doc, grade in _read(tmp_path / f"{setting}.qrels.gz"):
        qrels.setdefault(query, {})[doc] = int(grade)
    wanted = {"map_cut.10", "ndcg_cut.10", "recall.10"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(run)
    ours = scores.per_query.filter(setting=setting).with_columns(
        query_id=pl.format("q{}-{}", pl.col("item_id").str.slice(1), "query_lang")
    )
    assert set(ours["query_id"]) == set(theirs)
    names = {"AP@10": "map_cut_10", "nDCG@10": "ndcg_cut_10", "R@10": "recall_10"}
    for query, measure, score in ours.select("query_id", "measure", "score").rows():
        assert score == pytest.approx(theirs[query][names[measure]], abs=1e-12)


def test_a_sort_by_score_then_doc_id_finds_our_ranks(tmp_path: Path) -> None:
    files = write_runs(_world()[0], _scored(15).runs, tmp_path, "hybrid")
    assert [file.name for file in files] == [
        "mono.run.gz", "mono.qrels.gz", "multi.run.gz", "multi.qrels.gz",
    ]  # fmt: skip
    lines = _read(tmp_path / "multi.run.gz")
    assert len(lines) == 40 * 15
    assert {(line[1], line[5]) for line in lines} == {("Q0", "hybrid")}
    again = sorted(lines, key=lambda line: (np.float32(line[4]), line[2]), reverse=True)
    again.sort(key=lambda line: line[0])
    assert again == sorted(lines, key=lambda line: (line[0], int(line[3])))
    assert len({(line[0], line[4]) for line in lines}) < len(lines)  # there are ties
    assert [int(line[3]) for line in lines] == list(range(1, 16)) * 40


def test_scores_survive_the_text_bit_by_bit(tmp_path: Path) -> None:
    runs = _scored(15).runs.with_columns(
        score=pl.Series(np.geomspace(1e-20, 1, 1200).astype(np.float32))[: 15 * 80]
    )
    write_runs(_world()[0], runs, tmp_path, "t")
    written = {(line[0], line[2]): line[4] for line in _read(tmp_path / "multi.run.gz")}
    for query, doc, score in (
        runs.filter(doc_lang="mul").select("query_id", "doc_id", "score").rows()
    ):
        assert np.float32(written[query, doc]) == np.float32(score)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write_runs(_world()[0], _scored(5).runs, tmp_path / folder, "t")
    for file in (tmp_path / "a").iterdir():
        assert sha256_of(file) == sha256_of(tmp_path / "b" / file.name)
        flags, *time = file.read_bytes()[3:8]
        assert (flags, time) == (0, [0, 0, 0, 0]), "a file name or a time inside the gzip"


def test_mono_judgements_hold_the_querys_own_language_only(tmp_path: Path) -> None:
    write_runs(_world()[0], _scored(5).runs, tmp_path, "t")
    for query, zero, doc, grade in _read(tmp_path / "mono.qrels.gz"):
        assert (query[1:], zero, grade) == (doc[1:], "0", "1")
    assert len(_read(tmp_path / "multi.qrels.gz")) == 80


def test_one_language_has_no_pool_files(tmp_path: Path) -> None:
    dataset, queries, documents = _world()
    keep = [dataset.queries["lang"] == "en", dataset.corpus["lang"] == "en"]
    corpus = dataset.corpus.filter(keep[1])
    part = Dataset(
        "toy",
        dataset.queries.filter(keep[0]),
        corpus,
        dataset.qrels.join(corpus.select("doc_id"), on="doc_id"),
    )
    scores = evaluate(part, queries[keep[0].to_numpy()], documents[keep[1].to_numpy()], ["AP"], 5)
    files = write_runs(part, scores.runs, tmp_path, "t")
    assert [file.name for file in files] == ["mono.run.gz", "mono.qrels.gz"]


def _of(dataset: Dataset, docs: pl.Series, grades: pl.Expr) -> Dataset:
    """Return the dataset with these documents, and other grades."""
    corpus = dataset.corpus.filter(docs)
    qrels = dataset.qrels.join(corpus.select("doc_id"), on="doc_id").with_columns(grades)
    return Dataset("toy", dataset.queries, corpus, qrels)


def test_documents_in_one_language_give_the_others_their_only_list(tmp_path: Path) -> None:
    dataset, queries, documents = _world()
    english = dataset.corpus["lang"] == "en"
    part = _of(dataset, english, pl.col("relevance"))
    scores = evaluate(part, queries, documents[english.to_numpy()], ["AP"], 20)
    files = write_runs(part, scores.runs, tmp_path, "t")
    assert {file.name.partition(".")[0] for file in files} == {"mono", "cross"}
    for setting, lang in (("mono", "en"), ("cross", "sw")):
        run, qrels = (tmp_path / f"{setting}.{kind}.gz" for kind in ("run", "qrels"))
        assert {line[0].partition("-")[2] for line in _read(run)} == {lang}
        found = _ir_measures(qrels, run, "AP")
        assert found == pytest.approx(scores.summary["toy"][setting], abs=1e-12)


def test_a_query_that_a_list_judges_without_a_relevant_document_is_left_out(
    tmp_path: Path,
) -> None:
    """As in our scores: item 0 is judged 0 in Swahili, and relevant in English."""
    dataset, queries, documents = _world()
    grade = pl.when(pl.col("doc_id") == "d0-sw").then(0).otherwise("relevance")
    part = _of(dataset, dataset.corpus["doc_id"] != "", grade.alias("relevance"))
    scores = evaluate(part, queries, documents, ["AP"], 40)
    write_runs(part, scores.runs, tmp_path, "t")
    found = _ir_measures(tmp_path / "mono.qrels.gz", tmp_path / "mono.run.gz", "AP")
    swahili = scores.per_query.filter(query_lang="sw", doc_lang="sw")
    english = scores.per_query.filter(query_lang="en", doc_lang="en")
    both = [*swahili["score"], *english["score"]]
    assert (len(swahili), found["AP"]) == (19, pytest.approx(np.mean(both), abs=1e-12))
    source = VectorScores.between(part, queries, documents)
    run, qrels = write_pair(part, source, LanguagePair("en", "sw"), 40, tmp_path, "t")
    cross = scores.per_query.filter(query_lang="en", doc_lang="sw")["score"].mean()
    assert _ir_measures(qrels, run, "AP")["AP"] == pytest.approx(cross, abs=1e-12)


def test_the_run_of_a_pair_agrees_with_the_scores() -> None:
    world = _world()
    ap = evaluate(*world, ["RR@20"]).per_query.filter(query_lang="sw", doc_lang="en")
    run = pair_run(world[0], VectorScores.between(*world), LanguagePair("sw", "en"), 20)
    assert set(run["doc_lang"]) == {"en"}
    assert run.height == 20 * 20
    for item, score in ap.select("item_id", "score").rows():
        query, doc = f"q{item[1:]}-sw", f"d{item[1:]}-en"
        assert run.filter(query_id=query, doc_id=doc)["rank"].item() == round(1 / score)


def _ir_measures(qrels: Path, run: Path, *measures: str) -> dict[str, float]:
    """Return what `ir_measures QRELS RUN measures…` prints, all digits."""
    command = [sys.executable, "-m", "ir_measures", str(qrels), str(run), *measures, "-p", "-1"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {line.split("\t")[0]: float(line.split("\t")[1]) for line in printed.splitlines()}


def test_ir_measures_prints_our_numbers_in_every_setting(tmp_path: Path) -> None:
    """Runs as deep as the pool, so that AP looks at all documents."""
    dataset, queries, documents = _world()
    scores = evaluate(dataset, queries, documents, ["AP", "nDCG@10"], 40)
    write_runs(dataset, scores.runs, tmp_path, "t")
    for setting in ("mono", "multi"):
        files = (tmp_path / f"{setting}.{kind}.gz" for kind in ("qrels", "run"))
        found = _ir_measures(*files, "AP", "nDCG@10")
        assert found == pytest.approx(scores.summary["toy"][setting], abs=1e-12)
    pairs, source = [], VectorScores.between(dataset, queries, documents)
    for pair in (LanguagePair("en", "sw"), LanguagePair("sw", "en")):
        run, qrels = write_pair(dataset, source, pair, 40, tmp_path, "t")
        assert run.name == f"{pair.query}_{pair.document}.run.gz"
        pairs.append(_ir_measures(qrels, run, "AP", "nDCG@10"))
    for measure, value in scores.summary["toy"]["cross"].items():
        assert np.mean([found[measure] for found in pairs]) == pytest.approx(value, abs=1e-12)


def test_a_pair_without_a_judged_query_is_refused(tmp_path: Path) -> None:
    dataset, queries, documents = _world()
    qrels = dataset.qrels.filter(pl.col("doc_id").str.ends_with("-en"))
    part = Dataset("toy", dataset.queries, dataset.corpus, qrels)
    source = VectorScores.between(part, queries, documents)
    with pytest.raises(InputError, match="toy en>sw: found 20 queries, 20 documents, none"):
        write_pair(part, source, LanguagePair("en", "sw"), 40, tmp_path, "t")
    write_pair(part, source, LanguagePair("sw", "en"), 40, tmp_path, "t")


def test_ids_with_white_space_are_refused(tmp_path: Path) -> None:
    dataset = _world()[0]
    runs = _scored(5).runs
    spaced = dataset.corpus.with_columns(doc_id=pl.col("doc_id").str.replace("-", " "))
    with pytest.raises(InputError, match=r"toy/corpus/doc_id: found 40 empty or with white space"):
        write_runs(Dataset("toy", dataset.queries, spaced, dataset.qrels), runs, tmp_path, "t")
    with pytest.raises(InputError, match="run tag"):
        write_runs(dataset, runs, tmp_path, "my run")


def test_the_run_of_a_pair_is_the_same_whatever_the_source_is() -> None:
    """Fusing a source with itself changes no order."""
    world, pair = _world(), LanguagePair("sw", "en")
    source = VectorScores.between(*world)
    fused = FusedScores.of_sources(world[0], source, source)
    shown = ["query_id", "rank", "doc_id"]
    one, other = (pair_run(world[0], each, pair, 20).select(shown) for each in (source, fused))
    assert one.equals(other)
