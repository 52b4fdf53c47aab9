"""Rows read = kept + merged + rejected, in every file of every source, whatever the file holds.

The truth is counted here, by other means than the readers': a walk through the JSON, lines.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from polybatch.core.errors import InputError
from polybatch.sources.fetch import Fetcher
from polybatch.sources.source import Document, Parsed, Place, Query, Rows, Tally
from polybatch.sources.table import SOURCES
from polybatch.validation.markdown_report import rows_read
from tests.helpers.source_files import (
    FORMS,
    held,
    lines_of,
    read_source,
    row_files,
    true_count,
    unpacked,
    written,
)
from tests.sources.test_hub_sources import miracl, mmarco
from tests.sources.test_translated_sources import pack

MIRROR = os.environ.get("POLYBATCH_MIRROR")


# Rows and Tally ----------------------------------------------------------------------------------


def test_a_count_that_does_not_add_up_is_an_assertion() -> None:
    found, tally = Rows().parsed(), Tally()
    tally.read("a.csv", 2)
    tally.kept("a.csv")
    with pytest.raises(AssertionError, match=r"a\.csv: 2 rows read, 1 kept"):
        Parsed(found.queries, found.corpus, found.qrels, found.rejected, tally=tally.frame())
    tally.rejected("a.csv")
    with pytest.raises(AssertionError, match="1 rejected, 0 of them listed"):
        Parsed(found.queries, found.corpus, found.qrels, found.rejected, tally=tally.frame())


def test_what_does_not_hold_together_is_rejected_with_the_row_it_came_from() -> None:
    rows = Rows()
    cases: list[tuple[Query | None, Document | None, str | None]] = [
        (Query("1", "a", "en", "Why?", "all"), Document("d", "en", "So."), None),
        (Query("1", "a", "en", "Why?", "all"), Document("d", "en", "So."), None),
        (Query("2", "a", "sw", "Kwa nini?", "all"), None, "d"),
        (Query("3", "b", "en", "Who?", "all"), None, "nowhere"),
        (None, Document("e", "en", "Text.", "half \ud83d"), None),
        (None, Document("f\udc00", "en", "Text."), None),
        (None, Document("d", "en", "Something else."), None),
        (None, Document("g", "en", "Nobody asks for it."), None),
    ]
    for row, (query, document, answered_by) in enumerate(cases, 1):
        rows.read("x")
        rows.add(Place("s", "x", row, "en", None, ""), query, document, answered_by)
    found = rows.parsed()
    held(found)
    assert found.tally.row(0) == ("x", 8, 3, 1, 4)
    assert found.rejected.select("row", "reason").sort("row").rows() == [
        (4, "judged document is not in the corpus"),
        (5, "half a surrogate pair"),
        (6, "half a surrogate pair"),
        (7, "another text of the same id stands before it (d)"),
    ]


def test_rows_filled_in_by_hand_are_rejected_rather_than_dropped() -> None:
    rows = Rows()
    row = {"query_id": "q", "item_id": "i", "lang": "en", "text": "Why?", "split": "all"}
    rows.queries["q"] = row
    rows.qrels["i", "d"] = {"item_id": "i", "doc_id": "d", "relevance": 1}
    found = rows.parsed()
    assert (found.queries.height, found.qrels.height, found.tally.height) == (0, 0, 0)
    assert found.rejected.select("file", "reason").rows() == [
        ("qrels", "judged document is not in the corpus"),
        ("queries", "no relevant document is left"),
    ]
    assert rows_read(found.tally) == "rows read are not counted by this source"


# Small files in each publisher's form ------------------------------------------------------------


def test_no_source_is_left_out() -> None:
    twins = {"xquad", "mlqa-r"}  # xquad-r's reader
    own = {name for name, source in SOURCES.items() if source.own}  # tested with the user's files
    assert set(FORMS) | twins | own == set(SOURCES)


@pytest.mark.parametrize("name", FORMS)
def test_every_row_of_a_small_file_is_accounted_for(name: str, tmp_path: Path) -> None:
    folder = written(name, tmp_path)
    read = sum(held(read_source(name, folder)).values())
    unnamed = 2 * 2 if name == "mmarco" else 0  # queries without a pair, in two languages
    assert read == true_count(name, folder) - unnamed


def test_what_mmarco_does_not_request_is_not_counted(tmp_path: Path) -> None:
    """Of train alone: four triples, and, in each language, three queries of five, passages."""
    mmarco(tmp_path)
    found = SOURCES["mmarco"].read(tmp_path / "mmarco", ["de", "en"], ["train"])
    assert found.tally.select("file", "read", "kept", "merged", "rejected").rows() == [
        ("data/google/collections/english_collection.tsv", 3, 3, 0, 0),
        ("data/google/collections/german_collection.tsv", 3, 3, 0, 0),
        ("data/google/queries/train/english_queries.train.tsv", 3, 3, 0, 0),
        ("data/google/queries/train/german_queries.train.tsv", 3, 3, 0, 0),
        ("data/triples.train.ids.small.tsv", 4, 3, 1, 0),
    ]


def test_miracl_rejects_topics_and_judgements_that_lead_nowhere(tmp_path: Path) -> None:
    miracl(tmp_path)
    qrels = tmp_path / "miracl/miracl/miracl-v1.0-sw/qrels/qrels.miracl-v1.0-sw-dev.tsv"
    more = "7\tQ0\t1#0\t1\n7\tQ0\t1#1\t1\n7\tQ0\tnowhere\t1\n9\tQ0\t1#0\t1\n"
    qrels.write_text(qrels.read_text() + more)
    found = SOURCES["miracl"].read(tmp_path / "miracl", ["sw"], ["dev"])
    held(found)
    assert found.rejected.select("row", "item_id", "reason").rows() == [
        (5, "7", "judged otherwise before"),
        (6, "7", "judged document is not in the corpus"),
        (7, "9", "judged topic is not there"),
        (2, "8", "no relevant passage"),
    ]
    assert found.tally.filter(pl.col("file").str.contains("qrels")).row(0)[1:] == (7, 3, 1, 3)


# Files that are not as they should be ------------------------------------------------------------


VALUES: list[Any] = [
    None, 5, -1, 10**400, float("nan"), float("inf"), True, "", " ", "a\0b", "half \ud83d",
    [], ["a"], {}, {"a": {"b": []}}, "l1", "wiki_1:0",
]  # fmt: skip


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) in a JSON value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _changed(chance: Random, value: Any) -> str:
    """Return JSON with one value replaced, removed or doubled."""
    container, key = chance.choice(list(_places(value)))
    kind = chance.randrange(4)
    if kind == 0:
        del container[key]
    elif kind == 1 and isinstance(container, list):
        container.append(container[key])
    else:
        container[key] = chance.choice(VALUES)
    return json.dumps(value)


def _mutate(chance: Random, path: Path) -> None:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            name, text = archive.namelist()[0], archive.read(archive.namelist()[0]).decode()
        old = chance.choice(re.findall(r"<[^>]*>|[^<>]+", text))
        new = chance.choice(["", old + old, "<seg>x</seg>", "<tuv/>", "&#0;", "\0", "<tu>", " "])
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, text.replace(old, new, 1))
    elif path.name.endswith(".tar.gz"):
        lines = unpacked(path).split("\n")
        row = chance.randrange(len(lines) - 1)
        lines[row] = _changed(chance, json.loads(lines[row]))
        pack(path, "dev.jsonl", "\n".join(lines).encode())
    elif path.suffix == ".json" and not path.name.startswith(("gold_span", "dev.json")):
        path.write_text(_changed(chance, json.loads(path.read_text())))
    else:
        lines = lines_of(path)
        row = chance.randrange(len(lines))
        if lines[row].startswith("{"):
            lines[row] = _changed(chance, json.loads(lines[row]))
        else:
            cells = lines[row].split("\t")
            new = ["", " ", "\0", "a\tb", "\u2028", "²", "9" * 5000, "\x85", "1", "dup", "\ufeff"]
            cells[chance.randrange(len(cells))] = chance.choice(new)
            lines[row] = "\t".join(cells)
        if chance.random() < 0.2:
            lines.insert(row, lines[row])
        content = "".join(f"{line}\n" for line in lines).encode()
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    if chance.random() < 0.1:
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)


@pytest.mark.parametrize("name", FORMS)
def test_a_changed_file_keeps_the_sum_or_is_refused_by_name(name: str, tmp_path: Path) -> None:
    chance, folder = Random(name), written(name, tmp_path)
    paths = row_files(name, folder)
    whole = {path: path.read_bytes() for path in paths}
    for _ in range(int(os.environ.get("POLYBATCH_FUZZ", "60"))):
        for path in chance.sample(paths, min(len(paths), 2)):
            _mutate(chance, path)
        with suppress(InputError):
            held(read_source(name, folder))
        for path, content in whole.items():
            path.write_bytes(content)


# The published files -----------------------------------------------------------------------------


REAL: dict[str, tuple[list[str], list[str]]] = {
    "xquad-r": (["de", "th", "zh"], ["test"]),
    "mlqa-r": (["hi", "vi"], ["test"]),
    "mlqa": (["es", "vi"], ["dev", "test"]),
    "tydiqa": (["ko", "sw"], ["train", "dev"]),
    "xnli": (["sw", "ur"], ["dev"]),
    "afriqa": (["bem", "fon", "yo", "en", "fr"], ["train", "dev", "test"]),
    "ntrex": (["am", "ha"], ["test"]),
    "sib200": (["ig", "yo"], ["train", "dev"]),
    "tico19": (["en", "fr", "zu"], ["all"]),
}


@pytest.mark.skipif(not MIRROR, reason="needs the published files: set POLYBATCH_MIRROR")
@pytest.mark.parametrize("name", REAL)
def test_every_row_of_the_published_files_is_accounted_for(name: str, tmp_path: Path) -> None:
    source, (languages, splits) = SOURCES[name], REAL[name]
    source.download(tmp_path, languages, splits, Fetcher(Path(MIRROR or ""), tmp_path / "work"))
    read = held(source.read(tmp_path, languages, splits))
    form = "xquad-r" if name == "mlqa-r" else name
    assert sum(read.values()) == true_count(form, tmp_path)
