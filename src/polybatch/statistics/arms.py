"""From scores a query to arms: what each cluster adds to each view, a training at a time.

Only one table of scores is in memory at a time; what stays of it is an arm's means and what the
clusters add to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from polybatch.core.errors import InputError
from polybatch.statistics.breakdowns import Layout, View, lay_out, membership
from polybatch.statistics.clusters import LEAST, Clusters
from polybatch.statistics.influence import Arm, Float64, arm_of
from polybatch.statistics.multi_reader import Contrast

Views = Callable[[pl.DataFrame, str], Sequence[View]]
"""From a dataset's lists (breakdowns.LISTS) and a measure to what is to be averaged."""

_KEY = ["setting", "query_lang", "doc_lang", "item_id"]


@dataclass(frozen=True)
class ArmKind:
    """A row of the tables. `trials`: its score tables, one per seed; of an untrained arm the first.

    `trained`: whether a seed decides anything. `plan`: arms with the same one were trained on the
    same batches under each seed, and are compared seed by seed; None: on those of no other.
    `derived`: made of the trainings of other rows.
    """

    trials: tuple[str, ...]
    trained: bool
    plan: str | None = None
    derived: bool = False


@dataclass(frozen=True)
class Scored:
    """All arms of one dataset and measure. `level`: what its clusters are (clusters.Clusters)."""

    dataset: str
    measure: str
    level: str
    views: tuple[View, ...]
    items: tuple[int, ...]
    arms: Mapping[str, Arm]
    kinds: Mapping[str, ArmKind]

    def contrast(self, first: str, second: str | None) -> Contrast:
        """Return a difference of two arms, paired by seed where they share a plan."""
        if second is None:
            return Contrast(first, None)
        plans = [self.kinds[name].plan for name in (first, second)]
        return Contrast(first, second, plans[0] is not None and plans[0] == plans[1])

    def seeds(self, first: str, second: str | None = None) -> int | None:
        """Return the fewest trainings of the trained ones of these arms; None: none is trained."""
        arms = [self.arms[name] for name in (first, second) if name is not None]
        return min((arm.seeds for arm in arms if arm.trained), default=None)

    @property
    def clusters(self) -> Float64:
        """Clusters that each view has (V,)."""
        return next(iter(self.arms.values())).groups

    def only(self, chosen: Callable[[View], bool]) -> Scored:
        """Return the same with the views that are chosen."""
        kept = [number for number, view in enumerate(self.views) if chosen(view)]
        arms = {name: _columns(arm, kept) for name, arm in self.arms.items()}
        views = tuple(self.views[n] for n in kept)
        items = tuple(self.items[n] for n in kept)
        return Scored(self.dataset, self.measure, self.level, views, items, arms, self.kinds)

    def testable(self) -> Scored:
        """Return the same with the views that have enough clusters for an interval."""
        enough = dict(zip(self.views, self.clusters >= LEAST, strict=True))
        return self.only(lambda view: bool(enough[view]))


def _columns(arm: Arm, kept: list[int]) -> Arm:
    values, influence = arm.values[:, kept], arm.influence[:, :, kept]
    return replace(arm, values=values, influence=influence, clusters=arm.groups[kept])


class _Design:
    """What is averaged in one dataset: judged queries, their clusters, and each measure's views."""

    def __init__(self, keys: pl.DataFrame, clusters: Clusters, measures: list[str], views: Views):
        self.keys, self.level = keys, clusters.level
        placed = keys.join(clusters.of, on="item_id", how="left", maintain_order="left")
        if placed["cluster"].null_count():
            lost = placed.filter(pl.col("cluster").is_null())["item_id"].unique().sort()
            raise InputError(
                "scores",
                f"{len(lost)} items that the dataset has no relevant document for ({lost[0]}, …)",
                "the items of the dataset",
                "Run `dvc repro`: scores and dataset are of different runs",
            )
        there = placed["cluster"].unique().sort().to_numpy()
        self.crossed = None if clusters.crossed is None else clusters.crossed[:, there]
        self.layout: Layout = lay_out(placed.with_columns(item_id="cluster"))
        self.views = {name: tuple(views(self.layout.lists, name)) for name in measures}
        self.members = {
            name: membership(self.layout.lists, found) for name, found in self.views.items()
        }
        list_counts = lay_out(keys).counts
        self.items = {
            name: tuple(int(n) for n in (list_counts @ members > 0).sum(axis=0))
            for name, members in self.members.items()
        }


def read_arms(
    kinds: Mapping[str, ArmKind],
    read: Callable[[str], pl.DataFrame],
    clusters: Mapping[str, Clusters],
    views: Views,
) -> list[Scored]:
    """Return the arms of every dataset and measure of the scores that `read` returns of a trial.

    `read`: from a trial's name to evaluation.SCORES. `clusters`: of each dataset. The first trial
    says which queries, datasets and measures there are.

    Raises:
        InputError: another trial lacks some of them, or holds scores that are no numbers; scores of
            a dataset that is not among the clusters.
    """
    first = read(next(iter(kinds.values())).trials[0])
    if gone := sorted(set(first["dataset"].unique()) - clusters.keys()):
        raise InputError(
            "scores",
            f"those of {', '.join(gone)}",
            f"the study's datasets ({', '.join(clusters)})",
            "Run `dvc repro`: params.yaml has changed since",
        )
    measures = first["measure"].unique(maintain_order=True).to_list()
    designs = {
        name: _Design(_keys(first, name, measures[0]), clusters[name], measures, views)
        for name in first["dataset"].unique(maintain_order=True)
    }
    reader = _Reader(first)
    parts: dict[tuple[str, str, str], list[Arm]] = {}
    for arm, kind in kinds.items():
        for trial in kind.trials:
            one_of = reader.open(read(trial), trial)
            for dataset, design in designs.items():
                for measure in measures:
                    sums = design.layout.sums(one_of(dataset, measure, design.keys))
                    of, members = design.layout.counts, design.members[measure]
                    one = arm_of([sums], of, members, kind.trained, design.crossed)
                    parts.setdefault((dataset, measure, arm), []).append(one)
    return [
        Scored(name, each, design.level, design.views[each], design.items[each],
               {arm: _joined(parts[name, each, arm], kind) for arm, kind in kinds.items()}, kinds)
        for name, design in designs.items()
        for each in measures
    ]  # fmt: skip


class _Reader:
    """Scores of trials in the order of keys, quicker where a table has the rows of the `first`."""

    def __init__(self, first: pl.DataFrame) -> None:
        self.keys = first.drop("score")
        numbered = first.select("dataset", "measure", *_KEY).with_row_index("row")
        self.rows = {
            key: part.sort(_KEY)["row"].to_numpy()
            for key, part in numbered.partition_by("dataset", "measure", as_dict=True).items()
        }

    def open(self, frame: pl.DataFrame, trial: str) -> Callable[[str, str, pl.DataFrame], Float64]:
        """Return what gives scores (J,) of a dataset and measure, in the order of its keys."""
        scores = frame["score"].to_numpy() if frame.drop("score").equals(self.keys) else None
        if scores is not None and np.isfinite(scores).all():
            return lambda dataset, measure, _: scores[self.rows[dataset, measure]]
        return lambda dataset, measure, keys: _aligned(frame, trial, dataset, measure, keys)


def _joined(seeds: list[Arm], kind: ArmKind) -> Arm:
    values, influence = (
        np.concatenate([getattr(one, name) for one in seeds]) for name in ("values", "influence")
    )
    return replace(seeds[0], values=values, influence=influence, derived=kind.derived)


def _keys(frame: pl.DataFrame, dataset: str, measure: str) -> pl.DataFrame:
    rows = frame.filter(pl.col("dataset") == dataset, pl.col("measure") == measure)
    return rows.select(_KEY).sort(_KEY)


def _aligned(
    frame: pl.DataFrame, trial: str, dataset: str, measure: str, keys: pl.DataFrame
) -> Float64:
    """Return a trial's scores (J,) in the order of `keys`; refuses gaps and what is no number."""
    rows = frame.filter(pl.col("dataset") == dataset, pl.col("measure") == measure)
    if not rows.select(_KEY).equals(keys):
        rows = rows.sort(_KEY)
    where = f"{trial}, {dataset}, {measure}"
    if not rows.select(_KEY).equals(keys):
        missing = keys.join(rows, on=_KEY, how="anti").height
        raise InputError(
            where,
            f"{rows.height} scores, {missing} of the first strategy's queries missing",
            f"the first strategy's {keys.height} judged queries, each once",
            "Evaluate both on the same data: `dvc repro` the older one",
        )
    bad = rows.filter(~pl.col("score").is_finite().fill_null(False))
    if bad.height:
        shown = "; ".join(" ".join(row) for row in bad.select(_KEY).head(3).rows())
        raise InputError(
            where,
            f"{bad.height} scores that are no numbers ({shown})",
            "finite scores",
            "Run this strategy's evaluate stage again",
        )
    return rows["score"].to_numpy()
