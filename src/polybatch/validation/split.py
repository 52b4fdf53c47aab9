"""Split a dataset into training and held-out parts that share no article, document or item.

The split is a pure function of what hangs together: file names, row numbers, the order of rows and
all other rows decide nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import polars as pl

from polybatch.core.dataset import Dataset


def split_by_group(
    dataset: Dataset, share: float, stream: str, by: str = "item_id"
) -> tuple[Dataset, Dataset]:
    """Return the training part and the held-out part, about `share` of the groups.

    A group is what hangs together by items, the documents that answer them, `group_id` and
    `document_id`; translations of an article are one group when an item links them. A document
    judged not to answer an item ties nothing: it goes where its own group goes, and its judgement
    stays where both are. A group's place is decided by the SHA-256 of
    `stream` and the smallest item_id in it (`by="doc_id"`: the smallest doc_id, for files that
    never change), so when groups join or part, at least one of them stays where it was.

    Groups without a query are held out: they are searched there and never trained on.
    Where there are no queries (domain text), a group is drawn by its texts.
    """
    if share == 0:
        return dataset, _part(dataset, (set(), set()), kept=True)
    held = _held_out(dataset, share, stream, by)
    return _part(dataset, held, kept=False), _part(dataset, held, kept=True)


def joined_groups(dataset: Dataset) -> list[list[str]]:
    """Return the `group_id`s of each group that holds several of them, sorted.

    Example:
        >>> corpus = {"doc_id": ["d", "e"], "group_id": ["g", "h"], "document_id": [None, None]}
        >>> queries = pl.DataFrame({"item_id": ["i"]})
        >>> qrels = {"item_id": ["i", "i"], "doc_id": ["d", "e"], "relevance": [1, 1]}
        >>> joined_groups(Dataset("faq", queries, pl.DataFrame(corpus), pl.DataFrame(qrels)))
        [['g', 'h']]
    """
    parent = components(_links(dataset, "I"))
    groups: dict[str, list[str]] = {}
    for key in sorted(parent):
        if key.startswith("g"):
            groups.setdefault(parent[key], []).append(key[1:])
    return sorted(group for group in groups.values() if len(group) > 1)


def item_groups(dataset: Dataset) -> pl.DataFrame:
    """Return (item_id, group) of each item with a query; group: the smallest item_id in it.

    Example:
        >>> corpus = {"doc_id": ["d"], "group_id": [None], "document_id": [None]}
        >>> queries = pl.DataFrame({"item_id": ["i", "j"]})
        >>> qrels = {"item_id": ["i", "j"], "doc_id": ["d", "d"], "relevance": [1, 1]}
        >>> item_groups(Dataset("faq", queries, pl.DataFrame(corpus), pl.DataFrame(qrels))).rows()
        [('i', 'i'), ('j', 'i')]
    """
    parent = components(_links(dataset, "I"))
    rows = sorted((key[1:], root[1:]) for key, root in parent.items() if key[0] == "I")
    return pl.DataFrame(rows, {"item_id": pl.String, "group": pl.String}, orient="row")


def _held_out(dataset: Dataset, share: float, stream: str, by: str) -> tuple[set[str], set[str]]:
    """Return the item_ids and the doc_ids that are held out."""
    item = "I" if by == "item_id" else "i"  # "I" < "d" < "e" < "g" < "i": the smallest is the root
    parent = components(_links(dataset, item))
    with_items = {root for key, root in parent.items() if key[0] == item}
    if with_items:
        draws = {
            root: _draw(stream, root) if root in with_items else 0.0 for root in parent.values()
        }
    else:
        draws = {root: _draw(stream, key) for root, key in _smallest_text(dataset, parent).items()}
    held = [key for key, root in parent.items() if draws[root] < share]
    return {key[1:] for key in held if key[0] == item}, {key[1:] for key in held if key[0] == "d"}


def _links(dataset: Dataset, item: str) -> Iterable[tuple[str, str]]:
    """Yield keys that belong together, a letter and an id each; single ones with themselves."""
    for item_id in dataset.queries["item_id"].unique():
        yield f"{item}{item_id}", f"{item}{item_id}"
    relevant = dataset.qrels.filter(pl.col("relevance") > 0)
    for item_id, doc in relevant.select("item_id", "doc_id").iter_rows():
        yield f"{item}{item_id}", f"d{doc}"
    for doc, group, origin in dataset.corpus.select(
        "doc_id", "group_id", "document_id"
    ).iter_rows():
        yield f"d{doc}", f"d{doc}" if group is None else f"g{group}"
        if origin is not None:
            yield f"d{doc}", f"e{origin}"


def _smallest_text(dataset: Dataset, parent: dict[str, str]) -> dict[str, str]:
    """Return, a root, the smallest SHA-256 of language and text of a document in its group."""
    found: dict[str, str] = {}
    for doc, lang, text in dataset.corpus.select("doc_id", "lang", "text").iter_rows():
        digest = hashlib.sha256(f"{lang}/{text}".encode()).hexdigest()
        root = parent[f"d{doc}"]
        found[root] = min(digest, found.get(root, digest))
    return found


def components(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the smallest key of each key's component (union-find).

    Example:
        >>> components([("b", "c"), ("d", "d"), ("c", "a")])
        {'b': 'a', 'c': 'a', 'd': 'd', 'a': 'a'}
    """
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


def _part(dataset: Dataset, held: tuple[set[str], set[str]], kept: bool) -> Dataset:
    items, documents = held

    def choose(frame: pl.DataFrame, column: str, chosen: set[str]) -> pl.DataFrame:
        return frame.filter(pl.col(column).is_in(list(chosen)) == kept)

    qrels = choose(choose(dataset.qrels, "item_id", items), "doc_id", documents)
    return Dataset(
        dataset.name,
        choose(dataset.queries, "item_id", items),
        choose(dataset.corpus, "doc_id", documents),
        qrels,
    )
