"""Datasets that hold the same texts are refused from params alone, whichever way they are used."""

from __future__ import annotations

import dataclasses

import pytest

from polybatch.settings import overlaps
from polybatch.settings.data import DatasetSettings
from polybatch.settings.overlaps import SAME_DATA, SameData, overlap

SEARCHED = DatasetSettings("mine", "evaluate", ("en",), ("all",), "all", 0.0)
PAIRS = [(a, b) for row in SAME_DATA for a in row.sources for b in row.sources if a != b]


def other(**changes: object) -> DatasetSettings:
    return dataclasses.replace(SEARCHED, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_every_line_of_the_table_counts_both_ways(one: str, two: str) -> None:
    searched, trained = other(source=one), other(source=two, use="train", splits=("train",))
    assert overlap(searched, trained)
    assert overlap(searched, trained) == overlap(trained, searched)


def test_a_new_source_with_a_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not overlap(SEARCHED, other(source="theirs", use="text"))
    line = SameData(("theirs", "mine"), "the same news")
    monkeypatch.setattr(overlaps, "SAME_DATA", (*SAME_DATA, line))
    assert overlap(SEARCHED, other(source="theirs", use="text")) == "the same news"
    assert not overlap(SEARCHED, other(source="belebele", use="train"))


def test_other_splits_of_one_source_share_nothing_unless_one_holds_them_all() -> None:
    train = other(use="train", splits=("train",))
    assert not overlap(other(splits=("test",)), train)
    assert overlap(other(splits=("train", "test")), train) == "texts of mine"
    assert overlap(other(splits=("test", "distractors")), train) == "texts of mine"
    heldout = other(part="heldout", heldout_share=0.2)
    assert not overlap(heldout, other(use="train", part="train", heldout_share=0.2))
    assert overlap(heldout, other(use="train", part="train", heldout_share=0.3))


def test_parts_share_nothing_whatever_the_order_of_their_languages_and_splits() -> None:
    given = {"languages": ("de", "en"), "splits": ("train", "dev"), "heldout_share": 0.2}
    train = other(use="train", part="train", **given)
    heldout = other(part="heldout", **given | {"languages": ("en", "de")})
    assert not overlap(train, heldout)
    assert not overlap(train, dataclasses.replace(heldout, splits=("dev", "train")))
    assert overlap(train, dataclasses.replace(heldout, languages=("en",)))
    assert overlap(train, dataclasses.replace(heldout, splits=("dev",)))
