"""Runs and qrels as trec_eval and ir_measures read them, gzipped.

A run file holds one ranked list a query_id, so settings are files: `mono` (each query against its
own language) and `multi` (against the pool), or `cross` where all documents are in one language
and a query has one list. Other cross-lingual lists, one per pair of languages, would be 14 million
lines for XQuAD-R: `write_pair` makes those of one pair when they are wanted (`polybatch runs`), to
any depth: AP by another tool is ours where the run holds all documents.
Scores are written with as many digits as a float32 needs, so a tool that sorts them again, by
score, then by doc_id, both descending, finds our ranks.
"""

from __future__ import annotations

import gzip
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.files import gzipped, whole_file
from polybatch.core.languages import POOL, LanguagePair
from polybatch.retrieval.ranks import rank
from polybatch.retrieval.score_rows import PartScores, ScoreRows

_LEVEL = 3  # of gzip: XQuAD-R's two runs in 2 s; level 9 saves a tenth and takes ten times as long


def write_runs(dataset: Dataset, runs: pl.DataFrame, folder: Path, tag: str) -> list[Path]:
    """Write `{mono,cross,multi}.{run,qrels}.gz` of a dataset into `folder`; same rows, same bytes.

    `runs`: ranks.TOP, as evaluate returns it; `tag`: the run's name, the strategy. A setting the
    dataset lacks (no document in a query's language; documents in one language) has no files, nor
    has `cross` where documents are in several.
    InputError for ids with white space, which separates columns in these formats.
    """
    _refuse_spaces(dataset, tag)
    texts = {}
    for setting, rows in _settings(dataset, runs):
        judged = _judgements(dataset, setting)
        texts[folder / f"{setting}.run.gz"] = run_lines(rows, tag)
        texts[folder / f"{setting}.qrels.gz"] = judged.select(
            "query_id", pl.lit("0").alias("0"), "doc_id", "relevance"
        )
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(_write_gzip, texts.values(), texts))
    return list(texts)


def run_lines(runs: pl.DataFrame, tag: str) -> pl.DataFrame:
    """Return the six columns of a TREC run: query_id Q0 doc_id rank score tag.

    Example:
        >>> rows = pl.DataFrame({"query_id": "q", "doc_id": "d", "rank": 1, "score": 0.5})
        >>> run_lines(rows, "mono").rows()
        [('q', 'Q0', 'd', 1, 0.5, 'mono')]
    """
    q0, name = pl.lit("Q0").alias("Q0"), pl.lit(tag).alias("tag")
    return runs.select("query_id", q0, "doc_id", "rank", "score", name)


RUN = pl.Schema(
    {
        "query_id": pl.String,
        "q0": pl.String,
        "doc_id": pl.String,
        "rank": pl.Int64,
        "score": pl.Float64,
        "tag": pl.String,
    }
)


def read_run(path: Path) -> pl.DataFrame:
    r"""Return a run file, RUN; no rows where there is no file, as a setting may be lacking.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "multi.run.gz"
        >>> _ = path.write_bytes(gzip.compress(b"q1 Q0 d7 1 0.5 bm25\n"))
        >>> read_run(path).rows(), read_run(path.with_name("mono.run.gz")).rows()
        ([('q1', 'Q0', 'd7', 1, 0.5, 'bm25')], [])
    """
    if not path.is_file():
        return pl.DataFrame(schema=RUN)
    lines = gzip.decompress(path.read_bytes())
    return pl.read_csv(lines, separator=" ", has_header=False, schema=RUN, quote_char=None)


def pair_run(dataset: Dataset, source: ScoreRows, pair: LanguagePair, depth: int) -> pl.DataFrame:
    """Return the runs (ranks.TOP) of the queries in one language against documents in another."""
    asked = (dataset.queries["lang"] == pair.query).to_numpy()
    held = (dataset.corpus["lang"] == pair.document).to_numpy()
    part = Dataset(
        f"{dataset.name} {pair}",
        dataset.queries.filter(asked),
        dataset.corpus.filter(held),
        dataset.qrels,
    )
    scores = PartScores.of_source(source, np.flatnonzero(asked), np.flatnonzero(held))
    top = rank(part, scores, depth).top
    return top.filter(doc_lang=POOL).with_columns(doc_lang=pl.lit(pair.document))


def judged_pairs(dataset: Dataset) -> list[LanguagePair]:
    """Return the pairs of languages with a query that has a relevant document, sorted."""
    relevant = dataset.qrels.filter(pl.col("relevance") > 0)
    asked = dataset.queries.select("item_id", query="lang").join(relevant, on="item_id")
    pairs = asked.join(dataset.corpus.select("doc_id", document="lang"), on="doc_id")
    found = pairs.select("query", "document").unique().sort("query", "document")
    return [LanguagePair(*row) for row in found.rows()]


def write_pair(
    dataset: Dataset,
    source: ScoreRows,
    pair: LanguagePair,
    depth: int,
    folder: Path,
    tag: str,
) -> list[Path]:
    """Write `<query>_<document>.{run,qrels}.gz` of one pair of languages, mono or cross.

    `source`: of the dataset's scores. Refuses a pair without a judged query, and ids with white
    space.

    Raises:
        InputError: no query of the pair is judged, or an id has white space.
    """
    _refuse_spaces(dataset, tag)
    held = dataset.corpus.filter(lang=pair.document).select("doc_id")
    asked = dataset.queries.filter(lang=pair.query).select("query_id", "item_id")
    judged = asked.join(dataset.qrels, on="item_id").join(held, on="doc_id")
    if not judged.filter(pl.col("relevance") > 0).height:
        raise InputError(
            f"{dataset.name} {pair}",
            f"{asked.height} queries, {held.height} documents, none relevant to another",
            "at least one query with a relevant document",
            "Choose another pair",
        )
    judged = _with_relevant(judged)
    runs = pair_run(dataset, source, pair, depth).join(judged, on="query_id", how="semi")
    name = f"{pair.query}_{pair.document}"
    files = [folder / f"{name}.run.gz", folder / f"{name}.qrels.gz"]
    _write_gzip(run_lines(runs, tag), files[0])
    lines = judged.select("query_id", pl.lit("0").alias("0"), "doc_id", "relevance")
    _write_gzip(lines.sort("query_id", "doc_id"), files[1])
    return files


def _settings(dataset: Dataset, runs: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    pool = runs.filter(doc_lang=POOL)
    found = [("mono", runs.filter(pl.col("doc_lang") != POOL))]
    if dataset.corpus["lang"].n_unique() > 1:
        found.append(("multi", pool))
    else:
        found.append(("cross", pool.join(_foreign(dataset), on="query_id", how="semi")))
    return [(setting, rows) for setting, rows in found if rows.height]


def _foreign(dataset: Dataset) -> pl.DataFrame:
    """Return the queries that no document shares its language with."""
    return dataset.queries.join(dataset.corpus, on="lang", how="anti")


def _judgements(dataset: Dataset, setting: str) -> pl.DataFrame:
    asked = _foreign(dataset) if setting == "cross" else dataset.queries
    pairs = asked.select("query_id", "item_id", "lang").join(dataset.qrels, on="item_id")
    if setting == "mono":
        pairs = pairs.join(dataset.corpus.select("doc_id", "lang"), on=["doc_id", "lang"])
    return _with_relevant(pairs).sort("query_id", "doc_id")


def _with_relevant(judged: pl.DataFrame) -> pl.DataFrame:
    """Leave out queries of a list that judges no document relevant, as the scores do."""
    relevant = judged.filter(pl.col("relevance") > 0)
    return judged.join(relevant, on="query_id", how="semi")


def _write_gzip(lines: pl.DataFrame, path: Path) -> None:
    text = io.BytesIO()
    lines.write_csv(text, separator=" ", include_header=False, quote_style="never")
    with whole_file(path) as temporary:
        # No time and no file name inside, so that the same rows give the same bytes.
        temporary.write_bytes(gzipped(text.getbuffer(), _LEVEL))


def _refuse_spaces(dataset: Dataset, tag: str) -> None:
    for what, ids in (
        ("queries/query_id", dataset.queries["query_id"]),
        ("corpus/doc_id", dataset.corpus["doc_id"]),
        ("run tag", pl.Series([tag])),
    ):
        bad = ids.filter(ids.str.contains(r"\s") | (ids.str.len_bytes() == 0))
        if bad.len():
            raise InputError(
                f"{dataset.name}/{what}",
                f"{bad.len()} empty or with white space (first: {bad[0]!r})",
                "ids without it: it separates columns in TREC files",
                "Change how the source's reader makes ids",
            )
