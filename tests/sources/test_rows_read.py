"""Rows read = kept + merged + rejected, in every file of every source, whatever the file holds.

The truth is counted here, by other means than the readers': a walk through the JSON, lines.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.core.errors import InputError
from polybatch.sources.fetch import Fetcher
from polybatch.sources.source import Document, Parsed, Place, Query, Rows, Tally
from polybatch.sources.table import SOURCES
from polybatch.validation.markdown_report import rows_read
from tests.sources.test_domain_sources import entry, memory, ntrex, passages, unit
from tests.sources.test_hub_sources import belebele, miracl, mmarco, put
from tests.sources.test_more_sources import _tydi
from tests.sources.test_sources import _mlqa_dev, _two_languages
from tests.sources.test_translated_sources import exams, mafand, mmlu, pack, scifact, winogrande

MIRROR = os.environ.get("POLYBATCH_MIRROR")


def held(found: Parsed) -> dict[str, int]:
    """Hold the law, here as well as in Parsed; return rows read by file."""
    rejected = Counter(found.rejected["file"])
    for file, read, kept, merged, lost in found.tally.rows():
        assert read == kept + merged + lost, file
        assert lost == rejected.pop(file, 0), file
    assert not rejected, "rejected rows of files that were not counted"
    assert found.rejected["reason"].str.len_chars().min() != 0
    check_dataset(Dataset("d", found.queries, found.corpus, found.qrels))
    return dict(found.tally.select("file", "read").rows())


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


def _tico19(folder: Path) -> None:
    for lang, words in (("es-LA", "uno dos uno tres"), ("sw", "moja mbili tatu nne")):
        sentences = enumerate(words.split())
        body = [unit(f"wiki_1:{n}", lang, f"English {n}", word) for n, word in sentences]
        memory(folder, lang, "".join(body))


def _sib200(folder: Path) -> None:
    for word in ("eng_Latn", "swh_Latn"):
        rows = ["index_id\tcategory\ttext", *(f"{n}\tx\t{word} {n}" for n in range(4)), "9"]
        path = folder / f"data/annotated/{word}/dev.tsv"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(rows) + "\n")


def _xnli(folder: Path) -> None:
    labels = ("entailment", "neutral", "entailment")
    for lang in ("en", "sw"):
        rows = [f"{lang} premise {n}\t{lang} claim {n}\t{label}" for n, label in enumerate(labels)]
        (folder / f"dev-{lang}.tsv").write_text("".join(f"{row}\n" for row in rows))


def _afriqa(folder: Path) -> None:
    rows = (entry(1, "Me?", "x is it."), entry(2, "Wa?", "x is it."), entry(3, "Ina?", " "))
    passages(folder, "hau", "dev", *rows)
    passages(folder, "ibo", "dev", entry(1, "Gịnị?", "x is it."))


def _belebele(folder: Path) -> None:
    for lang in ("swh_Latn", "eng_Latn"):
        rows = [belebele("l1", n, f"{lang} text", f"{lang} {n}?") for n in (1, 2)]
        put(folder / f"belebele/data/{lang}.jsonl", *rows)


def _lines(path: Path) -> list[str]:
    read = gzip.decompress if path.suffix == ".gz" else bytes
    return read(path.read_bytes()).decode("utf-8", "replace").removesuffix("\n").split("\n")


def _walk(path: Path) -> int:
    """Count questions, LAReQA's sentences, and paragraphs without a question elsewhere."""
    count = 0
    for article in json.loads(path.read_text())["data"]:
        for paragraph in article["paragraphs"]:
            count += len(paragraph["qas"]) + len(paragraph.get("sentences", []))
            count += not paragraph["qas"] and "sentences" not in paragraph
    return count


def _unpacked(path: Path) -> str:
    with tarfile.open(path) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        assert member
        return member.read().decode()


def _sentences(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0]).decode().count("<seg>")


def _all(path: Path) -> int:
    return sum(1 for line in _lines(path) if line)


def _entailed(path: Path) -> int:
    return sum(line.rstrip("\r").split("\t")[-1].strip() == "entailment" for line in _lines(path))


Count = Callable[[Path], int]


def _found(pattern: str, read: Callable[[Path], str] = Path.read_text) -> Count:
    return lambda path: len(re.findall(pattern, read(path)))


FORMS: dict[str, tuple[Callable[[Path], object], list[str], list[str], str, Count]] = {
    "xquad-r": (_two_languages, ["en", "de"], ["test"], "*/*.json", _walk),
    "mlqa": (_mlqa_dev, ["de", "en"], ["dev"], "**/*.json", _walk),
    "tydiqa": (
        lambda folder: (
            _tydi(folder, "dev", ("s-1", "Lini?", "Ilikuwa 1849.", "")),
            _tydi(folder, "train", ("1", "Wapi?", "Ni Boston.", "Boston"), ("1", "", "Ni", "Ni")),
        ), ["sw"], ["train", "dev"], "**/*.json", _walk,
    ),
    "xnli": (_xnli, ["en", "sw"], ["dev"], "*.tsv", _entailed),
    "afriqa": (_afriqa, ["ha", "ig", "en"], ["dev"], "**/*.json", lambda path: len(_lines(path))),
    "ntrex": (
        lambda folder: ntrex(folder, "Eins.\n\nDrei.\n"), ["en", "de"], ["test"],
        "NTREX-128/*.txt", lambda path: len(_lines(path)),
    ),
    "sib200": (_sib200, ["en", "sw"], ["dev"], "**/*.tsv", lambda path: len(_lines(path)) - 1),
    "tico19": (_tico19, ["en", "es-419", "sw"], ["all"], "**/*.zip", _sentences),
    "belebele": (_belebele, ["en", "sw"], ["test"], "**/*.jsonl", _all),
    "cldr": (
        lambda folder: SOURCES["cldr"].download(folder, ["en", "zu"], ["test"], _never),
        ["en", "zu"], ["test"], "*.jsonl", lambda path: path.read_text().count('"split": "test"'),
    ),
    "miracl": (
        lambda folder: miracl(folder.parent), ["sw"], ["dev"], "**/*[vz]*", _all
    ),
    "exams": (
        exams, ["hr", "tr"], ["dev"], "*.gz", _found('"(Croatian|Turkish)"', _unpacked)
    ),
    "mmlu-african": (mmlu, ["en", "zu"], ["dev"], "*.csv", _found(",[A-D]?\n")),
    "winogrande-african": (winogrande, ["en", "zu"], ["dev"], "*.csv", _found(",dev\n")),
    "mafand": (
        mafand, ["zu", "ee", "fr"], ["dev"], "*/dev.json", _found(r'"(zul|ewe|fr) [0-9]')
    ),
    "scifact": (
        scifact, ["en"], ["train", "test"], "beir/**/*.[jt]*",
        lambda path: _all(path) - (path.suffix == ".tsv"),
    ),
    "mmarco": (
        lambda folder: mmarco(folder.parent), ["de", "en"], ["train", "dev"], "**/*.tsv", _all
    ),
}  # fmt: skip
"""Of each source: what writes small files, languages, splits, files with rows, their true count."""


def _never(file: object, path: Path) -> None:
    raise AssertionError("nothing is to be fetched")


def _written(name: str, tmp_path: Path) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    FORMS[name][0](folder)
    return folder


def _read(name: str, folder: Path) -> Parsed:
    return SOURCES[name].read(folder, FORMS[name][1], FORMS[name][2])


def _true(name: str, folder: Path) -> int:
    return sum(FORMS[name][4](path) for path in _paths(name, folder))


def _paths(name: str, folder: Path) -> list[Path]:
    found = (path for path in folder.glob(FORMS[name][3]) if path.is_file())
    return sorted(path for path in found if path.name != "manifest.json")


def test_no_source_is_left_out() -> None:
    twins = {"xquad", "mlqa-r"}  # xquad-r's reader
    own = {name for name, source in SOURCES.items() if source.own}  # tested with the user's files
    assert set(FORMS) | twins | own == set(SOURCES)


@pytest.mark.parametrize("name", FORMS)
def test_every_row_of_a_small_file_is_accounted_for(name: str, tmp_path: Path) -> None:
    folder = _written(name, tmp_path)
    read = sum(held(_read(name, folder)).values())
    unnamed = 2 * 2 if name == "mmarco" else 0  # queries without a pair, in two languages
    assert read == _true(name, folder) - unnamed


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
        lines = _unpacked(path).split("\n")
        row = chance.randrange(len(lines) - 1)
        lines[row] = _changed(chance, json.loads(lines[row]))
        pack(path, "dev.jsonl", "\n".join(lines).encode())
    elif path.suffix == ".json" and not path.name.startswith(("gold_span", "dev.json")):
        path.write_text(_changed(chance, json.loads(path.read_text())))
    else:
        lines = _lines(path)
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
    chance, folder = Random(name), _written(name, tmp_path)
    paths = _paths(name, folder)
    whole = {path: path.read_bytes() for path in paths}
    for _ in range(int(os.environ.get("POLYBATCH_FUZZ", "60"))):
        for path in chance.sample(paths, min(len(paths), 2)):
            _mutate(chance, path)
        with suppress(InputError):
            held(_read(name, folder))
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
    assert sum(read.values()) == _true(form, tmp_path)
