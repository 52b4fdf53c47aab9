"""Somebody's runs and vectors: scored as trec_eval scores them, and refused with file and line."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import pytrec_eval
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.languages import LanguagePair
from polybatch.core.vectors import Float32
from polybatch.evaluation.language_bias import language_bias
from polybatch.evaluation.scores import evaluate, evaluate_source
from polybatch.retrieval.external import read_external
from polybatch.retrieval.external_runs import RunScores
from polybatch.retrieval.score_rows import VectorScores
from polybatch.retrieval.trec import write_pair, write_runs
from tests.retrieval.test_ranks import World, make_world

MEASURES = ["AP", "AP@5", "nDCG@10", "R@1", "R@10"]
TREC = ["map", "map_cut_5", "ndcg_cut_10", "recall_1", "recall_10"]
Harm = Callable[[Path], object]


@pytest.fixture
def world() -> World:
    return make_world(1, copies=True)


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
