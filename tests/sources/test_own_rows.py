"""Every row of a user's files ends in a table or among the rejected, whatever the files' form.

The truth is a slow count over the rows as they were made, before they were written to a file.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.errors import InputError
from polybatch.sources.source import Parsed
from polybatch.sources.table import source_of

CODES = {"en": "en", "EN": "en", "sw": "sw", "swh": "sw", "de": None, "xx": None, "": None}
REQUESTED = ("en", "sw")
TEXTS = ("", "Where?", 'say "yes"', "comma, and; more", "Hapa.", "two\nlines", "a\ttab", '"all"')
PLAIN = ("", "Where?", '"Where is it?', 'a "mark"', "comma, and; more", "Hapa.", '5" wide')
ITEMS = ("", "a", "b", "c d")
WIDE = ("en", "swh", "de", "xx")


@dataclass(frozen=True)
class Said:
    """What a row says in one language: the truth that files are written from."""

    record: int
    lang: str
    item: str
    question: str
    answer: str


@dataclass(frozen=True)
class Written:
    """A file: its name, its bytes, what its rows say, and how many more rows say nothing."""

    name: str
    content: bytes
    said: tuple[Said, ...]
    broken: int = 0


def slow_count(rows: tuple[Said, ...]) -> tuple[dict[str, int], list[Said]]:
    """Count kept, merged and rejected, row by row; and the rejected."""
    asked: dict[tuple[str, str], str] = {}
    sound = []
    for row in rows:
        lang = CODES[row.lang]
        if lang is None or not (row.question or row.answer) or (row.question and not row.item):
            continue
        if row.question and asked.setdefault((row.item, lang), row.question) != row.question:
            continue
        sound.append(row)
    questions = {row.item for row in sound if row.question}
    answers = {row.item for row in sound if row.answer}
    count, rejected, known = {"kept": 0, "merged": 0, "rejected": 0}, [], set()
    for row in rows:
        lang, facts = CODES[row.lang], set()
        if row in sound:
            if row.question and row.item in answers:
                facts.add(("question", row.item, lang))
            if row.answer:
                facts.add(("document", row.answer, lang))
            if row.answer and row.item in questions:
                facts.add(("judgement", row.item, lang, row.answer))
        fate = "rejected" if not facts else "merged" if facts <= known else "kept"
        count[fate] += 1
        known |= facts
        if not facts:
            rejected.append(row)
    return count, rejected


@st.composite
def files(draw: st.DrawFn) -> Written:
    form = draw(st.sampled_from(("long", "wide", "mixed")))
    kind = draw(st.sampled_from(("comma", "semicolon", "tab", "plain tab", "jsonl")))
    texts = st.sampled_from(PLAIN if kind == "plain tab" else TEXTS)
    columns = ["item_id"]
    if form != "wide":
        columns += ["lang", "question", "answer"]
    if form != "long":
        langs = WIDE if form == "wide" else ("sw",)
        columns += [f"{field}_{lang}" for lang in langs for field in ("question", "answer")]
    column = {"item_id": st.sampled_from(ITEMS), "lang": st.sampled_from(list(CODES))}
    row = st.fixed_dictionaries({name: column.get(name, texts) for name in columns})
    rows = draw(st.lists(row, max_size=12))
    if kind != "jsonl":  # a row whose cells are all empty is an empty line
        rows = [row for row in rows if any(row.values())]
    said = tuple(each for number, row in enumerate(rows) for each in cells(number, row))
    # which rows of a tab-separated file are broken depends on whether its marks are text
    broken = 0 if "tab" in kind else draw(st.integers(0, 3))
    name, content = written(draw, kind, columns, rows, broken)
    return Written(name, content, said, broken)


def broken_row(draw: st.DrawFn, kind: str, columns: list[str]) -> str:
    """Return a row that has no fields: too few or too many, or no object."""
    if kind == "jsonl":
        return draw(st.sampled_from(("{broken", "[1]", "7", '{"item_id": 1, "item_id": 2}')))
    mark = {"comma": ",", "semicolon": ";"}[kind]
    width = len(columns) + draw(st.sampled_from((1, 3, 1 - len(columns))))
    return draw(st.sampled_from((mark.join("x" * width), f'"x" y{mark}z')))


def cells(number: int, row: dict[str, str]) -> list[Said]:
    """Return what a row says in each language; at least one, which may say nothing."""
    groups = [("lang", "question", "answer")] if "lang" in row else []
    groups += [
        (lang, f"question_{lang}", f"answer_{lang}") for lang in CODES if f"answer_{lang}" in row
    ]
    found = [
        Said(number, row.get(lang, lang), row["item_id"], row[question], row[answer])
        for lang, question, answer in groups
        if row[question] or row[answer]
    ]
    return found or [Said(number, row.get("lang", ""), row["item_id"], "", "")]


def written(
    draw: st.DrawFn, kind: str, columns: list[str], rows: list[dict[str, str]], broken: int
) -> tuple[str, bytes]:
    end = draw(st.sampled_from(("\n", "\r\n", "\r")))
    places = [draw(st.integers(0, len(rows))) for _ in range(broken)]
    stream, suffix = io.StringIO(), ".tsv" if "tab" in kind else ".csv"
    if kind == "jsonl":
        suffix = ".jsonl"
        for at, row in enumerate([*rows, None]):
            for _ in range(places.count(at)):
                stream.write(broken_row(draw, kind, columns) + end)
            if row is not None:
                stream.write(json.dumps(row, ensure_ascii=draw(st.booleans())) + end)
            stream.write(draw(st.sampled_from(("", end))))
    elif kind == "plain tab":
        for row in [dict(zip(columns, columns, strict=True)), *rows]:
            stream.write(
                "\t".join(row[name] for name in columns) + draw(st.sampled_from(("", "\t"))) + end
            )
    else:
        mark = {"comma": ",", "semicolon": ";", "tab": "\t"}[kind]
        stream.write(draw(st.sampled_from(("", f"sep={mark}{end}"))))
        # the module csv does not quote a line feed where CR ends lines
        styles = (csv.QUOTE_ALL, csv.QUOTE_MINIMAL)[: 1 if end == "\r" else 2]
        quoting = draw(st.sampled_from(styles))
        writer = csv.DictWriter(
            stream, columns, delimiter=mark, lineterminator=end, quoting=quoting
        )
        writer.writeheader()
        for at, row in enumerate([*rows, None]):
            for _ in range(places.count(at)):
                stream.write(broken_row(draw, kind, columns) + end)
            if row is not None:
                writer.writerow(row)
            stream.write(draw(st.sampled_from(("", end, mark * (len(columns) - 1) + end))))
    encoding = draw(st.sampled_from(("utf-8", "utf-8-sig", "utf-16")))
    content = stream.getvalue().encode(encoding)
    packed = draw(st.booleans())
    return f"x{suffix}{'.gz' * packed}", gzip.compress(content) if packed else content


def read(*found: Written) -> Parsed:
    with tempfile.TemporaryDirectory() as folder:
        raw, names = Path(folder), [f"{at}{file.name}" for at, file in enumerate(found)]
        (raw / "files").mkdir()
        for name, file in zip(names, found, strict=True):
            (raw / "files" / name).write_bytes(file.content)
        manifest = {"source": "local", "columns": {}, "files": [{"path": name} for name in names]}
        (raw / "manifest.json").write_text(json.dumps(manifest))
        return source_of("local", REQUESTED, ("all",)).read(raw, REQUESTED, ("all",))


@settings(max_examples=100, deadline=None)
@given(files())
def test_rows_read_are_those_kept_merged_and_rejected(file: Written) -> None:
    count, rejected = slow_count(file.said)
    missing = set(REQUESTED) - {CODES[row.lang] for row in file.said if row not in rejected}
    if missing:
        with pytest.raises(InputError, match=r"no row in|one JSON object a line"):
            read(file)
        return
    found = read(file)
    _, total, kept, merged, refused = found.tally.row(0)
    assert (kept, merged, refused - file.broken) == tuple(count.values())
    assert total == len(file.said) + file.broken
    assert found.rejected.height == refused
    assert set(found.queries["text"]) <= {row.question.strip() for row in file.said}
    assert set(found.corpus["text"]) <= {row.answer.strip() for row in file.said}


@settings(max_examples=60, deadline=None)
@given(files(), st.randoms(use_true_random=False))
def test_ids_do_not_depend_on_the_order_of_rows_or_on_names_of_files(
    file: Written, random: object
) -> None:
    rows = [row for row in file.said if row.record % 3]
    conflicts: dict[tuple[str, str | None], set[str]] = {}
    for row in rows:
        if row.question:
            conflicts.setdefault((row.item, CODES[row.lang]), set()).add(row.question)
    if any(len(texts) > 1 for texts in conflicts.values()):
        return  # then the first row is kept, and which is first is the order
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    if set(REQUESTED) - {CODES[row.lang] for row in rows if row not in slow_count(tuple(rows))[1]}:
        return
    tables = []
    for name, said in (("x", rows), ("another name", shuffled)):
        lines = [
            {"item_id": row.item, "lang": row.lang, "question": row.question, "answer": row.answer}
            for row in said
        ]
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        found = read(Written(f"{name}.jsonl", content, tuple(said)))
        tables.append((found.queries.rows(), found.corpus.rows(), found.qrels.rows()))
    assert tables[0] == tables[1]


@pytest.mark.parametrize("kinds", [("a", "b"), ("b", "a")])
def test_a_document_of_several_files_joins_their_groups(kinds: tuple[str, str]) -> None:
    head = "item_id,lang,question,answer,group\n"
    texts = {
        "a": head + "1,en,Q1,Same.,g2\n1,sw,Q1s,Hapa.,g2\n",
        "b": head + "2,en,Q2,Same.,g1\n3,en,Q3,Other.,g1\n",
    }
    found = read(*(Written("x.csv", texts[kind].encode(), ()) for kind in kinds))
    assert dict(found.corpus.select("text", "group_id").rows()) == {
        "Same.": "g1", "Hapa.": "g1", "Other.": "g1"}  # fmt: skip
    assert found.qrels.height == 4
