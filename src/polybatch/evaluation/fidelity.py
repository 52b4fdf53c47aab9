"""What an approximate index loses, a list at a time: small languages lose first.

Both answers are scored alike: the exact one and the one that is held against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.evaluation.scores import evaluate_source
from polybatch.retrieval.score_rows import ScoreRows

FIDELITY = pl.Schema(
    {
        "dataset": pl.String,
        "setting": pl.String,
        "query_lang": pl.String,
        "doc_lang": pl.String,
        "judged": pl.Int64,
        "measure": pl.String,
        "exact": pl.Float64,
        "approximate": pl.Float64,
    }
)
_KEY = ["dataset", "setting", "query_lang", "doc_lang", "measure"]


def measures_of(k: Sequence[int]) -> list[str]:
    """Return what is compared: R@k of each cut-off, and AP at the largest.

    Example:
        >>> measures_of((100, 10))
        ['R@10', 'R@100', 'AP@100']
    """
    return [*(f"R@{one}" for one in sorted(k)), f"AP@{max(k)}"]


def fidelity(
    dataset: Dataset, exact: ScoreRows, approximate: ScoreRows, measures: Sequence[str]
) -> pl.DataFrame:
    """Return FIDELITY: a row a list (a language, a pair, a language's pool) and measure.

    `exact`, `approximate`: means over judged queries, in [0, 1]. InputError for a measure that
    MEASURES lacks.
    """
    one, other = (
        _means(evaluate_source(dataset, each, measures).per_query) for each in (exact, approximate)
    )
    found = one.rename({"mean": "exact"}).join(
        other.select(*_KEY, approximate="mean"), on=_KEY, maintain_order="left"
    )
    return found.select(FIDELITY.names()).match_to_schema(FIDELITY)


def _means(per_query: pl.DataFrame) -> pl.DataFrame:
    """Return the mean of every list and measure, exact sums whatever the order of the rows."""
    lists = per_query.group_by(_KEY).agg(pl.col("score")).sort(_KEY)
    scores = lists["score"].to_list()
    return lists.drop("score").with_columns(
        judged=pl.Series([len(each) for each in scores], dtype=pl.Int64),
        mean=pl.Series([fsum(each) / len(each) for each in scores], dtype=pl.Float64),
    )


def losses(found: pl.DataFrame) -> pl.DataFrame:
    """Return FIDELITY with `loss`, in points, the largest first.

    Example:
        >>> found = pl.DataFrame({"query_lang": ["en", "am"], "exact": [0.5, 0.4],
        ...                       "approximate": [0.5, 0.375]})
        >>> losses(found).select("query_lang", pl.col("loss").round(1)).rows()
        [('am', 2.5), ('en', 0.0)]
    """
    lost = found.with_columns(loss=100 * (pl.col("exact") - pl.col("approximate")))
    return lost.sort("loss", descending=True, maintain_order=True)


def refuse_loss(found: pl.DataFrame, most: float | None) -> None:
    """Refuse an index that loses more than `most` points in any list and measure; None: never.

    Raises:
        InputError: a list loses more.

    Example:
        >>> row = {"dataset": "d", "setting": "mono", "query_lang": "am", "doc_lang": "am"}
        >>> row |= {"measure": "R@10", "exact": 0.4, "approximate": 0.375}
        >>> refuse_loss(pl.DataFrame([row]), most=1)
        Traceback (most recent call last):
        polybatch.core.errors.InputError: index, d mono am>am: found a loss of 2.50 points of ...
    """
    worse = losses(found).filter(pl.col("loss") > (100.0 if most is None else most))
    if worse.height:
        row = worse.row(0, named=True)
        raise InputError(
            f"index, {row['dataset']} {row['setting']} {row['query_lang']}>{row['doc_lang']}",
            f"a loss of {row['loss']:.2f} points of {row['measure']}, and {worse.height - 1} more"
            " losses that are too large (results/index.md)",
            f"at most {most:g} (index.max_loss)",
            "Search more of the index (index.search), choose another kind, or allow the loss",
        )
