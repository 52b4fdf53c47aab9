"""Alignment and uniformity of query vectors, across languages.

Wang and Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity
on the Hypersphere" (ICML 2020, arXiv 2005.10242), with their exponents: alignment is the mean of
|x - y| ** 2 over positive pairs, uniformity the log of the mean of exp(-2 |x - y| ** 2) over pairs
drawn independently; both are better the smaller they are. Here x and y are queries, and:

- `alignment`: a positive pair is one question in two languages; the mean over the pairs of each
  two languages, then over every two languages.
- `uniformity`: pairs of different questions in one language; the mean inside the logarithm is over
  the pairs of each language, then over languages.
- `cross_uniformity`: the same for different questions in two different languages. Where it is
  below `uniformity`, languages lie in regions of their own.

Vectors are of unit length, so |x - y| ** 2 = 2 - 2 x.y. Values are rounded to six digits: float32
products differ in the eighth with the order of rows.

Letters: N queries of one language, D dimensions.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.vectors import Float32, check_vectors

_DIGITS = 6


def alignment_and_uniformity(dataset: Dataset, query_vectors: Float32) -> dict[str, float]:
    """Return what of `alignment`, `uniformity`, `cross_uniformity` the queries define.

    `query_vectors`: (Q, D), rows of unit length, row i of query i; InputError with the ids of
    others.

    Example:
        >>> dataset = Dataset(
        ...     "toy",
        ...     pl.DataFrame({"query_id": ["a", "b", "c", "d"], "item_id": ["1", "1", "2", "2"],
        ...                   "lang": ["en", "sw", "en", "sw"]}),
        ...     pl.DataFrame(), pl.DataFrame())
        >>> vectors = np.array([[1, 0], [1, 0], [-1, 0], [-1, 0]], np.float32)
        >>> alignment_and_uniformity(dataset, vectors)
        {'alignment': 0.0, 'uniformity': -8.0, 'cross_uniformity': -8.0}
    """
    ids = dataset.queries["query_id"].to_list()
    check_vectors(f"{dataset.name}/queries", ids, query_vectors, unit=True)
    rows = dataset.queries.select("item_id", "lang").with_row_index("row")
    by_lang = [
        (part["item_id"], np.ascontiguousarray(query_vectors[part["row"].to_numpy()]))
        for part in rows.sort("lang", "item_id").partition_by("lang", maintain_order=True)
    ]
    inside: list[float] = []
    across: list[float] = []
    aligned: list[float] = []
    for n, (items, vectors) in enumerate(by_lang):
        for m in range(n, len(by_lang)):
            others, other_vectors = by_lang[m]
            here, there = _shared(items, others)
            squares = _squares(vectors, other_vectors, here, there)
            if m > n and squares.size:
                aligned.append(float(squares.mean()))
            spread = _spread(vectors, other_vectors, squares)
            if spread is not None:
                (across if m > n else inside).append(spread)
    found = {}
    if aligned:
        found["alignment"] = round(math.fsum(aligned) / len(aligned), _DIGITS) + 0.0
    for name, values in (("uniformity", inside), ("cross_uniformity", across)):
        if values:
            found[name] = round(math.log(math.fsum(values) / len(values)), _DIGITS)
    return found


def distinct_queries(dataset: Dataset, query_vectors: Float32) -> dict[str, list[int]]:
    """Return {language: [different texts, different vectors]} of the queries.

    Fewer vectors than texts: the encoder reads different questions as one, because it lacks the
    language's script, say, and no training that keeps its vocabulary tells them apart again.

    Example:
        >>> queries = pl.DataFrame({"lang": ["am", "am", "en"], "text": ["a", "b", "c"]})
        >>> dataset = Dataset("toy", queries, pl.DataFrame(), pl.DataFrame())
        >>> distinct_queries(dataset, np.array([[1, 0], [1, 0], [0, 1]], np.float32))
        {'am': [2, 1], 'en': [1, 1]}
    """
    rows = dataset.queries.select("lang", "text").with_row_index("row")
    return {
        part["lang"][0]: [
            part["text"].n_unique(),
            len(np.unique(query_vectors[part["row"].to_numpy()].round(_DIGITS), axis=0)),
        ]
        for part in rows.sort("lang", "row").partition_by("lang", maintain_order=True)
    }


def _shared(items: pl.Series, others: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers of the items that both languages have."""
    _, here, there = np.intersect1d(
        items.to_numpy(), others.to_numpy(), assume_unique=True, return_indices=True
    )
    return here, there


def _squares(one: Float32, other: Float32, here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the squared distances of the shared items, summed in float64."""
    apart = one[here].astype(np.float64) - other[there]
    return np.sort(np.einsum("nd,nd->n", apart, apart))


def _spread(one: Float32, other: Float32, same: np.ndarray) -> float | None:
    """Return the mean of exp(-2 |x - y| ** 2) over different items, or None without a pair."""
    pairs = len(one) * len(other) - len(same)
    if not pairs:
        return None
    near = one @ other.T
    np.exp(4 * near - 4, out=near)
    total = float(near.sum(dtype=np.float64)) - float(np.exp(-2 * same).sum())
    return max(total, np.finfo(np.float64).tiny) / pairs
