"""Split a dataset into training and held-out parts that share no article, document or item."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import polars as pl

from polybatch.tables import Dataset


def split_by_group(dataset: Dataset, share: float, stream: str) -> tuple[Dataset, Dataset]:
    """Return the training part and the held-out part, about `share` of the groups.

    A group is what hangs together by items, documents and `group_id`; translations of an article
    are one group when an item links them. Each group's place is decided by the SHA-256 of
    `stream` and its smallest key alone, so other data moves no group.
    """
    links = dataset.qrels.select("item_id", "doc_id").rows()
    groups = dataset.corpus.drop_nulls("group_id").select("doc_id", "group_id").rows()
    parent = _components(
        [(f"i{item}", f"d{doc}") for item, doc in links]
        + [(f"d{doc}", f"g{group}") for doc, group in groups]
    )
    held = {root for root in set(parent.values()) if _draw(stream, root) < share}
    keys = {key for key, root in parent.items() if root in held}
    return _part(dataset, keys, kept=False), _part(dataset, keys, kept=True)


def _components(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the smallest key of each key's component (union-find)."""
    parent: dict[str, str] = {}

    def find(key: str) -> str:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for one, other in links:
        first, second = sorted((find(one), find(other)))
        parent[second] = first
    return {key: find(key) for key in parent}


def _draw(stream: str, key: str) -> float:
    digest = hashlib.sha256(f"{stream}/{key}".encode()).digest()
    return float(int.from_bytes(digest[:8], "big") / 2**64)


def _part(dataset: Dataset, keys: set[str], kept: bool) -> Dataset:
    def choose(frame: pl.DataFrame, column: str, letter: str) -> pl.DataFrame:
        chosen = [key[1:] for key in keys if key.startswith(letter)]
        return frame.filter(pl.col(column).is_in(chosen) == kept)

    return Dataset(
        dataset.name,
        choose(dataset.queries, "item_id", "i"),
        choose(dataset.corpus, "doc_id", "d"),
        choose(dataset.qrels, "item_id", "i"),
    )
