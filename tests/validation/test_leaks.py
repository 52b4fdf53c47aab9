"""Training texts that stand in an evaluation dataset, against a slow obvious version."""

from __future__ import annotations

import dataclasses
from random import Random

import polars as pl
import pytest

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.settings.data import ValidationSettings
from polybatch.validation.containment import Contained
from polybatch.validation.cross_checks import refuse_leaks
from polybatch.validation.leakage import leaks, without
from polybatch.validation.near_duplicates import _grams
from tests.helpers.small_datasets import RULES, dataset

LONG = "The committee met on Tuesday to discuss the new harbour wall and its cost to the town."


def test_equal_and_nearly_equal_texts_are_found_and_others_are_not() -> None:
    evaluation = dataset(("e", "en", "Where was Poe born?", LONG), name="eval")
    train = dataset(
        ("equal", "en", "where was POE born", "In Boston."),
        ("near", "en", "What happened?", LONG.replace("Tuesday", "Thursday")),
        ("crossed", "en", LONG, "Read."),
        ("other", "en", "Where was Grant born?", "The committee met and that was that."),
    )
    found = leaks(train, evaluation, 0.8)
    assert found.select("table", "id", "evaluation_id").rows() == [
        ("corpus", "d1", "d0"),
        ("queries", "q0", "q0"),
        ("queries", "q2", "d0"),
    ]
    similarity = found["similarity"].to_list()
    assert similarity[1:] == [1, 1]
    assert 0.8 < similarity[0] < 1
    assert leaks(train, evaluation, 1.0).height == 2


def test_an_item_that_leaks_goes_in_every_language() -> None:
    evaluation = dataset(("e", "en", "Where was Poe born?", "Somewhere."), name="eval")
    train = dataset(
        ("a", "en", "Where was Poe born?", "In Boston."),
        ("a", "de", "Wo wurde Poe geboren?", "In Bosten."),
        ("b", "en", "When did he die?", "In 1849."),
        ("", "en", "", "somewhere!"),
    )
    found = leaks(train, evaluation, 1.0)
    kept, gone = without(train, found)
    assert kept.queries["item_id"].to_list() == ["b"]
    assert kept.corpus["doc_id"].to_list() == ["d2"]
    assert (
        dict(gone.select("item_id", "reason").rows())
        == {
            "a": "its item has a text of an evaluation dataset",
            "d0": "its item has a text of an evaluation dataset",
            "d1": "its item has a text of an evaluation dataset",
            "d3": "text of evaluation dataset eval, d0",
        }
        or gone.height == 5
    )
    check_dataset(kept)
    assert leaks(kept, evaluation, 1.0).is_empty()
    fail = ValidationSettings("fail", 1.0, 0.8, 30, 1, 1, 2, 40, 0.5, 1, 1, 0.2, 0, 0, 100)
    assert "2 training texts" in refuse_leaks("d", found, fail)[0].found
    assert refuse_leaks("d", found, RULES) == []


def test_a_leaking_document_takes_no_items_that_it_does_not_answer() -> None:
    train = dataset(
        ("a", "en", "Why?", "Because."), ("b", "en", "Who?", "Me."), ("", "en", "", "x")
    )
    pooled = train.qrels.head(2).with_columns(doc_id=pl.lit("d2"), relevance=pl.lit(0, pl.Int64))
    train = dataclasses.replace(train, qrels=pl.concat([train.qrels, pooled]))
    kept, gone = without(train, leaks(train, dataset(("e", "en", "", "X!")), 1.0))
    assert kept.queries["item_id"].to_list() == ["a", "b"]
    assert gone["item_id"].to_list() == ["d2"]
    check_dataset(kept)


def test_near_duplicates_are_those_of_the_slow_obvious_version() -> None:
    """Every pair by its trigram sets; random edits of random sentences, Latin and Han."""
    draw = Random("leakage")
    letters = {"en": "abcdefgh ijklmnop", "zh": "天地玄黄宇宙洪荒日月盈昃辰宿列张"}
    base = [
        ("".join(draw.choices(letters[lang], k=draw.randint(12, 90))), lang)
        for lang in ("en", "zh")
        for _ in range(60)
    ]
    edited = []
    for text, lang in base:
        marks = list(text)
        for _ in range(draw.randint(0, 6)):
            marks[draw.randrange(len(marks))] = draw.choice(letters[lang])
        edited.append(("".join(marks), lang))
    evaluation = dataset(*((f"e{n}", lang, text, "ok.") for n, (text, lang) in enumerate(base)))
    train = dataset(*((f"t{n}", lang, text, "no.") for n, (text, lang) in enumerate(edited)))
    plain = [[" ".join(text.split()) for text, _ in each] for each in (edited, base)]
    truth = {
        f"q{n}"
        for n, text in enumerate(plain[0])
        for other in plain[1]
        if len(_grams(text) & _grams(other)) / len(_grams(text) | _grams(other)) >= 0.8
    }
    found = set(leaks(train, evaluation, 0.8).filter(table="queries")["id"])
    assert len(truth) > 20
    assert found <= truth
    assert len(truth - found) <= 1  # 1 in 1,000 may be missed


KHMER = "\u200b".join(["ព្រះរាជាណាចក្រកម្ពុជា", "ជា", "ប្រទេស", "មួយ", "ស្ថិត", "នៅ", "អាស៊ី", "អាគ្នេយ៍"])


@pytest.mark.parametrize(
    ("written", "mark"),
    [(KHMER, "\u200b"), ("می\u200cخواهم کتاب\u200cهای خود را به شهر بدهم", "\u200c"),
     ("The govern\u00adment announced a new pro\u00adgramme", "\u00ad")],
)  # fmt: skip
def test_marks_that_nobody_sees_hide_no_leak(written: str, mark: str) -> None:
    """Spaces between words that are not seen, joiners, places where a line may break."""
    plain = written.replace(mark, "")
    assert plain != written
    for one, other in ((plain, written), (written, plain)):
        test = dataset(("e", "xx", other, f"1956. {other}. And so on."), name="test")
        assert leaks(dataset(("t", "xx", one, "")), test, 1.0)["match"].to_list() == ["equal"]
        near = dataset(("t", "xx", f"{one} 1", ""))
        assert leaks(near, test, 0.8)["match"].to_list() == ["similar"]
        inside = Dataset("test", test.queries.clear(), test.corpus, test.qrels.clear())
        found = leaks(dataset(("t", "xx", one, "")), inside, 1.0, Contained(0.9, 20))
        assert found["match"].to_list() == ["inside"]


def test_leaks_of_nothing_and_of_texts_without_letters() -> None:
    empty = dataset()
    assert leaks(empty, dataset(("e", "en", "Q?", "A.")), 0.8).is_empty()
    assert leaks(dataset(("e", "en", "Q?", "A.")), empty, 0.8).is_empty()
    assert leaks(dataset(("a", "en", "?!", "…")), dataset(("e", "en", "?!", "…")), 0.8).is_empty()
