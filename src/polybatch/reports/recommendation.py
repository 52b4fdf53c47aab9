"""Which row of a finished study to take: the cheapest that is not shown to be worse than the best.

The decision on each difference is `statistics.decisions.decide`, as in every table. What is chosen
is among the trainings that there are, so where rows were trained once or twice, the chance of
training is left out of it, and said to be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from polybatch.core.errors import InputError
from polybatch.core.markdown import number
from polybatch.reports.costs import TOKENS, fixed_costs
from polybatch.reports.pairwise import claims_on
from polybatch.reports.results_folder import Study
from polybatch.statistics.arms import read_arms
from polybatch.statistics.breakdowns import View, setting_views
from polybatch.statistics.decisions import NO_INTERVAL, Rule, decide
from polybatch.statistics.significance import assess, difference_in


@dataclass(frozen=True)
class Recommendation:
    """Of a dataset and setting. `best`: the row with the highest score; `left`: it and all that
    are not shown to be worse, the cheapest first; `chosen`: the first of these.

    `once`: whether one or two trainings leave the chance of training out. `few`: whether there are
    too few clusters of questions to show anything; then `best` is taken. `alone`: whether there is
    no other row. `unknown`: those of `left` whose cost is not known, which come last.
    """

    dataset: str
    setting: str
    measure: str
    best: str
    left: tuple[str, ...]
    score: float
    once: bool
    few: bool = False
    alone: bool = False
    unknown: tuple[str, ...] = ()

    @property
    def chosen(self) -> str:
        """The row to take."""
        return self.best if self.few else self.left[0]

    def sentence(self) -> str:
        """Return what to say of it.

        Example:
            >>> left = ("hybrid", "dapt-hybrid")
            >>> found = Recommendation("faq", "multi", "AP", "dapt-hybrid", left, 0.72, False)
            >>> print(found.sentence().partition(". ")[2])
            Take hybrid (72.0 AP), the cheapest that is not shown to be worse.
        """
        value = f"{number(self.score)} {self.measure}"
        head = f"{self.dataset} {self.setting}: "
        if self.few:
            return f"{head}{NO_INTERVAL}, so nothing is shown. {self.best} scores most ({value})."
        if self.alone:
            return f"{head}{self.chosen} ({value}) is the only row."
        if len(self.left) == 1:
            sentence = f"take {self.chosen} ({value}): every other row is shown to be worse."
        else:
            names = f"{', '.join(self.left[:-1])} and {self.left[-1]}"
            which = "first" if self.chosen in self.unknown else "cheapest"
            sentence = f"undecided between {names}. Take {self.chosen} ({value}), the {which} that"
            sentence += " is not shown to be worse."
        if self.unknown:
            sentence += f" The cost of {' and '.join(self.unknown)} is unknown."
        once = " Of these trainings: with fewer than three, another seed may turn it." * self.once
        return f"{head}{sentence}{once}"


def recommend(
    study: Study, dataset: str | None, setting: str | None, measure: str | None
) -> list[Recommendation]:
    """Return what to take for every dataset and setting, or those named.

    Raises:
        InputError: a dataset, setting or measure that the study does not have; missing results.
    """
    names = list(study.kinds)
    study.same_revisions(names)
    costs, rows = fixed_costs(study), list[Recommendation]()
    scored = read_arms(study.kinds, study.trial_scores, study.clusters, _settings)
    measures = [part.measure for part in scored]
    wanted = measure or study.config.evaluation.headline
    parts = [part for part in scored if part.measure == wanted]
    _among("--measure", wanted, measures)
    _among("--dataset", dataset, [part.dataset for part in parts])
    _among("--setting", setting, [view.setting for part in parts for view in part.views])
    for part in parts:
        if dataset in (None, part.dataset):
            values = assess([part], names[0], study.rule)
            for one in values["setting"].unique(maintain_order=True):
                if setting in (None, one):
                    held = values.filter(setting=one)
                    best = str(held.sort("value", descending=True)["strategy"][0])
                    table = assess([part], best, study.rule).filter(setting=one)
                    order = _order(costs, part.dataset)
                    found = _chosen(table, best, study.rule, order, _declared(study, table, best))
                    unknown = tuple(each for each in found.left if costs[each][TOKENS] is None)
                    rows.append(replace(found, unknown=unknown))
    if not rows:
        there = {view.setting for part in parts if part.dataset == dataset for view in part.views}
        _among(f"--setting, {dataset}", setting, sorted(there))
    return rows


def _settings(lists: pl.DataFrame, _: str) -> Sequence[View]:
    return setting_views(lists)


def _declared(study: Study, table: pl.DataFrame, best: str) -> dict[str, float]:
    """Return p of compare.md of the rows whose contrast with the best one is declared."""
    found: dict[str, float] = {}
    for (name, measure), shown in table.group_by("strategy", "measure"):
        claims = claims_on(study, best, str(name), str(measure), shown).drop_nulls("p_corrected")
        if claims.height:
            found[str(name)] = claims["p_corrected"][0]
    return found


def _chosen(
    table: pl.DataFrame,
    best: str,
    rule: Rule,
    order: Sequence[str],
    declared: Mapping[str, float] | None = None,
) -> Recommendation:
    """Choose in one setting. `table`: SIGNIFICANCE with `best` as baseline; `order`: by costs.

    `declared`: p of some rows, in the place of the table's.
    """
    left, once, few = [best], False, False
    for row in table.filter(pl.col("strategy") != best).iter_rows(named=True):
        found = difference_in(row)
        found = replace(found, p=(declared or {}).get(row["strategy"], found.p))
        once = once or found.trainings is not None
        known = replace(found, seeds=None) if found.trainings else found
        outcome = decide(known, rule)
        few = few or outcome == "no interval"
        if outcome != "worse":
            left.append(row["strategy"])
    left.sort(key=order.index)
    (score,) = table.filter(strategy=best if few else left[0])["value"]
    dataset, setting, measure = table.select("dataset", "setting", "measure").row(0)
    alone = table.height == 1
    return Recommendation(dataset, setting, measure, best, tuple(left), score, once, few, alone)


def _order(costs: dict[str, dict[str, int | None]], dataset: str) -> list[str]:
    """Return the rows, the cheapest first: by tokens of training, then by the index's bytes.

    What is not known counts as the most.

    Example:
        >>> costs = {"theirs": {TOKENS: None, "d index": 8}, "mono": {TOKENS: 9, "d index": None}}
        >>> _order(costs | {"hybrid": {TOKENS: 9, "d index": 8}}, "d")
        ['hybrid', 'mono', 'theirs']
    """

    def cost(name: str) -> list[float]:
        found = (costs[name][TOKENS], costs[name][f"{dataset} index"])
        return [math.inf if one is None else one for one in found]

    return sorted(costs, key=cost)


def _among(option: str, value: str | None, known: Sequence[str]) -> None:
    if value is not None and value not in known:
        there = ", ".join(dict.fromkeys(known))
        raise InputError(option, f"'{value}'", f"one of {there}", "Choose one")
