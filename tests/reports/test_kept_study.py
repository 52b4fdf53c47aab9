"""What is kept of a study says the same means as all of its scores."""

from __future__ import annotations

import random

import polars as pl
import pytest

from polybatch.evaluation.scores import SCORES
from polybatch.reports.kept_study import ALL, AP_TABLE, _joined


@pytest.mark.parametrize(
    ("lacking", "held_langs", "joined"),
    [
        (0.0, ("de", "en", "sw"), True),
        (0.3, ("de", "en", "sw"), False),
        (0.0, ("de", "en"), False),  # questions in sw have two lists, the others one
    ],
)
def test_means_over_lists_are_those_of_what_is_kept(
    lacking: float, held_langs: tuple[str, ...], joined: bool
) -> None:
    """Where means over languages and over questions differ, languages stay apart."""
    chance = random.Random(3)
    rows = [
        ("d", "mono" if asked == held else "cross", asked, held, f"i{item}", "AP", chance.random())
        for asked in ("de", "en", "sw")
        for held in held_langs
        for item in range(9)
        if chance.random() >= lacking
    ]
    scores = pl.DataFrame(rows, SCORES, orient="row").filter(setting="cross")
    kept = _joined(scores).group_by(*AP_TABLE).agg(pl.col("score").mean())
    assert (set(kept["doc_lang"]) == {ALL}) == joined
    means = [
        frame.group_by("query_lang", "doc_lang").agg(pl.col("score").mean())["score"].mean()
        for frame in (scores, kept)
    ]
    assert means[0] == pytest.approx(means[1])
