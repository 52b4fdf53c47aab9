"""Somebody's runs of a dataset: TREC files read, checked line by line, and made a source of scores.

Lines are `query_id Q0 doc_id rank score tag`. As in trec_eval the scores decide, not the ranks, and
equal scores are ordered by doc_id, descending; a file whose ranks contradict its scores is refused.

Letters: N documents.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.core.languages import LanguagePair
from polybatch.core.vectors import Float32, Int64
from polybatch.retrieval.score_rows import UNSCORED, ScoreRow

_LINE = "query_id Q0 doc_id rank score tag, separated by white space"
_LONGEST = 1 << 16  # bytes of a line: ids are short, and a packed file may hold any amount
_RANK = re.compile(rb"[0-9]{1,18}")


class Hits(NamedTuple):
    """What one list holds: documents (row numbers) and their scores."""

    documents: Int64
    scores: Float32


@dataclass(frozen=True)
class RunScores:
    """Scores of runs; `columns`: (N,), document n in column n.

    `from_pool`: the pairs of languages without a run of their own, whose lists are what the pool's
    run holds of the document language.
    """

    columns: Int64
    from_pool: tuple[LanguagePair, ...]
    _query_langs: list[str]
    _rows_of: Mapping[str, Int64]
    _pool: Mapping[int, Hits]
    _lists: Mapping[LanguagePair, Mapping[int, Hits]]

    @property
    def unanswered(self) -> int:
        """How many queries no run has a line for: they score 0."""
        held = {query for hits in (self._pool, *self._lists.values()) for query in hits}
        return len(self._query_langs) - len(held)

    def of(self, queries: Int64) -> Iterator[ScoreRow]:
        """Yield the scores of each query, UNSCORED where a run does not hold the document."""
        for query in queries.tolist():
            pool = np.full(len(self.columns), UNSCORED)
            _put(pool, self._pool.get(query))
            by_language = pool.copy()
            for lang, rows in self._rows_of.items():
                own = self._lists.get(LanguagePair(self._query_langs[query], lang))
                if own is not None:
                    by_language[rows] = UNSCORED
                    _put(by_language, own.get(query))
            yield ScoreRow(query, pool, by_language)


def run_scores(dataset: Dataset, runs: Mapping[str, Path]) -> RunScores:
    """Read the runs of a dataset: {`multi`, `mono`, `cross`, `<query>_<document>` languages: file}.

    `cross` may be there where all documents are in one language, and a query has one list. `multi`
    may be absent where all documents are in one language and the others hold every list.

    Raises:
        InputError: a file that is no run, names what the dataset lacks, or a list that is lacking.

    Example:
        >>> import tempfile
        >>> queries = pl.DataFrame({"query_id": ["q"], "lang": ["en"]})
        >>> corpus = pl.DataFrame({"doc_id": ["a", "b"], "lang": "en"})
        >>> path = Path(tempfile.mkdtemp()) / "multi.run"
        >>> _ = path.write_text("q Q0 b 1 0.5 mine")
        >>> found = run_scores(Dataset("d", queries, corpus, pl.DataFrame()), {"multi": path})
        >>> next(found.of(np.array([0]))).pool
        array([-inf,  0.5], dtype=float32)
    """
    reader = _Reader(dataset)
    asked = {LanguagePair(a, b) for a in set(reader.query_langs) for b in reader.doc_langs}
    pool: dict[int, Hits] = {}
    lists: dict[LanguagePair, dict[int, Hits]] = {}
    for name, path in sorted(runs.items()):
        if name == "multi":
            pool = reader.read(path)
        elif name == "mono" or (name == "cross" and len(reader.doc_langs) == 1):
            found = reader.read(path, setting=name)
            for pair in [one for one in asked if one.kind == name]:
                own = {q: hits for q, hits in found.items() if reader.query_langs[q] == pair.query}
                lists.setdefault(pair, own)
        else:
            pair = reader.pair(path, name)
            lists[pair] = reader.read(path, pair=pair)
    lacking = tuple(sorted(asked - lists.keys()))
    if "multi" not in runs and (lacking or len(reader.doc_langs) > 1):
        raise InputError(
            next(iter(runs.values())).parent,
            f"no multi.run, and {len(lacking)} pairs of languages without a run",
            f"a run over all documents, which {dataset.name} searches",
            "Add multi.run (or multi.run.gz)",
        )
    rows_of = {lang: np.flatnonzero(reader.langs == lang) for lang in sorted(reader.doc_langs)}
    columns = np.arange(dataset.corpus.height)
    return RunScores(columns, lacking, reader.query_langs, rows_of, pool, lists)


@dataclass
class _Found:
    """The lines of one query so far; `ranks`: {rank: line}, `documents`: {row: line}."""

    ranks: dict[int, int] = field(default_factory=dict)
    documents: dict[int, int] = field(default_factory=dict)
    scores: list[float] = field(default_factory=list)


class _Reader:
    """Reads runs of one dataset."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._queries = _numbers(dataset.queries["query_id"])
        self._documents = _numbers(dataset.corpus["doc_id"])
        self.query_langs = dataset.queries["lang"].to_list()
        self.langs = dataset.corpus["lang"].to_numpy()
        self.doc_langs = set(dataset.corpus["lang"])

    def pair(self, path: Path, name: str) -> LanguagePair:
        """Return the pair of languages that a file is named after."""
        query, _, document = name.partition("_")
        if query in self.query_langs and document in self.doc_langs:
            return LanguagePair(query, document)
        raise InputError(
            path,
            f"a run of '{name}'",
            f"multi, mono, or a language of {self._dataset.name}'s queries and one of its"
            " documents, as in sw_en",
            "Rename or remove the file",
        )

    def read(
        self, path: Path, setting: str = "multi", pair: LanguagePair | None = None
    ) -> dict[int, Hits]:
        """Return {query: hits} of a file; documents in the languages that its list is of."""
        found: dict[int, _Found] = {}
        for number, line in enumerate(_lines(path), 1):
            if not line.strip():
                continue
            query, document, rank, score = self._fields(f"{path}:{number}", line)
            lang, held = self.query_langs[query], self.langs[document]
            wanted = (lang, held)
            if pair:
                wanted = (pair.query, pair.document)
            elif setting not in ("multi", LanguagePair(lang, held).kind):
                wanted = (lang, lang if setting == "mono" else "another language")
            if (lang, held) != wanted:
                raise InputError(
                    f"{path}:{number}",
                    f"a query in {lang} and a document in {held}",
                    f"{wanted[0]} and {wanted[1]}",
                    "Put each line into the run of its languages",
                )
            _add(f"{path}:{number}", found.setdefault(query, _Found()), document, rank, score)
        if not found:
            raise InputError(path, "no lines", _LINE, "Fetch the file again")
        for each in found.values():
            _check_order(path, each)
        return {
            query: Hits(np.array([*each.documents], np.int64), np.array(each.scores, np.float32))
            for query, each in found.items()
        }

    def _fields(self, where: str, line: bytes) -> tuple[int, int, int, float]:
        parts = line.split()
        if len(parts) != 6:
            raise InputError(where, f"{len(parts)} columns", f"6 ({_LINE})", "Correct the line")
        query, document = self._queries.get(parts[0]), self._documents.get(parts[2])
        for what, part, row in (("query", parts[0], query), ("document", parts[2], document)):
            if row is None:
                raise InputError(
                    where,
                    f"the {what} '{part.decode('utf-8', 'backslashreplace')[:80]}'",
                    f"a {what} of {self._dataset.name}",
                    "Run your system on this dataset as `polybatch` validated it",
                )
        rank, score = parts[3], _number(parts[4])
        if not _RANK.fullmatch(rank):
            raise InputError(where, f"the rank {rank!r:.40}", "a whole number", "Correct the line")
        if score is None:
            found = f"the score {parts[4]!r:.40}"
            raise InputError(where, found, "a finite number, in float32 too", "Correct the line")
        assert query is not None
        assert document is not None
        return query, document, int(rank), score


def _add(where: str, found: _Found, document: int, rank: int, score: float) -> None:
    for what, seen, value in (("document", found.documents, document), ("rank", found.ranks, rank)):
        if value in seen:
            raise InputError(
                where,
                f"a {what} of this query that line {seen[value]} has",
                f"each {what} once a query",
                "Remove one of the two lines",
            )
    line = int(where.rpartition(":")[2])
    found.documents[document] = found.ranks[rank] = line
    found.scores.append(score)


def _check_order(path: Path, found: _Found) -> None:
    """Refuse scores that rise where ranks say that documents get worse."""
    by_rank = sorted(zip(found.ranks.items(), found.scores, strict=True))
    for (_, better), ((rank, line), score) in pairwise(by_rank):
        if score > better:
            raise InputError(
                f"{path}:{line}",
                f"rank {rank} with the score {score:g}, above the {better:g} of the rank before",
                "scores that fall with the rank, as they decide",
                "Sort each query's lines by score, or write another score (1 / rank)",
            )


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            while line := stream.readline(_LONGEST):
                if len(line) == _LONGEST:
                    found = f"a line of more than {_LONGEST} bytes"
                    raise InputError(path, found, _LINE, "Fetch the file again")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        found = f"no readable file ({type(error).__name__})"
        raise InputError(path, found, "a run, gzipped if it ends so", "Fetch it again") from error


def _number(text: bytes) -> float | None:
    try:
        value = math.nan if b"_" in text else float(text)
    except ValueError:
        return None
    with np.errstate(over="ignore"):
        return value if np.isfinite(np.float32(value)) else None


def _numbers(ids: pl.Series) -> dict[bytes, int]:
    return {each.encode(): row for row, each in enumerate(ids)}


def _put(scores: Float32, hits: Hits | None) -> None:
    if hits is not None:
        scores[hits.documents] = hits.scores
