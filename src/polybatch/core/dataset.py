"""The data model: queries, corpus, qrels; what each table holds and what must be true of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from polybatch.core.errors import InputError, not_made
from polybatch.core.files import library_writes, whole_file

QUERIES = pl.Schema(
    {
        "query_id": pl.String,
        "item_id": pl.String,
        "lang": pl.String,
        "text": pl.String,
        "split": pl.String,
    }
)
CORPUS = pl.Schema(
    {
        "doc_id": pl.String,
        "lang": pl.String,
        "text": pl.String,
        "title": pl.String,
        "group_id": pl.String,
        "document_id": pl.String,
        "template_id": pl.String,
    }
)
"""What a text comes from, null where its source does not say: `group_id` (a passage, an article),
`document_id` (an article, a book), `template_id` (the sentence that facts were put into).
"""
QRELS = pl.Schema({"item_id": pl.String, "doc_id": pl.String, "relevance": pl.Int64})
ANSWERS = pl.Schema({"item_id": pl.String, "doc_id": pl.String, "text": pl.String})
REJECTED = pl.Schema(
    {
        "source": pl.String,
        "file": pl.String,
        "row": pl.Int64,
        "lang": pl.String,
        "item_id": pl.String,
        "reason": pl.String,
        "text": pl.String,
    }
)
NOT_REQUESTED = "not requested"
"""How the reason begins of rejected rows that are sound, in languages or splits left out."""

TALLY = pl.Schema(
    {
        "file": pl.String,
        "read": pl.Int64,
        "kept": pl.Int64,
        "merged": pl.Int64,
        "rejected": pl.Int64,
    }
)
"""What became of the rows of each file: read = kept + merged + rejected.

Kept: something of the row stands in a table. Merged: all that it says was said by another row.
Rejected: nothing of it stands in a table; it is among the REJECTED rows of its file.
"""


# A panic of polars, as damaged sizes in a footer cause, is not an Exception.
_UNREADABLE = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)


@dataclass(frozen=True)
class Dataset:
    """Questions, documents and which answers which.

    Relevance belongs to the question (`item_id`), not to its wording: a query in any language
    has all the item's relevant documents in all languages.
    """

    name: str
    queries: pl.DataFrame
    corpus: pl.DataFrame
    qrels: pl.DataFrame


def table(rows: list[dict[str, object]], schema: pl.Schema) -> pl.DataFrame:
    """Build a table of exactly this schema; an absent nullable value is given as None.

    Example:
        >>> table([{"item_id": "i", "doc_id": "d", "relevance": 1}], QRELS).shape
        (1, 3)
    """
    return pl.DataFrame(rows, schema=schema, orient="row")


def normalised(column: str) -> pl.Expr:
    r"""Return the text of a column in NFKC and lower case, punctuation and spaces made one space.

    Two texts count as the same one where these are equal. Marks that nobody sees (soft hyphens,
    U+200B between words of Khmer or Thai) are no spaces: they go.

    Example:
        >>> frame = pl.DataFrame({"t": ["Où  est-il ?", "ＯÙ EST IL", "où e\u00adst il"]})
        >>> frame.select(normalised("t"))["t"].to_list()
        ['où est il', 'où est il', 'où est il']
    """
    text = pl.col(column).str.normalize("NFKC").str.to_lowercase().str.replace_all(r"\p{Cf}", "")
    return text.str.replace_all(r"[\p{P}\p{Z}\p{C}\s]+", " ").str.strip_chars()


def write_table(frame: pl.DataFrame, path: Path, notes: Mapping[str, str] | None = None) -> None:
    """Write Parquet, whole or not at all, with the same bytes for the same rows.

    `notes`: what the file says of itself beside its rows; `read_notes` reads it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.parquet"
        >>> write_table(pl.DataFrame({"lang": ["sw"]}), path, {"revision": "1"})
        >>> read_notes(path), read_table(path, pl.Schema({"lang": pl.String})).rows()
        ({'revision': '1'}, [('sw',)])
    """
    with whole_file(path) as temporary, library_writes(path):
        frame.write_parquet(
            temporary, compression="zstd", statistics=False, metadata=dict(notes or {})
        )


def read_notes(path: Path) -> dict[str, str]:
    """Return the notes that `write_table` put into a Parquet file.

    Raises:
        InputError: there is no such file, or it is no Parquet.
    """
    try:
        found = pl.read_parquet_metadata(path)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    return {key: value for key, value in found.items() if key != "ARROW:schema"}


def revision_of(dataset: Dataset) -> str:
    """Return a short fingerprint of a dataset's rows, whatever their order.

    Example:
        >>> empty = Dataset("d", *(schema.to_frame() for schema in (QUERIES, CORPUS, QRELS)))
        >>> len(revision_of(empty))
        12
    """
    digest = hashlib.sha256()
    for frame in (dataset.queries, dataset.corpus, dataset.qrels):
        digest.update(frame.sort(frame.columns).write_csv().encode())
    return digest.hexdigest()[:12]


def read_table(path: Path, schema: pl.Schema) -> pl.DataFrame:
    """Read Parquet and hold it against `schema` (names and types, in that order).

    Raises:
        InputError: there is no such file, it is no Parquet, or it has other columns.
    """
    try:
        frame = pl.read_parquet(path)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    if frame.schema != schema:
        raise InputError(
            path,
            f"columns {dict(frame.schema)}",
            f"{dict(schema)}",
            "Rebuild the file with this version: `dvc repro -f -s` of the stage that writes it",
        )
    return frame


def write_dataset(dataset: Dataset, folder: Path) -> None:
    """Write the three tables of a dataset into `folder`."""
    write_table(dataset.queries, folder / "queries.parquet")
    write_table(dataset.corpus, folder / "corpus.parquet")
    write_table(dataset.qrels, folder / "qrels.parquet")


def read_dataset(folder: Path) -> Dataset:
    """Read the three tables of a dataset; its name is the folder's.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "faq"
        >>> empty = Dataset("any", *(schema.to_frame() for schema in (QUERIES, CORPUS, QRELS)))
        >>> write_dataset(empty, folder)
        >>> read_dataset(folder).name
        'faq'
    """
    return Dataset(
        folder.name,
        read_table(folder / "queries.parquet", QUERIES),
        read_table(folder / "corpus.parquet", CORPUS),
        read_table(folder / "qrels.parquet", QRELS),
    )


def check_dataset(dataset: Dataset) -> None:
    """Raise InputError unless ids are unique, texts not empty and every reference resolves.

    An item has at most one query per language, so that scores can be keyed by (item, language).

    Example:
        >>> query = {"query_id": "q", "item_id": "i", "lang": "sw", "text": "Wapi?", "split": "all"}
        >>> queries = table([query], QUERIES)
        >>> check_dataset(Dataset("faq", queries, CORPUS.to_frame(), QRELS.to_frame()))
        Traceback (most recent call last):
        polybatch.core.errors.InputError: faq/queries: found queries without a relevant ...
    """
    for mistakes in (_repeated(dataset), _missing(dataset), _without_counterpart(dataset)):
        for what, rows, found, expected in mistakes:
            _refuse(dataset, what, rows, found, expected)


_Mistakes = Iterator[tuple[str, pl.DataFrame, str, str]]
"""A table's name, its rows that are wrong (maybe none), what they are, and what is expected."""


def _repeated(dataset: Dataset) -> _Mistakes:
    for what, frame, key in (
        ("queries", dataset.queries, ["query_id"]),
        ("queries", dataset.queries, ["item_id", "lang"]),
        ("corpus", dataset.corpus, ["doc_id"]),
        ("qrels", dataset.qrels, ["item_id", "doc_id"]),
    ):
        rows = frame.filter(frame.select(key).is_duplicated()).select(key)
        found = f"more than one row with the same {' and '.join(key)}"
        yield what, rows.unique(maintain_order=True), found, "one row each"


def _missing(dataset: Dataset) -> _Mistakes:
    queries, corpus = dataset.queries, dataset.corpus
    for what, frame, needed in (
        ("queries", queries, ["query_id", "item_id", "lang", "split"]),
        ("corpus", corpus, ["doc_id", "lang"]),
        ("qrels", dataset.qrels, QRELS.names()),
    ):
        gaps = frame.filter(pl.any_horizontal(pl.col(needed).is_null())).select(needed)
        yield what, gaps, f"rows without a {', '.join(needed)}", "a value in each"
    for what, frame, name in (("queries", queries, "query_id"), ("corpus", corpus, "doc_id")):
        empty = frame.filter(pl.col("text").str.strip_chars().str.len_chars().fill_null(0) == 0)
        yield what, empty.select(name), "rows without text", "text in every row"


def _without_counterpart(dataset: Dataset) -> _Mistakes:
    queries, corpus, qrels = dataset.queries, dataset.corpus, dataset.qrels
    relevant = qrels.filter(pl.col("relevance") > 0)
    for what, frame, others, key, name, found, expected in (
        ("qrels", qrels, corpus, "doc_id", "doc_id", "judged documents that the corpus lacks",
         "every doc_id in the corpus"),
        ("qrels", qrels, queries, "item_id", "item_id", "judged items without a query",
         "every item_id among the queries"),
        ("queries", queries, relevant, "item_id", "query_id", "queries without a relevant document",
         "at least one relevant document an item"),
    ):  # fmt: skip
        yield what, frame.join(others, on=key, how="anti").select(name), found, expected


def _unreadable(path: Path, error: BaseException) -> InputError:
    if isinstance(error, FileNotFoundError):
        return not_made(path)
    return InputError(
        path,
        f"no readable Parquet ({type(error).__name__})",
        "a table of this pipeline",
        "Run `dvc repro -f -s` of the stage that writes it",
    )


def _refuse(dataset: Dataset, what: str, bad: pl.DataFrame, found: str, expected: str) -> None:
    if bad.height:
        examples = "; ".join(" ".join(map(str, row)) for row in bad.head(3).rows())
        raise InputError(
            f"{dataset.name}/{what}",
            f"{found} ({bad.height}: {examples})",
            expected,
            "Mend the source's reader or the data it reads",
        )
