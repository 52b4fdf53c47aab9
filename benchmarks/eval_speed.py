"""Scoring vectors of XQuAD-R's size: time and memory, ours beside what one would use instead.

    python benchmarks/eval_speed.py [--repeats 3] [--sample 200]

13,090 queries x 13,014 documents x 512 dimensions in 11 languages, random unit vectors; all 121
pairs of languages and the pool, 7 measures. Ours scores everything and makes the TREC runs.
The others are given what they need, for a sample of the queries: pytrec_eval and ranx a dictionary
of every score of every pair, sentence-transformers' InformationRetrievalEvaluator the vectors (one
evaluator a pair of languages, AP over all documents, as ours). Their time is scaled to all queries
(it is linear in them, but for what sentence-transformers does once a pair, so let the sample be
large), their memory is the sample's. ranx (`pip install ranx`) compiles first; that is not counted.
Each contender runs in a process of its own, so that peak memory is its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from polybatch.core.dataset import Dataset
from polybatch.core.vectors import Float32
from polybatch.evaluation.scores import evaluate
from polybatch.retrieval.trec import write_runs

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
ITEMS, DOCUMENTS, DIMENSIONS, DEPTH = 1190, 13014, 512, 100
MEASURES = ("AP", "AP@20", "nDCG@10", "RR@10", "R@1", "R@10", "R@100")


def world() -> tuple[Dataset, Float32, Float32]:
    """Return a dataset of XQuAD-R's size, one relevant document an item and language."""
    chance = np.random.default_rng(0)
    langs = [LANGUAGES[n % len(LANGUAGES)] for n in range(DOCUMENTS)]
    corpus = pl.DataFrame({"doc_id": [f"d{n:05}" for n in range(DOCUMENTS)], "lang": langs})
    asked = [(f"i{i:04}", lang) for i in range(ITEMS) for lang in LANGUAGES]
    queries = pl.DataFrame(asked, schema=["item_id", "lang"], orient="row").with_columns(
        query_id=pl.format("{}-{}", "item_id", "lang")
    )
    judged = [(f"i{i // 11:04}", f"d{i % DOCUMENTS:05}", 1) for i in range(ITEMS * 11)]
    qrels = pl.DataFrame(judged, schema=["item_id", "doc_id", "relevance"], orient="row")
    documents = chance.standard_normal((DOCUMENTS, DIMENSIONS), dtype=np.float32)
    asked_vectors = documents[np.arange(len(asked)) % DOCUMENTS]
    asked_vectors = asked_vectors + 3 * chance.standard_normal(
        asked_vectors.shape, dtype=np.float32
    )
    return Dataset("xquad-r-sized", queries, corpus, qrels), _unit(asked_vectors), _unit(documents)


def ours(sample: int) -> dict[str, float]:
    dataset, queries, documents = world()
    start = time.perf_counter()
    evaluate(dataset, queries, documents, MEASURES)
    scored = time.perf_counter()
    scores = evaluate(dataset, queries, documents, MEASURES, DEPTH)
    ran = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        files = write_runs(dataset, scores.runs, Path(folder), "bench")
        written = time.perf_counter()
        size = sum(path.stat().st_size for path in files)
        scores.per_query.write_parquet(Path(folder) / "s", compression="zstd", statistics=False)
        table = (Path(folder) / "s").stat().st_size
    return {
        "seconds, scores only": scored - start,
        "seconds, scores and runs": ran - scored,
        "seconds, writing runs": written - ran,
        "peak MiB": _peak(),
        "MiB of runs": size / 2**20,
        "MiB of scores": table / 2**20,
        "AP multi": scores.summary[dataset.name]["multi"]["AP"],
    }


Runs = dict[str, dict[str, float]]
Qrels = dict[str, dict[str, int]]


def by_dictionaries(sample: int, score: Callable[[Qrels, Runs], float]) -> dict[str, float]:
    """Time a tool that scores {query: {document: score}}, a language of documents at a time."""
    dataset, queries, documents = world()
    langs, ids = dataset.corpus["lang"].to_numpy(), dataset.corpus["doc_id"].to_numpy()
    blocks = [np.flatnonzero(langs == lang) for lang in LANGUAGES] + [np.arange(len(ids))]
    judged = dataset.queries.join(dataset.qrels, on="item_id").rows_by_key("query_id", named=True)
    chosen = np.random.default_rng(1).choice(len(queries), sample, replace=False)
    start = time.perf_counter()
    scores = queries[chosen] @ documents.T
    pool = []
    for block in blocks:
        names = ids[block].tolist()
        inside = set(names)
        run, qrels = {}, {}
        for row, query in enumerate(dataset.queries["query_id"].gather(chosen)):
            run[query] = dict(zip(names, scores[row, block].tolist(), strict=True))
            relevant = {row["doc_id"]: 1 for row in judged[query] if row["doc_id"] in inside}
            qrels[query] = relevant
        pool = score(qrels, run)
    return _scaled(time.perf_counter() - start, sample, len(queries), pool)


def _scaled(seconds: float, sample: int, queries: int, pool: float) -> dict[str, float]:
    return {
        f"seconds for {sample} queries": seconds,
        f"seconds, scaled to {queries}": seconds * queries / sample,
        "peak MiB of the sample": _peak(),
        "AP multi of the sample": pool,
    }


def pytrec_eval_way(sample: int) -> dict[str, float]:
    import pytrec_eval

    wanted = {"map", "map_cut.20", "ndcg_cut.10", "recip_rank", "recall.1,10,100"}

    def score(qrels: Qrels, run: Runs) -> float:
        result = pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(run)
        return float(np.mean([value["map"] for value in result.values()]))

    return by_dictionaries(sample, score)


def ranx_way(sample: int) -> dict[str, float]:
    from ranx import Qrels as RanxQrels
    from ranx import Run, evaluate

    wanted = ["map", "map@20", "ndcg@10", "mrr@10", "recall@1", "recall@10", "recall@100"]

    def score(qrels: Qrels, run: Runs) -> float:
        asked = {query: found for query, found in qrels.items() if found}
        kept = {query: run[query] for query in asked}
        return float(evaluate(RanxQrels(asked), Run(kept), wanted)["map"])

    score({"q": {"d": 1}}, {"q": {"d": 1.0}})  # compile
    return by_dictionaries(sample, score)


class _Given:
    """Stands for an encoder: a text is the number of its vector."""

    similarity_fn_name = "dot"

    def __init__(self, queries: Float32, documents: Float32) -> None:
        self.sides = {"query": queries, "document": documents}

    def take(self, side: str, numbers: list[str]) -> Any:
        return torch.from_numpy(self.sides[side][[int(number) for number in numbers]])


def sentence_transformers_way(sample: int) -> dict[str, float]:
    from sentence_transformers.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.util import dot_score

    class Evaluator(InformationRetrievalEvaluator):  # type: ignore[misc]
        def embed_inputs(self, model: Any, inputs: Any, encode_fn_name: str, **_: Any) -> Any:
            return model.take(encode_fn_name, inputs)

    dataset, queries, documents = world()
    given = _Given(queries, documents)
    langs, ids = dataset.corpus["lang"].to_numpy(), dataset.corpus["doc_id"].to_list()
    asked = dataset.queries["lang"].to_numpy()
    names = dataset.queries["query_id"].to_list()
    judged = dataset.queries.join(dataset.qrels, on="item_id").rows_by_key("query_id", named=True)
    chosen = np.random.default_rng(1).choice(len(queries), sample, replace=False)
    everything = np.arange(len(ids))
    pairs = [
        (chosen[asked[chosen] == one], np.flatnonzero(langs == other))
        for one in LANGUAGES
        for other in LANGUAGES
    ]
    start = time.perf_counter()
    pool = 0.0
    for rows, block in [*pairs, (chosen, everything)]:
        inside = {ids[n] for n in block}
        evaluator = Evaluator(
            {names[n]: str(n) for n in rows},
            {ids[n]: str(n) for n in block},
            {names[n]: {row["doc_id"] for row in judged[names[n]]} & inside for n in rows},
            mrr_at_k=[10],
            ndcg_at_k=[10],
            accuracy_at_k=[1],
            precision_recall_at_k=[1, 10, 100],
            map_at_k=[20, len(block)],
            score_functions={"dot": dot_score},
            write_csv=False,
        )
        if evaluator.queries_ids:
            found = evaluator.compute_all_metrics(given)["dot"]
            pool = float(found["map@k"][len(block)])
    return _scaled(time.perf_counter() - start, sample, len(queries), pool)


def _unit(vectors: Float32) -> Float32:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _alone(work: Callable[[int], dict[str, float]], sample: int) -> dict[str, float]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (sample,))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sample", type=int, default=200)
    arguments = parser.parse_args()
    ways = {
        "polybatch": ours,
        "pytrec_eval": pytrec_eval_way,
        "sentence-transformers": sentence_transformers_way,
    }
    if importlib.util.find_spec("ranx"):
        ways["ranx"] = ranx_way
    for name, work in ways.items():
        results = [_alone(work, arguments.sample) for _ in range(arguments.repeats)]
        sys.stdout.write(f"{name} (median of {arguments.repeats})\n")
        for key in results[0]:
            value = statistics.median(result[key] for result in results)
            sys.stdout.write(f"  {key}: {value:.3f}\n")


if __name__ == "__main__":
    main()
