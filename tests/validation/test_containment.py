"""Texts inside others: by hand, beside a slow obvious version, and 905 sentences of real data."""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.dataset import CORPUS, QRELS, QUERIES, Dataset, normalised
from polybatch.validation.containment import Contained, Containment, containment
from polybatch.validation.leakage import leaks, without

MIRROR = os.environ.get("POLYBATCH_MIRROR")
RULE = Contained(0.8, 30)
BRIDGE = "The bridge was closed for three years"
FERRY = "A ferry took cars across in the meantime"


def dataset(name: str, documents: list[tuple[str, str, str]]) -> Dataset:
    """Return a dataset of (item, language, text): one document and one query per row."""
    queries = [(f"{i}{lang}?", i, lang, f"{name} {i} {lang}?", "all") for i, lang, _ in documents]
    corpus = [(f"{i}{lang}", lang, text, *[None] * 4) for i, lang, text in documents]
    qrels = [(i, f"{i}{lang}", 1) for i, lang, _ in documents]
    return Dataset(
        name,
        pl.DataFrame(queries, QUERIES, orient="row"),
        pl.DataFrame(corpus, CORPUS, orient="row"),
        pl.DataFrame(qrels, QRELS, orient="row"),
    )


def slow(one: str, other: str) -> float:
    """Return the containment as its definition says it."""
    short, long = (one, other) if len(one) <= len(other) else (other, one)
    grams = {short[i : i + 8] for i in range(len(short) - 7)}
    return sum(gram in long for gram in grams) / len(grams)


def test_a_sentence_in_a_passage_is_found_either_way_round_and_a_phrase_is_not() -> None:
    passage = f"It rained. {BRIDGE}, they said. {FERRY}."
    asked = dataset("asked", [("a", "en", passage), ("b", "en", BRIDGE + "!")])
    read = dataset("read", [
        ("1", "en", BRIDGE.upper()), ("2", "en", f"{FERRY} - so it was; {BRIDGE} in fact"),
        ("3", "en", FERRY[:28]), ("4", "en", BRIDGE[::-1]), ("5", "en", passage.replace(",", "")),
        ("6", "en", FERRY),
    ])  # fmt: skip
    found = leaks(read, asked, 1.0, RULE)
    assert found.select("id", "evaluation_id", "match", "similarity").rows() == [
        ("1en", "ben", "equal", 1.0),
        ("2en", "ben", "around", 1.0),
        ("5en", "aen", "equal", 1.0),
        ("6en", "aen", "inside", 1.0),
    ]
    assert leaks(read, asked, 1.0)["match"].to_list() == ["equal", "equal"]


def test_a_leak_in_one_language_takes_the_item_from_domain_text_in_all() -> None:
    """Domain text is asked by nobody, but its source links translations by their item."""
    asked = dataset("asked", [("a", "en", f"It rained. {BRIDGE}. {FERRY}.")])
    rows = [("1", "en", BRIDGE), ("1", "sw", "Daraja lilifungwa"), ("2", "sw", "Kivuko")]
    read = dataset("read", rows)
    links = read.qrels.select("item_id", "doc_id")
    text = Dataset("read", read.queries.clear(), read.corpus, read.qrels.clear())
    found = leaks(text, asked, 1.0, RULE)
    kept, gone = without(text, found, links)
    assert kept.corpus["doc_id"].to_list() == ["2sw"]
    assert gone.select("item_id", "reason").rows() == [
        ("1en", "text of evaluation dataset asked, aen"),
        ("1sw", "its item has a text of an evaluation dataset"),
    ]


@settings(deadline=None, max_examples=200)
@given(st.text("abc", min_size=8, max_size=60), st.text("abc", min_size=8, max_size=60))
def test_the_measure_is_its_definition(one: str, other: str) -> None:
    assert containment(one, other) == slow(one, other)


def test_what_is_found_is_what_the_slow_obvious_version_finds() -> None:
    draw = Random("containment")
    words = ["".join(draw.choices("aeioubdkmnrst", k=draw.randint(2, 8))) for _ in range(300)]

    def text(count: int) -> str:
        return " ".join(draw.choices(words, k=count))

    theirs = [text(draw.choice([8, 30, 60])) for _ in range(120)]
    ours = [text(draw.choice([8, 30])) for _ in range(100)]
    for other in theirs[:60]:  # parts of them, some with a wrong word, or with more around them
        said = other.split()
        part = said[2 : 2 + draw.randint(7, 20)]
        part[draw.randrange(len(part))] = draw.choice([part[0], draw.choice(words)])
        ours += [" ".join(part), f"{text(5)} {other} {text(9)}"]
    best = [max(slow(one, other) for other in theirs if min(len(one), len(other)) >= 30)
            if len(one) >= 30 else 0.0 for one in ours]  # fmt: skip
    found = Containment(pl.Series(theirs), RULE).found(pl.Series(ours))
    for row, passage, share in found:
        assert share == slow(ours[row], theirs[passage]) >= 0.8
    expected = {row for row, share in enumerate(best) if share >= 0.8}
    assert {row for row, _, _ in found} == expected
    assert 60 < len(expected) < 130


def test_a_sentence_that_thousands_of_texts_begin_with_tells_none_of_them_apart() -> None:
    form = "please read the following question and answer it"
    theirs = [f"{form} {number:04d} times over and over again" for number in range(1100)]
    ours = [form, f"{form} 0007 times over and over again, and once more"]
    found = Containment(pl.Series(theirs), RULE).found(pl.Series(ours))
    assert (1, 7) in [(row, other) for row, other, _ in found]
    assert 0 not in [row for row, _, _ in found]


def test_nothing_stands_in_nothing() -> None:
    nothing, some = pl.Series([], dtype=pl.String), pl.Series([BRIDGE])
    assert Containment(nothing, RULE).found(some) == []
    assert Containment(some, RULE).found(nothing) == []
    assert Containment(pl.Series(["short"]), RULE).found(some) == []


@pytest.mark.skipif(not MIRROR, reason="needs a mirror of the files (POLYBATCH_MIRROR)")
def test_all_sentences_of_sib200_that_stand_in_passages_of_belebele_are_found() -> None:
    """905 of 1,004, in 348 of 488 passages (the data's README): counted by `in`, too."""
    folder = Path(MIRROR or "")
    lines = (folder / "belebele/belebele/data/eng_Latn.jsonl").read_text(encoding="utf-8")
    passages = sorted({json.loads(line)["flores_passage"] for line in lines.splitlines()})
    sentences = [
        line.split("\t")[2]
        for split in ("train", "dev", "test")
        for line in (folder / f"sib200/data/annotated/eng_Latn/{split}.tsv")
        .read_text(encoding="utf-8")
        .splitlines()[1:]
    ]
    held, read = (pl.DataFrame({"t": each}).select(normalised("t"))["t"]
                  for each in (passages, sentences))  # fmt: skip
    inside = {row for row, text in enumerate(read) if any(text in passage for passage in held)}
    assert (len(sentences), len(passages), len(inside)) == (1004, 488, 905)
    assert {row for row, _, _ in Containment(held, RULE).found(read)} == inside
    assert len(Containment(read, RULE).found(held)) == 348
