"""Scores of every query in every setting, and their means.

A judged query is a query and the documents it is held against: those of one language (`mono` if
its own, `cross` if another) or the pool of all (`multi`, written `mul`). A query whose item has no
relevant document in a language is not judged there: left out of the mean, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.languages import POOL
from polybatch.core.vectors import Float32, Int64
from polybatch.evaluation.measures import NEVER, Float64, Found, parse, score_all
from polybatch.retrieval.ranks import Ranking, Relevant, rank
from polybatch.retrieval.score_rows import ScoreRows, VectorScores

SETTINGS = ("mono", "cross", "multi")
SCORES = pl.Schema(
    {
        "dataset": pl.String,
        "setting": pl.String,
        "query_lang": pl.String,
        "doc_lang": pl.String,
        "item_id": pl.String,
        "measure": pl.String,
        "score": pl.Float64,
    }
)
HEATMAP = pl.Schema(
    {
        "dataset": pl.String,
        "measure": pl.String,
        "query_lang": pl.String,
        "doc_lang": pl.String,
        "value": pl.Float64,
    }
)
Summary = dict[str, dict[str, dict[str, float]]]
Counts = dict[str, dict[str, dict[str, int]]]

_KEY = ["dataset", "setting", "query_lang", "doc_lang", "item_id"]
_HEAT = "AP"


@dataclass(frozen=True)
class Scores:
    """What one encoder scores on one dataset.

    `per_query`: SCORES, sorted. `summary`: {dataset: {setting: {measure: value}}}, means over
    queries, then over languages (mono), pairs (cross), or query languages (multi: the pool).
    `counts`: {dataset: {setting: {"lists", "judged", "not_judged"}}}, a list being one of those.
    A setting that a dataset does not have (`cross` with one language, `multi` with documents in
    one) is in `counts` with 0 lists, and not in `summary`. `heatmap`: HEATMAP. `runs`: ranks.TOP.
    `relevant`: the ranks of the relevant documents.
    """

    per_query: pl.DataFrame
    summary: Summary
    counts: Counts
    heatmap: pl.DataFrame
    runs: pl.DataFrame
    relevant: Relevant


def left_out(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return how many queries each setting has no relevant document for; "" where it is none.

    `counts`: of a dataset, as in `Scores.counts`.

    Example:
        >>> left_out({"mono": {"lists": 2, "judged": 3, "not_judged": 0},
        ...           "cross": {"lists": 2, "judged": 1998, "not_judged": 2}})
        '2 of 2,000 (cross)'
    """
    return ", ".join(
        f"{found['not_judged']:,} of {found['judged'] + found['not_judged']:,} ({setting})"
        for setting, found in counts.items()
        if found["not_judged"]
    )


def evaluate(
    dataset: Dataset,
    query_vectors: Float32,
    doc_vectors: Float32,
    measures: Sequence[str],
    run_depth: int = 0,
) -> Scores:
    """Score vectors (Q, D) of the dataset's queries against vectors (N, D) of its corpus, by row.

    `run_depth`: how many documents a query the runs keep. InputError for vectors that are not
    finite or not one a row, and measures that MEASURES lacks.

    Example:
        >>> dataset = Dataset(
        ...     "toy",
        ...     pl.DataFrame({"query_id": ["q"], "item_id": ["i"], "lang": ["en"]}),
        ...     pl.DataFrame({"doc_id": ["a", "b"], "lang": ["en", "sw"]}),
        ...     pl.DataFrame({"item_id": ["i", "i"], "doc_id": ["a", "b"], "relevance": [1, 1]}),
        ... )
        >>> scores = evaluate(dataset, np.eye(1, 2, dtype=np.float32),
        ...                   np.eye(2, dtype=np.float32), ["AP", "R@1"])
        >>> scores.summary["toy"]["multi"]
        {'AP': 1.0, 'R@1': 0.5}
    """
    source = VectorScores.between(dataset, query_vectors, doc_vectors)
    return evaluate_source(dataset, source, measures, run_depth)


def evaluate_source(
    dataset: Dataset, source: ScoreRows, measures: Sequence[str], run_depth: int = 0
) -> Scores:
    """Score any source as `evaluate` scores vectors; a document it did not rank is not found."""
    for name in measures or [""]:
        parse(name)
    ranking = rank(dataset, source, run_depth)
    return _scores(dataset, ranking, list(dict.fromkeys(measures)))


def judged_queries(dataset: Dataset) -> pl.DataFrame:
    """Return every judged query of a dataset: dataset, setting, query_lang, doc_lang, item_id.

    Example:
        >>> queries = pl.DataFrame({"item_id": ["i"], "lang": ["en"]})
        >>> corpus = pl.DataFrame({"doc_id": ["a", "b"], "lang": ["en", "sw"]})
        >>> qrels = pl.DataFrame({"item_id": "i", "doc_id": ["a", "b"], "relevance": 1})
        >>> found = judged_queries(Dataset("toy", queries, corpus, qrels))
        >>> found.select("setting", "query_lang", "doc_lang").rows()
        [('cross', 'en', 'sw'), ('mono', 'en', 'en'), ('multi', 'en', 'mul')]
    """
    relevant = (
        dataset.qrels.filter(pl.col("relevance") > 0)
        .join(dataset.corpus.select("doc_id", doc_lang="lang"), on="doc_id")
        .select("item_id", "doc_lang")
        .unique()
    )
    queries = dataset.queries.select("item_id", query_lang="lang")
    pairs = queries.join(relevant, on="item_id").with_columns(setting=_setting())
    if dataset.corpus["lang"].n_unique() > 1:
        pool = pairs.with_columns(doc_lang=pl.lit(POOL), setting=pl.lit("multi")).unique()
        pairs = pl.concat([pairs, pool])
    return pairs.select(pl.lit(dataset.name).alias("dataset"), *_KEY[1:]).sort(_KEY)


def refuse_missing(dataset: Dataset, per_query: pl.DataFrame) -> None:
    """Raise InputError unless `per_query` has a score of every measure for every judged query.

    Example:
        >>> queries = pl.DataFrame({"item_id": ["i"], "lang": ["en"]})
        >>> corpus = pl.DataFrame({"doc_id": ["a"], "lang": ["en"]})
        >>> qrels = pl.DataFrame({"item_id": ["i"], "doc_id": ["a"], "relevance": [1]})
        >>> refuse_missing(Dataset("toy", queries, corpus, qrels), SCORES.to_frame())
        Traceback (most recent call last):
        polybatch.core.errors.InputError: toy, any measure: found 1 judged queries without a ...
    """
    judged = judged_queries(dataset)
    for scored in per_query.partition_by("measure", maintain_order=True) or [per_query]:
        missing = judged.join(scored, on=_KEY, how="anti")
        if missing.height:
            examples = "; ".join(" ".join(row[1:]) for row in missing.head(3).rows())
            measure = scored["measure"][0] if scored.height else "any measure"
            raise InputError(
                f"{dataset.name}, {measure}",
                f"{missing.height} judged queries without a score ({examples})",
                f"{judged.height} scores",
                "Run the evaluate stage of this strategy again",
            )


def _scores(dataset: Dataset, ranking: Ranking, measures: list[str]) -> Scores:
    computed = list(dict.fromkeys([*measures, _HEAT]))
    wide = _wide(dataset, ranking.relevant, computed).sort(_KEY)
    lists = _list_means(wide, computed)
    per_query = wide.unpivot(
        measures, index=_KEY, variable_name="measure", value_name="score"
    ).select(SCORES.names())
    refuse_missing(dataset, per_query.head(wide.height))  # one measure: the others have its rows
    return Scores(
        per_query,
        {dataset.name: _summary(lists, measures)},
        {dataset.name: _counts(dataset, lists)},
        _heatmap(dataset.name, lists),
        ranking.top,
        ranking.relevant,
    )


def _wide(dataset: Dataset, relevant: Relevant, measures: list[str]) -> pl.DataFrame:
    """Return one row per judged query, one column per measure."""
    doc_langs = sorted(dataset.corpus["lang"].unique())
    codes = {lang: code for code, lang in enumerate(doc_langs)}
    code_of = np.array([codes[lang] for lang in dataset.corpus["lang"]], np.int64)
    owner = relevant.query * len(doc_langs) + code_of[relevant.document]
    in_language = np.where(relevant.in_language_scored, relevant.in_language, NEVER)
    parts = [
        _group(dataset, owner, relevant, in_language, measures).with_columns(
            doc_lang=pl.Series(doc_langs, dtype=pl.String).gather(np.unique(owner) % len(doc_langs))
        )
    ]
    if len(doc_langs) > 1:
        in_pool = np.where(relevant.in_pool_scored, relevant.in_pool, NEVER)
        pool = _group(dataset, relevant.query, relevant, in_pool, measures)
        parts.append(pool.with_columns(doc_lang=pl.lit(POOL)))
    return pl.concat(parts).with_columns(setting=_setting())


def _group(
    dataset: Dataset, owner: Int64, relevant: Relevant, rank: Int64, measures: list[str]
) -> pl.DataFrame:
    """Score the judged queries that `owner` (P,) numbers, in ascending order of its values."""
    _, first, dense = np.unique(owner, return_index=True, return_inverse=True)
    found = Found.of(dense.astype(np.int64), rank, relevant.relevance)
    scores = [pl.Series(name, values) for name, values in score_all(found, measures).items()]
    names = [pl.lit(dataset.name).alias("dataset"), pl.col("item_id")]
    queries = dataset.queries.select(*names, query_lang="lang")[relevant.query[first]]
    return queries.with_columns(scores)


def _setting() -> pl.Expr:
    return (
        pl.when(pl.col("doc_lang") == POOL)
        .then(pl.lit("multi"))
        .when(pl.col("doc_lang") == pl.col("query_lang"))
        .then(pl.lit("mono"))
        .otherwise(pl.lit("cross"))
    )


def _list_means(wide: pl.DataFrame, measures: list[str]) -> pl.DataFrame:
    """Return means over queries and their count, per language, pair, and language's pool.

    Summed with numpy, the smallest first: polars may sum in another order each time, and the
    order of the rows depends on the items' names.
    """
    head = wide.select("setting", "query_lang", "doc_lang")
    keys = head.unique().sort("setting", "query_lang", "doc_lang").with_row_index("list")
    code = head.join(keys, on=head.columns, maintain_order="left")["list"].to_numpy()
    count = np.bincount(code, minlength=keys.height)
    means = {name: _sums(code, wide[name].to_numpy(), keys.height) / count for name in measures}
    return keys.drop("list").with_columns(judged=pl.Series(count, dtype=pl.Int64), **means)


def _sums(code: npt.NDArray[np.generic], scores: Float64, lists: int) -> Float64:
    order = np.argsort(scores)
    return np.bincount(code[order], scores[order], lists).astype(np.float64)


def _summary(lists: pl.DataFrame, measures: list[str]) -> dict[str, dict[str, float]]:
    summary = {}
    for setting in SETTINGS:
        rows = lists.filter(setting=setting)
        if rows.height:
            summary[setting] = {name: float(np.mean(rows[name].to_numpy())) for name in measures}
    return summary


def _counts(dataset: Dataset, lists: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Count lists and queries; not judged: those of a list without a relevant document."""
    doc_langs = set(dataset.corpus["lang"])
    possible = dict.fromkeys(SETTINGS, 0)
    for lang in dataset.queries["lang"]:
        possible["mono"] += lang in doc_langs
        possible["cross"] += len(doc_langs) - (lang in doc_langs)
        possible["multi"] += len(doc_langs) > 1
    counts = {}
    for setting in SETTINGS:
        rows = lists.filter(setting=setting)
        judged = int(rows["judged"].sum())
        counts[setting] = {
            "lists": rows.height,
            "judged": judged,
            "not_judged": possible[setting] - judged,
        }
    return counts


def _heatmap(name: str, lists: pl.DataFrame) -> pl.DataFrame:
    """Return the means of AP, of whatever the study measures: query language x document one."""
    return (
        lists.filter(pl.col("setting") != "multi")
        .select(
            pl.lit(name).alias("dataset"),
            pl.lit(_HEAT).alias("measure"),
            "query_lang",
            "doc_lang",
            value=pl.col(_HEAT),
        )
        .sort("query_lang", "doc_lang")
        .match_to_schema(HEATMAP)
    )
