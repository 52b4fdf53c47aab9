"""Language bias in the pool of all languages: is some language favoured whatever it says.

Everything is read off ranks that exist already: the pool ranks of the relevant documents and the
ten best documents of each query. A question's *parallel answers* are its item's relevant documents
in all languages; a query whose item has them in one language only says nothing about languages and
is left out, and counted. With R the pool ranks of a query's parallel answers:

- `RankDistance`: max(R) - min(R). 0 is impossible with two answers; small is good.
- `Max@R`: max(R), how far down one must read to find them all (the measure that arXiv 2604.05684
  calls so). Its mean, and as `MedianMax@R` its median: one lost answer moves the mean by thousands.
- `Complete@k`: 1 if max(R) <= k, else 0. An answer that the source never ranked is not found.
- `LanguagePreference`: of all pairs (answer in the query's language, answer in another), the share
  in which the former stands higher. 0.5 is no preference, 1 is always the query's own language.
  A pair of which the source ranked neither counts half.
  Queries without an answer in their own language are left out of this one, and counted.
- `SameLanguage@10`: the share of the ten best documents that are in the query's language, against
  `PoolShare`, that language's share of the pool; all queries.
- the matrix: of the ten best documents of queries in language a, the share in language b.

In ranks, answers that the source never ranked stand in the order of ties behind all that it did.
All are means over queries (`MedianMax@R`: the median). Every sum is of whole numbers, or of sorted
ones, so renaming or reordering anything changes no bit.

Letters: Q queries, P (query, relevant document), J queries with parallel answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.languages import POOL
from polybatch.core.vectors import Int64
from polybatch.retrieval.ranks import Relevant

Float64 = npt.NDArray[np.float64]

TOP_DOCUMENTS = 10
"""How many of the best documents `SameLanguage@10` and the matrix count."""

COMPLETE_AT = (10, 100)

PANEL = (
    "RankDistance",
    "Max@R",
    "MedianMax@R",
    *(f"Complete@{k}" for k in COMPLETE_AT),
    "LanguagePreference",
    f"SameLanguage@{TOP_DOCUMENTS}",
    "PoolShare",
)
"""The panel's names in the order they are shown."""

Panel = dict[str, float]


@dataclass(frozen=True)
class Bias:
    """What results/bias/<strategy>/<seed>.json holds of a dataset (docs/measures.md).

    `panel`: {name of PANEL: value}, over all queries; a value that no query defines is absent.
    `by_query_lang`: the same for the queries of each language. `matrix`: {query language:
    {document language: share of the ten best}}, where any was found. `pool`: {document language:
    share of the pool}. `counts`: queries, and how many are left out of what. All these are empty
    for a pool of one language. `vectors`: what `alignment_and_uniformity` returns,
    `distinct_queries`: {language: [different texts, different vectors]}; both empty for a strategy
    without vectors. `tokens`: what `TokenCounts.by_language` returns of the documents.
    `index_bytes`: of what is searched, None where that is somebody else's.

    Example:
        >>> Bias(panel={"Max@R": 3.0}, vectors={"alignment": 0.5}).shown
        {'Max@R': 3.0, 'alignment': 0.5}
    """

    panel: Panel = field(default_factory=dict)
    by_query_lang: dict[str, Panel] = field(default_factory=dict)
    matrix: dict[str, dict[str, float]] = field(default_factory=dict)
    pool: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    vectors: dict[str, float] = field(default_factory=dict)
    distinct_queries: dict[str, list[int]] = field(default_factory=dict)
    tokens: dict[str, dict[str, float | None]] = field(default_factory=dict)
    index_bytes: int | None = None

    @property
    def shown(self) -> dict[str, float]:
        """The panel and what the vectors say, by the names that tables show."""
        return self.panel | self.vectors

    def as_json(self) -> dict[str, object]:
        """Return what is written: all that is not empty. `Bias(**…)` reads it.

        Example:
            >>> Bias(pool={"sw": 1.0}).as_json()
            {'pool': {'sw': 1.0}}
        """
        return {name: value for name, value in vars(self).items() if value}


def language_bias(dataset: Dataset, relevant: Relevant, top: pl.DataFrame) -> Bias | None:
    """Return the panel, or None for a pool of one language.

    `relevant`, `top`: as `ranks.rank_documents` found them; `top` has to reach down to rank 10.

    Example:
        >>> from polybatch.retrieval.ranks import rank_documents
        >>> dataset = Dataset(
        ...     "toy",
        ...     pl.DataFrame({"query_id": ["q"], "item_id": ["i"], "lang": ["en"]}),
        ...     pl.DataFrame({"doc_id": ["a", "b", "c"], "lang": ["en", "en", "sw"]}),
        ...     pl.DataFrame({"item_id": ["i", "i"], "doc_id": ["a", "c"], "relevance": [1, 1]}),
        ... )
        >>> documents = np.array([[0.6, 0.8], [0.8, 0.6], [1, 0]], np.float32)
        >>> found = rank_documents(dataset, np.array([[1, 0]], np.float32), documents, 10)
        >>> bias = language_bias(dataset, found.relevant, found.top)
        >>> bias.panel["RankDistance"], bias.panel["Max@R"], bias.panel["LanguagePreference"]
        (2.0, 3.0, 0.0)
    """
    languages = sorted(dataset.corpus["lang"].unique())
    if len(languages) < 2:
        return None
    queries = dataset.queries.height
    answers = _answers(dataset, relevant)
    found = _top_counts(dataset, top, languages)
    documents = dataset.corpus["lang"].value_counts()
    pool = dict(zip(documents["lang"], documents["count"] / dataset.corpus.height, strict=True))
    langs = dataset.queries["lang"].to_numpy()
    shown_langs = np.unique(langs)
    masks = {str(lang): langs == lang for lang in shown_langs}
    shown = _Shown(found, np.array([pool.get(str(lang), 0.0) for lang in langs]), languages)
    everyone = np.ones(queries, bool)
    return Bias(
        _panel(answers, shown, langs, everyone),
        {lang: _panel(answers, shown, langs, mask) for lang, mask in masks.items()},
        {lang: shares for lang, mask in masks.items() if (shares := shown.shares(mask))},
        {lang: float(pool[lang]) for lang in languages},
        {
            "queries": queries,
            "one_language_only": int(queries - answers.parallel.sum()),
            "no_answer_in_own_language": int((answers.parallel & (answers.pairs == 0)).sum()),
        },
    )


@dataclass(frozen=True)
class _Answers:
    """What the pool ranks of the parallel answers say of each query; each array (Q,)."""

    parallel: npt.NDArray[np.bool_]
    best: Int64
    worst: Int64
    complete: npt.NDArray[np.bool_]  # whether the source ranked them all
    pairs: Int64  # (own language, other language)
    own_first: Int64  # of these, twice those whose own is higher, once those it ranked neither of


def _answers(dataset: Dataset, relevant: Relevant) -> _Answers:
    size = dataset.queries.height
    order = np.lexsort((relevant.in_pool, relevant.query))
    query, rank = relevant.query[order], relevant.in_pool[order]
    document, lost = relevant.document[order], ~relevant.in_pool_scored[order]
    own = (
        dataset.corpus["lang"].gather(document) == dataset.queries["lang"].gather(query)
    ).to_numpy()
    lang = dataset.corpus["lang"].rank("dense").to_numpy()[document]
    queries, first, count = np.unique(query, return_index=True, return_counts=True)
    best, worst, parallel = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, bool)
    best[queries], worst[queries] = rank[first], rank[first + count - 1]
    if len(queries):
        parallel[queries] = np.minimum.reduceat(lang, first) < np.maximum.reduceat(lang, first)
    mine = np.bincount(query, own, size).astype(np.int64)
    others = np.bincount(query, ~own, size).astype(np.int64)
    before = np.cumsum(~own)  # others at or above this place, of this query and earlier ones
    earlier = np.cumsum(others) - others
    below = np.where(own, others[query] - (before - earlier[query]), 0)
    unranked = np.bincount(query, ~own & lost, size).astype(np.int64)
    won = np.where(own & lost, unranked[query], 2 * below)
    own_first = np.bincount(query, won, size).astype(np.int64)
    complete = np.bincount(query, lost, size) == 0
    return _Answers(parallel, best, worst, complete, mine * others, own_first)


@dataclass(frozen=True)
class _Shown:
    """Languages of the ten best: `counts` (Q, languages), the pool's share of the query's (Q,)."""

    counts: Int64
    pool_share: Float64
    languages: list[str]

    def shares(self, chosen: npt.NDArray[np.bool_]) -> dict[str, float]:
        """Return each language's share of the ten best of the chosen queries; {} of no document."""
        totals = self.counts[chosen].sum(axis=0)
        found = totals.sum()
        each = zip(self.languages, totals, strict=True)
        return {lang: float(count / found) for lang, count in each} if found else {}

    def same(self, langs: npt.NDArray[np.object_], chosen: npt.NDArray[np.bool_]) -> float:
        """Return the share of the ten best that are in their query's language."""
        own = langs[:, None] == np.array(self.languages, object)[None, :]
        return float(self.counts[chosen][own[chosen]].sum() / self.counts[chosen].sum())


def _top_counts(dataset: Dataset, top: pl.DataFrame, languages: list[str]) -> Int64:
    """Count the languages of each query's ten best (Q, languages)."""
    rows = top.filter(pl.col("doc_lang") == POOL, pl.col("rank") <= TOP_DOCUMENTS)
    queries = dataset.queries.select("query_id").with_row_index("query")
    codes = pl.DataFrame({"lang": languages}, {"lang": pl.String}).with_row_index("code")
    corpus = dataset.corpus.select("doc_id", "lang").join(codes, on="lang")
    placed = rows.join(queries, on="query_id").join(corpus, on="doc_id")
    cells = placed["query"].cast(pl.Int64) * len(languages) + placed["code"].cast(pl.Int64)
    counts = np.bincount(cells.to_numpy(), minlength=dataset.queries.height * len(languages))
    return counts.reshape(-1, len(languages)).astype(np.int64)


def _panel(
    answers: _Answers,
    shown: _Shown,
    langs: npt.NDArray[np.object_],
    chosen: npt.NDArray[np.bool_],
) -> Panel:
    counted = chosen & answers.parallel
    worst, distance = answers.worst[counted], (answers.worst - answers.best)[counted]
    with_own = counted & (answers.pairs > 0)
    rates = answers.own_first[with_own] / (2 * answers.pairs[with_own])
    complete = answers.complete[counted]
    panel: Panel = {}
    if counted.any():
        panel |= {
            "RankDistance": float(distance.mean()),
            "Max@R": float(worst.mean()),
            "MedianMax@R": float(np.median(worst)),
        } | {f"Complete@{k}": float((complete & (worst <= k)).mean()) for k in COMPLETE_AT}
    if with_own.any():
        panel["LanguagePreference"] = float(np.sort(rates).mean())
    if chosen.any() and shown.counts[chosen].any():
        panel[f"SameLanguage@{TOP_DOCUMENTS}"] = shown.same(langs, chosen)
        panel["PoolShare"] = float(np.sort(shown.pool_share[chosen]).mean())
    return panel
