"""Texts of an evaluation dataset in training data: equal once normalised, or near-duplicates.

Near-duplicates are found by MinHash (Broder 1997) over character trigrams, which need no word
boundaries, banded as in locality-sensitive hashing; every candidate is then measured exactly, so
a reported similarity is true and only a miss is possible: 1 in 1,000 at 0.8, fewer above.

Letters: N texts, C characters of all of them, B bands of R hashes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from polybatch.dataset import REJECTED, Dataset, normalised

UInt64 = npt.NDArray[np.uint64]

LEAKS = pl.Schema(
    {
        "table": pl.String,
        "id": pl.String,
        "lang": pl.String,
        "text": pl.String,
        "evaluation": pl.String,
        "evaluation_id": pl.String,
        "evaluation_text": pl.String,
        "similarity": pl.Float64,
    }
)
"""A training text, and an evaluation text it is the same as; similarity 1: equal, normalised."""

_GRAM = 3
_BANDS, _ROWS = 10, 3
_CHUNK = 2_000  # texts hashed at a time: their trigrams stay in the processor's cache
_ODD = np.random.Generator(np.random.PCG64(20240810)).integers(
    1, 2**63, size=(_BANDS * _ROWS, 2), dtype=np.uint64
) | np.uint64(1)


def leaks(train: Dataset, evaluation: Dataset, threshold: float) -> pl.DataFrame:
    """Return one row of LEAKS for each training text that an evaluation dataset holds.

    Queries and documents of one are held against both of the other. `threshold`: Jaccard of the
    sets of character trigrams of normalised texts; 1 looks for equal texts only.
    """
    theirs, parts = _texts(evaluation), []
    for what in ("queries", "corpus"):  # in turn, so that one table's normalised texts are held
        ours = _texts(train, what).drop("text")
        equal = _equal(ours, theirs)
        parts.append(equal)
        if threshold < 1:
            rest = ours.join(equal, on=["table", "id"], how="anti")
            del ours
            parts.append(_near(rest, theirs, threshold))
    found = _with_texts(pl.concat(parts), train).with_columns(
        pl.lit(evaluation.name).alias("evaluation")
    )
    return found.select(list(LEAKS)).cast(LEAKS).sort("table", "id")


def without(train: Dataset, found: pl.DataFrame) -> tuple[Dataset, pl.DataFrame]:
    """Return `train` without the items that leak, in every language, and what left as REJECTED.

    A translation of a leaking text says the same, so an item goes as a whole, with its documents;
    so does a document that no item asks for, when its text leaks.
    """
    by_table = {what: found.filter(table=what) for what in ("queries", "corpus")}
    documents = by_table["corpus"].select(pl.col("id").alias("doc_id"))
    queries = by_table["queries"].select(pl.col("id").alias("query_id"))
    items = pl.concat(
        [
            train.queries.join(queries, on="query_id", how="semi").select("item_id"),
            train.qrels.join(documents, on="doc_id", how="semi").select("item_id"),
        ]
    ).unique()
    documents = pl.concat(
        [documents, train.qrels.join(items, on="item_id", how="semi").select("doc_id")]
    ).unique()
    qrels = train.qrels.join(documents, on="doc_id", how="anti", maintain_order="left")
    judged = qrels.filter(pl.col("relevance") > 0)
    kept = train.queries.join(items, on="item_id", how="anti", maintain_order="left")
    kept = kept.join(judged, on="item_id", how="semi", maintain_order="left")
    qrels = qrels.join(kept, on="item_id", how="semi", maintain_order="left")
    corpus = train.corpus.join(documents, on="doc_id", how="anti", maintain_order="left")
    gone = [
        _gone(train, "queries", "query_id", kept, by_table["queries"]),
        _gone(train, "corpus", "doc_id", corpus, by_table["corpus"]),
    ]
    return Dataset(train.name, kept, corpus, qrels), pl.concat(gone)


def _gone(
    train: Dataset, what: str, key: str, kept: pl.DataFrame, found: pl.DataFrame
) -> pl.DataFrame:
    rows: pl.DataFrame = getattr(train, what).with_row_index("row")
    rows = rows.join(kept.select(key), on=key, how="anti", maintain_order="left")
    reason = pl.concat_str(
        pl.lit("text of evaluation dataset "), "evaluation", pl.lit(", "), "evaluation_id"
    )
    named = found.select(pl.col("id").alias(key), reason.alias("reason")).unique(key, keep="any")
    rows = rows.join(named, on=key, how="left", maintain_order="left")
    return rows.select(
        pl.lit(train.name).alias("source"),
        pl.lit(what).alias("file"),
        pl.col("row").cast(pl.Int64),
        "lang",
        pl.col("item_id" if what == "queries" else key).alias("item_id"),
        pl.col("reason").fill_null("its item has a text of an evaluation dataset"),
        "text",
    ).cast(REJECTED)


def _texts(dataset: Dataset, *tables: str) -> pl.DataFrame:
    """Return table, id, lang, text and normalised text of what has letters.

    `tables`: queries or corpus; both where none is named.
    """
    parts = [
        frame.select(
            pl.lit(what).alias("table"),
            pl.col(key).alias("id"),
            "lang",
            "text",
            normalised("text").alias("plain"),
        )
        for what, key, frame in (
            ("queries", "query_id", dataset.queries),
            ("corpus", "doc_id", dataset.corpus),
        )
        if what in (tables or ("queries", "corpus"))
    ]
    return pl.concat(parts).filter(pl.col("plain") != "")


def _with_texts(found: pl.DataFrame, train: Dataset) -> pl.DataFrame:
    parts = [
        found.filter(table=what).join(frame.select(pl.col(key).alias("id"), "text"), on="id")
        for what, key, frame in (
            ("queries", "query_id", train.queries),
            ("corpus", "doc_id", train.corpus),
        )
    ]
    return pl.concat(parts)


def _equal(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    unique = theirs.sort("table", "id").unique("plain", keep="first", maintain_order=True)
    other = unique.select("plain", evaluation_id="id", evaluation_text="text")
    found = ours.join(other, on="plain").with_columns(pl.lit(1.0).alias("similarity"))
    return found.select([name for name in LEAKS if name not in ("evaluation", "text")])


def _near(ours: pl.DataFrame, theirs: pl.DataFrame, threshold: float) -> pl.DataFrame:
    unique = theirs.sort("table", "id").unique("plain", keep="first", maintain_order=True)
    plain, other = ours["plain"], unique["plain"]
    rows: list[tuple[int, int, float]] = []
    for row, candidates in _candidates(plain, other):
        grams = _grams(plain[row])
        for candidate in candidates:
            similarity = _jaccard(grams, other[candidate], threshold)
            if similarity >= threshold:
                rows.append((row, candidate, similarity))
                break
    left = ours[[row for row, _, _ in rows]]
    right = unique[[candidate for _, candidate, _ in rows]]
    return pl.DataFrame(
        {
            **left.select("table", "id", "lang").to_dict(),
            "evaluation_id": right["id"],
            "evaluation_text": right["text"],
            "similarity": pl.Series([value for _, _, value in rows], dtype=pl.Float64),
        }
    )


def _candidates(plain: pl.Series, other: pl.Series) -> Iterator[tuple[int, list[int]]]:
    """Yield rows of `plain` with the rows of `other` that share a band, in order."""
    keys = (
        np.concatenate([_bands(part) for part in _chunks(other)]) if len(other) else _bands(other)
    )
    rows = np.repeat(np.arange(len(other)), _BANDS)
    order = np.argsort(keys.ravel(), kind="stable")
    keys, rows = keys.ravel()[order], rows[order]
    begun = 0
    for part in _chunks(plain):
        asked = _bands(part)
        first = np.searchsorted(keys, asked)
        last = np.searchsorted(keys, asked, side="right")
        for row in np.flatnonzero((last > first).any(axis=1)).tolist():
            spans = zip(first[row].tolist(), last[row].tolist(), strict=True)
            yield begun + row, sorted({int(each) for a, b in spans for each in rows[a:b]})
        begun += len(part)


def _chunks(texts: pl.Series) -> Iterator[pl.Series]:
    for begin in range(0, len(texts), _CHUNK):
        yield texts.slice(begin, _CHUNK)


def _bands(texts: pl.Series) -> UInt64:
    """Return (N, B) keys; two texts share a key when all R minima of a band are equal."""
    grams, starts = _gram_codes(texts)
    keys = np.zeros((len(texts), _BANDS), np.uint64)
    if not len(texts):
        return keys
    for place, (factor, shift) in enumerate(_ODD):
        mixed = grams * factor + shift
        least = np.minimum.reduceat(mixed, starts)
        band = place // _ROWS
        keys[:, band] = (keys[:, band] ^ least) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(band)
    return keys


def _gram_codes(texts: pl.Series) -> tuple[UInt64, npt.NDArray[np.int64]]:
    """Return the trigrams of all texts as (C,) numbers and where each text's begin.

    A text is followed by two ends, so that every text has a trigram and none spans two texts.
    """
    joined = "".join(f"{text}\x00\x00" for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le"), np.uint32).astype(np.uint64)
    lengths = texts.str.len_chars().to_numpy().astype(np.int64) + _GRAM - 1
    padded = np.concatenate([codes, np.zeros(_GRAM - 1, np.uint64)])
    grams = codes << np.uint64(42) | padded[1:-1] << np.uint64(21) | padded[2:]
    inside = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(codes)) > 2 * (_GRAM - 1)
    # where no whole trigram begins, the text's first one stands in its place
    starts = np.cumsum(lengths) - lengths
    first = np.repeat(grams[starts], lengths) if len(texts) else grams
    mixed = np.where(inside, grams, first) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ (mixed >> np.uint64(31)), starts


@lru_cache(maxsize=4096)  # texts that are like many others come again and again
def _grams(text: str) -> frozenset[str]:
    r"""Return a text's trigrams; those at its end are filled up.

    Example:
        >>> sorted(_grams("abcd")), sorted(_grams("a"))
        (['abc', 'bcd'], ['a\x00\x00'])
    """
    if len(text) < _GRAM:
        return frozenset({text.ljust(_GRAM, "\x00")})
    return frozenset(text[i : i + _GRAM] for i in range(len(text) - _GRAM + 1))


def _jaccard(grams: frozenset[str], text: str, threshold: float) -> float:
    other = _grams(text)
    small, large = sorted((len(grams), len(other)))
    if small < threshold * large:
        return 0.0
    common = len(grams & other)
    return common / (len(grams) + len(other) - common)
