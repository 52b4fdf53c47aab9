"""`polybatch plan-study`: how many trainings and questions a study needs, before it is trained."""

from __future__ import annotations

from dataclasses import dataclass

from polybatch.core.errors import InputError
from polybatch.reports.results_folder import Study
from polybatch.statistics.arms import ArmKind
from polybatch.statistics.planning import Earlier, Variances, plan_text


@dataclass(frozen=True)
class Assumed:
    """What is assumed where no earlier study says it.

    `seed_ratio`: the standard deviation of a training over that of a cluster. `cluster_sd`: in
    points, of the difference in a cluster; None: from results/contrasts.csv. `items`: questions a
    cluster; `claims`: how many are corrected together.
    """

    seed_ratio: float | None = None
    cluster_sd: float | None = None
    clusters: int = 50
    items: float = 1.0
    claims: int = 1


def study_plan(study: Study, difference: float, assumed: Assumed) -> str:
    """Return the plan that finds a difference in points, as Markdown.

    Raises:
        InputError: a number out of its range, no earlier results and nothing assumed, or one
            training and no assumed ratio.
    """
    _check(difference, assumed)
    if assumed.cluster_sd is not None:
        cluster = (assumed.cluster_sd / 100) ** 2
        variances = Variances((assumed.seed_ratio or 0.0) ** 2 * cluster, cluster, 1)
        one = Earlier("assumed", variances, assumed.items, None, assumed.clusters)
        return plan_text([one] * assumed.claims, difference / 100, study.rule.confidence)
    rows = study.contrasts.filter(kind="setting").drop_nulls("from_clusters")
    if not rows.height:
        raise InputError(
            study.folder / "results" / "contrasts.csv",
            "no earlier results",
            "variances of a study that ran, or assumed ones",
            "Run `dvc repro compare`, or add --cluster-sd POINTS --seed-ratio 0.4",
        )
    earlier = [_earlier(study, row, assumed.seed_ratio) for row in rows.iter_rows(named=True)]
    return plan_text(earlier, difference / 100, study.rule.confidence)


def _earlier(study: Study, row: dict[str, object], ratio: float | None) -> Earlier:
    first, second = (str(row[name]) for name in ("first", "second"))
    clusters, seeds = int(str(row["clusters"])), row["seeds"]
    cluster = float(str(row["from_clusters"])) * clusters
    if seeds is None:
        training = 0.0
    elif row["from_seeds"] is not None:
        training = float(str(row["from_seeds"])) * int(str(seeds))
    elif ratio is not None:
        training = ratio**2 * cluster
    else:
        raise InputError(
            study.folder / "results" / "contrasts.csv",
            "one training: how far trainings are apart is not known",
            "two seeds or more, or an assumed ratio",
            "Add --seed-ratio 0.4 (a training's standard deviation over that of a cluster)",
        )
    name = f"{first} - {second}, {row['dataset']} {row['setting']}"
    return Earlier(
        name,
        Variances(training, cluster, _pooled(study.kinds, first, second)),
        int(str(row["items"])) / clusters,
        None if seeds is None else int(str(seeds)),
        clusters,
    )


def _pooled(kinds: dict[str, ArmKind], first: str, second: str) -> int:
    """Return how many arms' seeds say how far trainings are apart; 1 where they are paired."""
    plans = [kinds[name].plan for name in (first, second) if name in kinds]
    if len(plans) == 2 and plans[0] is not None and plans[0] == plans[1]:
        return 1
    return max(1, sum(kind.trained and not kind.derived for kind in kinds.values()))


def _check(difference: float, assumed: Assumed) -> None:
    for option, value, least in (
        ("--difference", difference, 0.0),
        ("--cluster-sd", assumed.cluster_sd, 0.0),
        ("--items", assumed.items, 0.0),
    ):
        if value is not None and not least < value <= 1_000_000:
            raise InputError(option, f"{value:g}", "a number above 0", "Change the number")
    ratio = assumed.seed_ratio
    if ratio is not None and not 0 <= ratio <= 100:
        raise InputError("--seed-ratio", f"{ratio:g}", "between 0 and 100", "Change the number")
    if assumed.claims < 1 or assumed.clusters < 2:
        found = f"{assumed.claims} claims, {assumed.clusters} clusters"
        raise InputError("--claims, --clusters", found, "1 and 2 or more", "Change the number")
