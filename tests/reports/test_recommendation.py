"""Which row to take: against means and outcomes that can be seen from how the scores are made."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from polybatch.evaluation.scores import SCORES
from polybatch.reports.recommendation import Recommendation, _chosen, _declared, _settings
from polybatch.statistics.arms import ArmKind, read_arms
from polybatch.statistics.clusters import Clusters
from polybatch.statistics.contrasts import contrast_table
from polybatch.statistics.decisions import Rule
from polybatch.statistics.significance import assess

ITEMS = 40
RULE = Rule(0.005, 0.95)
MEANS = {"zero-shot": 0.3, "mono": 0.6, "hybrid": 0.6, "dapt": 0.6}
"""The last three differ by noise of 0.001 a question, the first by far."""


def _scores(trial: str) -> pl.DataFrame:
    name, seed = trial.split("/")
    chance = np.random.default_rng([*map(ord, name), int(seed)])
    noise = 0.001 * chance.standard_normal(ITEMS)
    ease = np.linspace(-0.2, 0.2, ITEMS)  # the same questions for all
    rows = [
        ("faq", "mono", "en", "en", f"i{n}", "AP", MEANS[name] + ease[n] + noise[n])
        for n in range(ITEMS)
    ]
    return pl.DataFrame(rows, SCORES, orient="row")


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("order", [("zero-shot", "mono", "hybrid", "dapt"), (*MEANS,)[::-1]])
def test_the_cheapest_of_those_that_are_not_shown_to_be_worse(
    seeds: int, order: tuple[str, ...]
) -> None:
    kinds = {
        name: ArmKind(tuple(f"{name}/{seed}" for seed in range(seeds)), trained=True)
        for name in MEANS
    }
    each = pl.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)], "cluster": range(ITEMS)})
    (part,) = read_arms(kinds, _scores, {"faq": Clusters("item_id", each)}, _settings)
    means = {
        name: np.mean([_scores(trial)["score"].mean() for trial in kind.trials])
        for name, kind in kinds.items()
    }
    best = max(means, key=lambda name: float(means[name]))
    found = _chosen(assess([part], best, RULE), best, RULE, order)
    assert found.left == tuple(name for name in order if name != "zero-shot")
    assert found.score == pytest.approx(means[found.chosen], abs=1e-6)
    assert found.once == (seeds == 1)
    told = found.sentence()
    assert f"Take {found.chosen} (" in told
    assert ("another seed may turn it" in told) == (seeds == 1)


def test_unknown_costs_are_said() -> None:
    found = Recommendation(
        "faq", "mono", "AP", "ours", ("mono", "ours"), 0.6, False, unknown=("ours",)
    )
    assert found.sentence().endswith("worse. The cost of ours is unknown.")
    both = replace(found, left=("ours", "joined"), unknown=("ours", "joined"))
    assert "Take ours (60.0 AP), the first that is not" in both.sentence()


@pytest.mark.parametrize("clusters", [4, 5])
def test_too_few_clusters_show_nothing_and_say_so(clusters: int) -> None:
    kinds = {name: ArmKind((f"{name}/0",), trained=False) for name in ("zero-shot", "mono")}
    few = [n % clusters for n in range(ITEMS)]
    each = pl.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)], "cluster": few})
    (part,) = read_arms(kinds, _scores, {"faq": Clusters("item_id", each)}, _settings)
    found = _chosen(assess([part], "mono", RULE), "mono", RULE, ("zero-shot", "mono"))
    assert (found.few, found.chosen) == (clusters == 4, "mono")
    assert ("so nothing is shown. mono scores most (60.0 AP)" in found.sentence()) == found.few


def test_a_row_alone_beats_nobody() -> None:
    kinds = {"mono": ArmKind(("mono/0",), trained=True)}
    each = pl.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)], "cluster": range(ITEMS)})
    (part,) = read_arms(kinds, _scores, {"faq": Clusters("item_id", each)}, _settings)
    found = _chosen(assess([part], "mono", RULE), "mono", RULE, ("mono",))
    assert found.sentence() == "faq mono: mono (60.0 AP) is the only row."


def test_one_that_beats_all_others_is_not_undecided() -> None:
    kinds = {name: ArmKind((f"{name}/0",), trained=True) for name in ("zero-shot", "mono")}
    each = pl.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)], "cluster": range(ITEMS)})
    (part,) = read_arms(kinds, _scores, {"faq": Clusters("item_id", each)}, _settings)
    found = _chosen(assess([part], "mono", RULE), "mono", RULE, ("zero-shot", "mono"))
    assert found.sentence().startswith("faq mono: take mono (60.0 AP): every other row is shown")


def test_what_compare_md_decides_of_a_declared_contrast_is_decided_here() -> None:
    """Three rows alike, p = 0.02 each: of one test alone it is decided, of three it is not."""

    def scores(trial: str) -> pl.DataFrame:
        gain = 0.01 * (1 + 2.574 * np.array([1, -1] * (ITEMS // 2))) * trial.startswith("hybrid")
        return _scores("mono/0").with_columns(pl.col("score") + gain)

    names = ("mono", "dapt", "cross", "hybrid")
    kinds = {name: ArmKind((f"{name}/0",), trained=False) for name in names}
    each = pl.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)], "cluster": range(ITEMS)})
    (part,) = read_arms(kinds, scores, {"faq": Clusters("item_id", each)}, _settings)
    table = assess([part], "hybrid", RULE)
    assert _chosen(table, "hybrid", RULE, names).left == names
    for pair, sign in ((("hybrid", "mono"), "better"), (("mono", "hybrid"), "worse")):
        contrasts = contrast_table([part], [pair], RULE, 10_000, 0)
        assert contrasts["outcome"].to_list() == [sign]
        study: Any = SimpleNamespace(contrasts=contrasts)
        found = _chosen(table, "hybrid", RULE, names, _declared(study, table, "hybrid"))
        assert found.left == ("dapt", "cross", "hybrid")
