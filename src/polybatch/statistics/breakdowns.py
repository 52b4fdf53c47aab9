"""What is averaged together: settings, languages, pairs, languages seen or not, scripts.

A list is what one mean over queries is taken of: a language (`mono`), an ordered pair (`cross`), a
language's queries against the pool (`multi`), or all queries against the pool (`mul` on both
sides). A view is the mean of the means of its lists.

Letters: J judged queries, I items (or clusters of them), L lists, V views.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from babel.core import get_global

from polybatch.core.languages import POOL
from polybatch.core.vectors import Int64

Float64 = npt.NDArray[np.float64]
POOL_MEAN = "mean over queries"
LISTS = pl.Schema({"setting": pl.String, "query_lang": pl.String, "doc_lang": pl.String})


@dataclass(frozen=True)
class View:
    """A mean over lists: `kind` is the table it belongs to, `group` its row there."""

    kind: str
    setting: str
    group: str
    lists: tuple[tuple[str, str], ...]
    """(query_lang, doc_lang) of each."""


@dataclass(frozen=True)
class Layout:
    """Where the score of each judged query belongs: `item` and `column` (J,), `counts` (I, L).

    `lists`: LISTS, one row per column, the whole pool last if there is one.
    """

    lists: pl.DataFrame
    item: Int64
    column: Int64
    counts: Float64

    def sums(self, scores: Float64) -> Float64:
        """Return the sums of scores (J,) an item and list (I, L)."""
        return _gather(self.lists, self.item, self.column, scores, len(self.counts))


def lay_out(keys: pl.DataFrame) -> Layout:
    """Return the layout of judged queries (columns setting, query_lang, doc_lang, item_id).

    Example:
        >>> lists = pl.DataFrame({"setting": "multi", "query_lang": ["en", "sw"],
        ...                       "doc_lang": "mul", "item_id": "i"})
        >>> layout = lay_out(lists)
        >>> layout.lists["query_lang"].to_list(), layout.sums(np.array([0.5, 1])).tolist()
        (['en', 'sw', 'mul'], [[0.5, 1.0, 1.5]])
    """
    names = LISTS.names()
    lists = keys.select(names).unique().sort(names).with_row_index("column")
    placed = keys.join(lists, on=names, maintain_order="left")["column"]
    column = placed.to_numpy().astype(np.int64)
    item = keys["item_id"].rank("dense").to_numpy().astype(np.int64) - 1
    lists = lists.drop("column")
    if (lists["setting"] == "multi").any():
        lists = pl.concat([lists, pl.DataFrame([("multi", POOL, POOL)], LISTS, orient="row")])
    items = int(item.max()) + 1
    ones = np.ones(keys.height)
    counts = _gather(lists, item, column, ones, items)
    return Layout(lists, item, column, counts)


def _gather(
    lists: pl.DataFrame, item: Int64, column: Int64, values: Float64, items: int
) -> Float64:
    cells: Float64 = np.bincount(item * lists.height + column, values, items * lists.height).astype(
        np.float64
    )
    table = cells.reshape(items, lists.height)
    pooled = (lists["setting"] == "multi").to_numpy()
    if pooled.any():
        table[:, -1] = table[:, pooled].sum(axis=1)
    return table


def membership(lists: pl.DataFrame, views: Sequence[View]) -> Float64:
    """Return (L, V): 1 where the list belongs to the view.

    Example:
        >>> lists = pl.DataFrame([("mono", "en", "en"), ("mono", "sw", "sw")], LISTS, orient="row")
        >>> membership(lists, setting_views(lists) + language_views(lists)).tolist()  # all, en, sw
        [[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    row = {key: n for n, key in enumerate(lists.select(LISTS.names()).rows())}
    table = np.zeros((lists.height, len(views)))
    for column, view in enumerate(views):
        table[[row[view.setting, *key] for key in view.lists], column] = 1
    return table


def setting_views(lists: pl.DataFrame) -> list[View]:
    """Return the means that `results/metrics` holds: mono, cross and multi, where they exist.

    Each is a mean over lists: over languages, over pairs, and in the pool over query languages.

    Example:
        >>> rows = [("mono", "en", "en"), ("multi", "en", "mul"), ("multi", "mul", "mul")]
        >>> [view.lists for view in setting_views(pl.DataFrame(rows, LISTS, orient="row"))]
        [(('en', 'en'),), (('en', 'mul'),)]
    """
    return [
        View("setting", setting, "all", tuple(keys))
        for setting in ("mono", "cross", "multi")
        if (keys := _of(lists, setting))
    ]


def pool_views(lists: pl.DataFrame) -> list[View]:
    """Return the pool's mean over queries, in which a language counts by its number of queries.

    Example:
        >>> table = pl.DataFrame([("multi", "mul", "mul")], LISTS, orient="row")
        >>> [view.group for view in pool_views(table)]
        ['all queries']
    """
    return [View(POOL_MEAN, "multi", "all queries", (key,)) for key in _of(lists, "multi", True)]


def language_views(lists: pl.DataFrame) -> list[View]:
    """Return each language's means: of its queries (mono, cross, multi) and its documents (cross).

    Example:
        >>> rows = [("mono", "en", "en"), ("cross", "sw", "en"), ("multi", "sw", "mul")]
        >>> table = pl.DataFrame(rows, LISTS, orient="row")
        >>> [(view.kind, view.setting, view.group) for view in language_views(table)][:2]
        [('query language', 'mono', 'en'), ('query language', 'cross', 'sw')]
    """
    found = []
    for setting in ("mono", "cross", "multi"):
        keys = _of(lists, setting)
        for lang in sorted({query for query, _ in keys}):
            group = tuple(key for key in keys if key[0] == lang)
            found.append(View("query language", setting, lang, group))
    cross = _of(lists, "cross")
    for lang in sorted({document for _, document in cross}):
        group = tuple(key for key in cross if key[1] == lang)
        found.append(View("document language", "cross", lang, group))
    return found


def seen_views(lists: pl.DataFrame, kind: str, seen: Collection[str]) -> list[View]:
    """Return means over languages of `seen` apart from the others; pairs by how many of them are.

    Example:
        >>> rows = [("mono", "en", "en"), ("mono", "sw", "sw"), ("cross", "sw", "en")]
        >>> table = pl.DataFrame(rows, LISTS, orient="row")
        >>> [(view.setting, view.group) for view in seen_views(table, "training", {"en"})]
        [('mono', 'seen'), ('mono', 'unseen'), ('cross', 'one seen')]
    """
    found = []
    for setting in ("mono", "cross", "multi"):
        groups: dict[str, list[tuple[str, str]]] = {}
        for query, document in _of(lists, setting):
            known = [is_seen(lang, seen) for lang in (query, document) if lang != POOL]
            name = ("none seen", "one seen", "both seen")[sum(known)]
            if setting != "cross":
                name = "seen" if known[0] else "unseen"
            groups.setdefault(name, []).append((query, document))
        order = ("seen", "unseen", "both seen", "one seen", "none seen")
        names = sorted(groups, key=order.index)
        found += [View(kind, setting, name, tuple(groups[name])) for name in names]
    return found


def is_seen(lang: str, seen: Collection[str]) -> bool:
    """Return whether a language is among those, regions apart; scripts are languages of their own.

    Example:
        >>> [is_seen(lang, {"pt", "zh"}) for lang in ("pt-BR", "zh", "zh-Hant")]
        [True, True, False]
    """
    return lang in seen or re.sub("-([A-Z]{2}|[0-9]{3})$", "", lang) in seen


def script_views(lists: pl.DataFrame) -> list[View]:
    """Return the cross-lingual mean over pairs of one script apart from pairs of two scripts.

    Example:
        >>> rows = [("cross", "sw", "en"), ("cross", "el", "en")]
        >>> table = pl.DataFrame(rows, LISTS, orient="row")
        >>> [view.group for view in script_views(table)]
        ['same script', 'two scripts']
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for query, document in _of(lists, "cross"):
        same = script_of(query) == script_of(document)
        groups.setdefault("same script" if same else "two scripts", []).append((query, document))
    return [View("script", "cross", name, tuple(keys)) for name, keys in sorted(groups.items())]


def script_of(lang: str) -> str:
    """Return the ISO 15924 script a language is likely written in (CLDR's likely subtags).

    Example:
        >>> [script_of(lang) for lang in ("en", "zh", "zh-Hant", "el", "xx")]
        ['Latn', 'Hans', 'Hant', 'Grek', 'Zzzz']
    """
    parts = lang.split("-")
    named = [part for part in parts if len(part) == 4]
    if named:
        return named[0]
    likely = get_global("likely_subtags")
    full = likely.get("_".join(parts)) or likely.get(parts[0]) or ""
    return next((part for part in str(full).split("_")[1:] if len(part) == 4), "Zzzz")


def _of(lists: pl.DataFrame, setting: str, whole: bool = False) -> list[tuple[str, str]]:
    """Return the lists of a setting; of multi by language, or the `whole` pool at once."""
    keys = lists.filter(setting=setting).select("query_lang", "doc_lang").rows()
    if setting == "multi":
        keys = [key for key in keys if (key[0] == POOL) == whole]
    return [(str(query), str(document)) for query, document in keys]
