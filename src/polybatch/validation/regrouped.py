"""Which groups of items were joined or came apart since the last run, and which items moved.

A split is a function of the groups that are there now. What was there before is remembered by the
validate stage in a file that is no output: outputs depend on nothing but the data.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.validation.split import item_groups

GROUPS = pl.Schema(
    {"dataset": pl.String, "item_id": pl.String, "group": pl.String, "here": pl.Boolean}
)
"""An item of a dataset's source, the smallest item_id of its group, whether this part has it."""

_NAMED = 5  # groups or items named in a note, and members of each


def places_of(whole: Dataset, part: Dataset) -> pl.DataFrame:
    """Return GROUPS of a dataset that is a part of its source."""
    here = pl.col("item_id").is_in(part.queries["item_id"].unique().implode())
    found = item_groups(whole).with_columns(pl.lit(part.name).alias("dataset"), here.alias("here"))
    return found.select(GROUPS.names())


def regrouped(before: pl.DataFrame, now: pl.DataFrame) -> list[str]:
    """Return what changed for the items that were there before, a sentence each.

    Both are GROUPS of one dataset.

    Example:
        >>> rows = lambda *groups: pl.DataFrame(
        ...     [("faq", item, group, item == "c") for item, group in groups], GROUPS, orient="row"
        ... )
        >>> regrouped(rows(("a", "a"), ("b", "b"), ("d", "d")), rows(("a", "a"), ("b", "a")))
        ['since the last run here, groups were joined: 1 (a + b)']
        >>> regrouped(rows(("a", "a"), ("c", "a")), rows(("a", "a"), ("c", "c"), ("e", "c")))
        ['since the last run here, groups came apart: 1 (a into a + c)']
    """
    both = now.join(before.drop("dataset"), on="item_id", suffix="_before")
    return [
        f"since the last run here, {what}"
        for what in (
            *_several(both, "group", "group_before", "groups were joined: {} ({})", ""),
            *_several(both, "group_before", "group", "groups came apart: {} ({})", "{} into "),
            *_moved(both.filter("here", ~pl.col("here_before")), "came into"),
            *_moved(both.filter(~pl.col("here"), "here_before"), "left"),
        )
    ]


def _several(both: pl.DataFrame, by: str, others: str, sentence: str, prefix: str) -> Iterator[str]:
    """Yield a sentence if groups of one run hold items of several groups of the other."""
    found = (
        both.group_by(by)
        .agg(pl.col(others).unique().sort().alias("several"))
        .filter(pl.col("several").list.len() > 1)
        .sort(by)
    )
    if found.height:
        named = [
            prefix.format(group) + " + ".join(several[:_NAMED]) + " + …" * (len(several) > _NAMED)
            for group, several in found.head(_NAMED).rows()
        ]
        yield sentence.format(f"{found.height:,}", _listed(named, found.height))


def _moved(items: pl.DataFrame, how: str) -> Iterator[str]:
    if items.height:
        named = sorted(items["item_id"])[:_NAMED]
        yield f"items that {how} this part: {items.height:,} ({_listed(named, items.height)})"


def _listed(named: list[str], count: int) -> str:
    return "; ".join(named) + "; …" * (count > len(named))
