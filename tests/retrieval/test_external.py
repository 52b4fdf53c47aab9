"""Somebody's runs: scored as trec_eval scores them, and refused with file and line."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest
import pytrec_eval

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.languages import LanguagePair
from polybatch.evaluation.language_bias import language_bias
from polybatch.evaluation.scores import evaluate, evaluate_source
from polybatch.retrieval.external import read_external
from polybatch.retrieval.external_runs import RunScores
from polybatch.retrieval.score_rows import VectorScores
from polybatch.retrieval.trec import write_pair, write_runs
from tests.helpers.worlds import World

MEASURES = ["AP", "AP@5", "nDCG@10", "R@1", "R@10"]
TREC = ["map", "map_cut_5", "ndcg_cut_10", "recall_1", "recall_10"]


def _truth(world: World, runs: pl.DataFrame, doc_lang: str) -> dict[tuple[str, str], list[float]]:
    """Return {(item_id, query_lang): scores} of one list of every query, by pytrec_eval."""
    dataset = world[0]
    held = dataset.corpus if doc_lang == "mul" else dataset.corpus.filter(lang=doc_lang)
    judged = dataset.queries.join(dataset.qrels, on="item_id").join(held, on="doc_id")
    qrels: dict[str, dict[str, int]] = {}
    for query, doc, grade in judged.select("query_id", "doc_id", "relevance").rows():
        qrels.setdefault(query, {})[doc] = grade
    run: dict[str, dict[str, float]] = {}
    for query, doc, score in runs.select("query_id", "doc_id", "score").rows():
        run.setdefault(query, {})[doc] = score
    wanted = {"map", "map_cut.5", "ndcg_cut.10", "recall.1,10"}
    found = pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(run)
    nothing = dict.fromkeys(TREC, 0.0)  # a query without a line is left out by trec_eval
    positive = {q for q, docs in qrels.items() if max(docs.values()) > 0}
    return {
        (item, lang): [found.get(query, nothing)[name] for name in TREC]
        for query, item, lang in dataset.queries.rows()
        if query in positive
    }


def _ours(world: World, source: RunScores, doc_lang: str) -> dict[tuple[str, str], list[float]]:
    wide = (
        evaluate_source(world[0], source, MEASURES)
        .per_query.filter(doc_lang=doc_lang)
        .pivot("measure", index=["item_id", "query_lang"], values="score")
    )
    return {row[:2]: list(row[2:]) for row in wide.rows()}


@pytest.mark.parametrize("depth", [1, 3, 8, 25])
@pytest.mark.parametrize("packed", [True, False])
def test_runs_that_end_early_score_as_in_trec_eval(
    world: World, tmp_path: Path, depth: int, packed: bool
) -> None:
    """Equal scores, grades and cut lists; relevant documents below the cut are not found."""
    folder = tmp_path / "toy"
    folder.mkdir()
    runs = evaluate(*world, ["AP"], depth).runs.sample(fraction=1, shuffle=True, seed=3)
    gone = world[0].queries["query_id"][0]
    runs = runs.filter(pl.col("query_id") != gone)  # a query that nothing was found for
    for path in write_runs(world[0], runs, folder, "theirs"):
        if not packed:
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    source = read_external(tmp_path, world[0])
    assert isinstance(source, RunScores)
    assert source.unanswered == 1
    pool = runs.filter(doc_lang="mul")
    assert _ours(world, source, "mul") == {
        key: pytest.approx(values, abs=1e-12) for key, values in _truth(world, pool, "mul").items()
    }
    for lang in ("en", "sw", "th"):
        asked = world[0].queries.filter(lang=lang).select("query_id")
        in_pool = pool.join(world[0].corpus.filter(lang=lang), on="doc_id", how="semi")
        for part in (
            runs.filter(doc_lang=lang),
            in_pool.join(asked, on="query_id", how="anti"),
        ):
            own = part.height and part["doc_lang"][0] != "mul"
            expected = {
                key: pytest.approx(values, abs=1e-12)
                for key, values in _truth(world, part, lang).items()
                if (key[1] == lang) == bool(own)
            }
            ours = _ours(world, source, lang)
            assert {k: v for k, v in ours.items() if (k[1] == lang) == bool(own)} == expected
    assert LanguagePair("en", "sw") in source.from_pool
    assert LanguagePair("en", "en") not in source.from_pool


def test_whole_runs_give_back_every_score(world: World, tmp_path: Path) -> None:
    """Runs of all documents, of each setting and pair: the scores are those of the vectors."""
    dataset = world[0]
    scores = evaluate(*world, MEASURES, 25)
    folder = tmp_path / "toy"
    folder.mkdir()
    write_runs(dataset, scores.runs, folder, "t")
    langs = ("en", "sw", "th")
    for pair in (LanguagePair(a, b) for a in langs for b in langs if a != b):
        write_pair(dataset, VectorScores.between(*world), pair, 25, folder, "t")
    source = read_external(tmp_path, dataset)
    assert isinstance(source, RunScores)
    assert source.from_pool == ()
    again = evaluate_source(dataset, source, MEASURES, 25)
    assert again.per_query.equals(scores.per_query)
    assert again.runs.equals(scores.runs)


def test_bias_is_read_off_short_runs_too(world: World, tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    write_runs(world[0], evaluate(*world, ["AP"], 2).runs, tmp_path / "toy", "t")
    found = evaluate_source(world[0], read_external(tmp_path, world[0]), ["AP"], 10)
    bias = language_bias(world[0], found.relevant, found.runs)
    assert bias is not None
    assert bias.panel["Max@R"] <= world[0].corpus.height
    assert found.runs["rank"].max() == 2


def test_one_language_needs_one_run(world: World, tmp_path: Path) -> None:
    dataset, queries, documents = world
    english = (dataset.corpus["lang"] == "en").to_numpy()
    asked = (dataset.queries["lang"] == "en").to_numpy()
    corpus = dataset.corpus.filter(english)
    qrels = dataset.qrels.join(corpus, on="doc_id", how="semi")
    part = Dataset("toy", dataset.queries.filter(asked), corpus, qrels)
    scores = evaluate(part, queries[asked], documents[english], MEASURES, 25)
    (tmp_path / "toy").mkdir()
    assert len(write_runs(part, scores.runs, tmp_path / "toy", "t")) == 2
    source = read_external(tmp_path, part)
    assert evaluate_source(part, source, MEASURES).per_query.equals(scores.per_query)
    with pytest.raises(InputError, match=r"toy: found no multi\.run, and \d pairs of languages"):
        read_external(tmp_path, Dataset("toy", dataset.queries, corpus, dataset.qrels))


def test_the_runs_of_documents_in_one_language_give_back_every_score(
    world: World, tmp_path: Path
) -> None:
    """Questions in three languages, of which each has one list: mono.run and cross.run."""
    dataset, queries, documents = world
    english = (dataset.corpus["lang"] == "en").to_numpy()
    corpus = dataset.corpus.filter(english)
    qrels = dataset.qrels.join(corpus, on="doc_id", how="semi")
    part = Dataset("toy", dataset.queries, corpus, qrels)
    scores = evaluate(part, queries, documents[english], MEASURES, 25)
    (tmp_path / "toy").mkdir()
    runs = write_runs(part, scores.runs, tmp_path / "toy", "t")
    assert {"mono.run.gz", "cross.run.gz"} < {path.name for path in runs}
    source = read_external(tmp_path, part)
    assert evaluate_source(part, source, MEASURES).per_query.equals(scores.per_query)
    (tmp_path / "toy/mono.run.gz").replace(tmp_path / "toy/cross.run.gz")
    with pytest.raises(InputError, match=r"a document in en, expected en and another language"):
        read_external(tmp_path, part)
    with pytest.raises(InputError, match=r"found a run of 'cross'"):
        read_external(tmp_path, dataset)


def _line(query: str = "{q}", doc: str = "{d}", rank: object = 2, score: object = 0.1) -> str:
    return f"{query} Q0 {doc} {rank} {score} t"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (_line(query="nobody"), r"multi\.run:2: found the query 'nobody', expected a query of toy"),
        (_line(doc="d99"), r"multi\.run:2: found the document 'd99', expected a document of toy"),
        ("{q} Q0 {d} 2 0.1", r"multi\.run:2: found 5 columns, expected 6"),
        (_line(rank=1), r"multi\.run:2: found a rank of this query that line 1 has"),
        (_line(doc="{first}"), r"multi\.run:2: found a document of this query that line 1 has"),
        (_line(score="nan"), r"multi\.run:2: found the score b'nan', expected a finite number"),
        (_line(score="inf"), r"multi\.run:2: found the score"),
        (_line(score="1e39"), r"multi\.run:2: found the score"),
        (_line(score="0_1"), r"multi\.run:2: found the score"),
        (_line(score="high"), r"multi\.run:2: found the score"),
        (_line(rank="-1"), r"multi\.run:2: found the rank"),
        (_line(rank="1.5"), r"multi\.run:2: found the rank"),
        (_line(score=0.9), r"multi\.run:2: found rank 2 with the score 0\.9, above the 0\.5"),
        ("x" * 70_000, r"multi\.run: found a line of more than 65536 bytes"),
    ],
)
def test_a_bad_line_is_named(world: World, tmp_path: Path, line: str, message: str) -> None:
    query = world[0].queries["query_id"][0]
    first, other = world[0].corpus["doc_id"][:2]
    line = line.replace("{q}", query).replace("{d}", other).replace("{first}", first)
    (tmp_path / "toy").mkdir()
    text = f"{_line(query, first, 1, 0.5)}\n{line}\n"
    (tmp_path / "toy" / "multi.run").write_text(text)
    with pytest.raises(InputError, match=message):
        read_external(tmp_path, world[0])


def test_documents_of_another_language_are_refused(world: World, tmp_path: Path) -> None:
    dataset = world[0]
    query = dataset.queries.filter(lang="en")["query_id"][0]
    doc = dataset.corpus.filter(lang="th")["doc_id"][0]
    folder = tmp_path / "toy"
    folder.mkdir()
    for name in ("mono.run", "en_sw.run"):
        path = folder / name
        path.write_text(_line(query, doc, 1) + "\n")
        with pytest.raises(
            InputError, match=rf"{name}:1: found a query in en and a document in th"
        ):
            read_external(tmp_path, dataset)
        path.unlink()
    (folder / "en_xx.run").write_text(_line(query, doc, 1) + "\n")
    with pytest.raises(InputError, match=r"en_xx\.run: found a run of 'en_xx', expected multi"):
        read_external(tmp_path, dataset)
