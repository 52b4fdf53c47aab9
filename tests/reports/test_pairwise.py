"""`polybatch compare A B` of several trainings: intervals of compare.md, p of its own page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from polybatch.core.dataset import write_dataset
from polybatch.reports.pairwise import Choice, SideBySide, side_by_side
from polybatch.reports.pairwise_formats import as_markdown
from polybatch.reports.results_folder import Study
from polybatch.statistics.arms import read_arms
from polybatch.statistics.breakdowns import setting_views
from polybatch.statistics.contrasts import CONTRASTS
from polybatch.statistics.significance import assess
from tests.helpers.scored_study import made, scored_dataset, write_others, write_strategy

ROOT = Path(__file__).parents[2]
SEEDS = (0, 1, 2)
NOISE = {"mono": 1.0, "hybrid": 0.75, "cross": 1.3}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params = params.replace("seeds: [0]", f"seeds: {list(SEEDS)}")
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    write_dataset(scored_dataset(), made(folder / "data/valid/cldr-test"))
    for strategy, noise in NOISE.items():
        for seed in SEEDS:
            write_strategy(folder, strategy, noise, scored_dataset(), seed)
    write_others(folder, scored_dataset())
    return Study(folder)


@pytest.fixture(scope="module")
def found(study: Study) -> SideBySide:
    return side_by_side(study, "mono", "hybrid", Choice())


def test_intervals_are_those_of_the_tables_of_all_rows(study: Study, found: SideBySide) -> None:
    rows = {name: study.kinds[name] for name in (*NOISE, "bm25")}
    scored = read_arms(
        rows, study.trial_scores, study.clusters, lambda lists, _: setting_views(lists)
    )
    truth = assess(scored, "mono", study.rule).filter(strategy="hybrid", measure="AP")
    same = ["setting", "difference", "difference_low", "difference_high", "p"]
    shown = found.sure.filter(kind="setting").select(same)
    assert shown.rows() == truth.select(same).rows()
    assert shown.height == 3


def test_p_is_corrected_over_the_rows_of_a_kind(found: SideBySide) -> None:
    for kind in ("setting", "query language"):
        rows = found.sure.filter(kind=kind).sort("p")
        stepped, least = [], 0.0
        for place, p in enumerate(rows["p"]):
            least = min(1.0, max(least, p * (rows.height - place)))
            stepped.append(least)
        assert rows["p_corrected"].to_list() == pytest.approx(stepped, abs=1e-6)
    assert "documents are those that the first one found" in as_markdown(found)


def test_what_is_said_of_the_claim(study: Study, found: SideBySide) -> None:
    """Declared is what params.yaml declares, whichever measure is asked for, compared or not."""
    assert (found.declared, found.tested) == (True, False)
    assert "not tested as such here" in as_markdown(found)
    assert side_by_side(study, "hybrid", "mono", Choice(measure="R@1")).declared
    other = replace(found, declared=False)
    assert "picked out of many is not corrected" in as_markdown(other)
    assert "corrected over all declared" in as_markdown(replace(found, tested=True))


def test_intervals_of_few_clusters_are_said_to_be_rough(found: SideBySide) -> None:
    """As `compare.md` does: fewer than ten are few, fewer than five have no interval."""
    said = {}
    for clusters in (4, 5, 9, 10):
        table = found.sure.with_columns(clusters=pl.lit(clusters, pl.Int64))
        said[clusters] = "the interval is a rough one" in as_markdown(replace(found, sure=table))
    assert said == {4: False, 5: True, 9: True, 10: False}


def test_a_claim_is_shown_with_the_scores_that_it_is_of_alone(
    study: Study, found: SideBySide
) -> None:
    """Else scores that were made again stood beside the decision on those before."""
    ends = {"low": -pl.col("difference_high"), "high": -pl.col("difference_low")}
    rows = found.sure.filter(kind="setting").drop("low", "high").with_columns(**ends)
    rows = rows.with_columns(-pl.col("difference"), first=pl.lit("mono"), second=pl.lit("hybrid"))
    claims = rows.with_columns(p_corrected=0.04).select(
        pl.col(name) for name in CONTRASTS if name in (*rows.columns, "p_corrected")
    )
    path = study.folder / "results/contrasts.csv"
    try:
        claims.write_csv(path)
        one = side_by_side(study, "mono", "hybrid", Choice())
        assert (one.tested, set(one.sure.filter(kind="setting")["p_corrected"])) == (True, {0.04})
        numbers = ("difference", "low", "high")
        claims.with_columns(pl.col(*numbers) + 0.1).write_csv(path)
        other = side_by_side(study, "mono", "hybrid", Choice())
    finally:
        path.unlink()
    assert not other.tested
    assert other.sure.equals(found.sure)
    assert "beats" not in other.headlines[0]


def test_the_headline_follows_the_corrected_p(study: Study, found: SideBySide) -> None:
    """Alone p is 0.019, of three settings 0.057."""
    (row,) = found.sure.filter(kind="setting", setting="mono").iter_rows(named=True)
    one = side_by_side(study, "mono", "hybrid", Choice(setting="mono"))
    (alone,) = one.sure.filter(kind="setting").iter_rows(named=True)
    assert alone["p_corrected"] == alone["p"] == row["p"] < 0.05 < row["p_corrected"]
    assert (alone["outcome"], row["outcome"]) == ("better", "no worse")
    assert "hybrid beats mono" in one.headlines[0]
    assert "beats" not in found.headlines[0]
