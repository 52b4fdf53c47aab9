"""The sections of compare.md that say how sure differences are, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import polars as pl

from polybatch.core.markdown import MISSING, escape, markdown, number, span
from polybatch.evaluation.language_bias import PANEL, Bias
from polybatch.reports.languages import DECLARED, MEANING, mark
from polybatch.statistics.breakdowns import (
    POOL_MEAN,
    View,
    language_views,
    pool_views,
    script_views,
    seen_views,
    setting_views,
)
from polybatch.statistics.decisions import DECIDED

TRAINED = "language of the training data"

_TITLES = {
    "script": "scripts of the two languages",
}


def study_views(
    headline: str, trained: Collection[str], known: Collection[str] | None, kind: str = DECLARED
) -> Callable[[pl.DataFrame, str], Sequence[View]]:
    """Return which views of a dataset's lists are assessed: all for `headline`, else settings.

    `trained`: languages of the training data; `known`: those that the encoder knows, None where
    that is not known itself; `kind`: what the tables call them.

    Example:
        >>> lists = pl.DataFrame([("mono", "en", "en"), ("mono", "sw", "sw")], orient="row",
        ...                      schema=["setting", "query_lang", "doc_lang"])
        >>> views = study_views("AP", {"en"}, None)
        >>> [[view.group for view in views(lists, measure)] for measure in ("AP", "R@10")]
        [['all', 'en', 'sw', 'seen', 'unseen'], ['all']]
    """

    def views(lists: pl.DataFrame, measure: str) -> Sequence[View]:
        found = setting_views(lists) + pool_views(lists)
        if measure == headline:
            found += language_views(lists) + script_views(lists)
            found += seen_views(lists, TRAINED, trained)
            if known is not None:
                found += seen_views(lists, kind, known)
        return found

    return views


def pool_section(sure: pl.DataFrame, measure: str) -> str:
    """Return the pool's two means beside each other: over query languages, and over queries.

    Example:
        >>> rows = pl.DataFrame({"strategy": "mono", "dataset": "d", "measure": "AP",
        ...                      "setting": "multi", "kind": ["setting", POOL_MEAN],
        ...                      "value": [0.5, 0.6], "low": [0.4, 0.5], "high": [0.6, 0.7]})
        >>> print(pool_section(rows, "AP").splitlines()[-1])
        | mono | d | 50.0 [40.0, 60.0] | 60.0 [50.0, 70.0] |
    """
    rows = sure.filter(
        pl.col("measure") == measure,
        pl.col("setting") == "multi",
        pl.col("kind").is_in(["setting", POOL_MEAN]),
    )
    if not rows.height:
        return "No dataset has a pool of several languages."
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows.iter_rows(named=True):
        shown = f"{number(row['value'])} {span(row['low'], row['high'])}"
        cells.setdefault((row["strategy"], row["dataset"]), {})[row["kind"]] = shown
    return (
        f"{escape(measure)} in percent. Over query languages every language counts the same; over "
        "queries those with more questions count more. Tables and headlines show the former.\n\n"
    ) + markdown(
        pl.DataFrame(
            [
                (escape(strategy), escape(dataset), each["setting"], each[POOL_MEAN])
                for (strategy, dataset), each in cells.items()
            ],
            ["strategy", "dataset", "mean over query languages", POOL_MEAN],
            orient="row",
        )
    )


def view_sections(
    sure: pl.DataFrame, measure: str, baseline: str, flagged: Collection[str] = ()
) -> str:
    """Return one table per dataset, view and setting: its groups down, strategies across.

    `flagged`: languages that are marked (languages.MEANING).
    """
    parts = [
        f"{escape(measure)} in percent of {escape(baseline)}, and the differences of the others to "
        "it in points with their intervals; **bold** where they are decided with p corrected (Holm)"
        " within the table."
    ]
    if flagged:
        parts.append(MEANING)
    rows = sure.filter(pl.col("measure") == measure, ~pl.col("kind").is_in(["setting", POOL_MEAN]))
    for (dataset, kind, setting), part in rows.group_by(
        "dataset", "kind", "setting", maintain_order=True
    ):
        title = _TITLES.get(str(kind), str(kind))
        parts.append(f"### {escape(str(dataset))}, {setting}: {title}")
        parts.append(markdown(difference_table(part, baseline, flagged)))
    return "\n\n".join(parts)


def difference_table(
    part: pl.DataFrame, baseline: str, flagged: Collection[str] = ()
) -> pl.DataFrame:
    """Return groups down, the baseline's value and the others' differences across, as Markdown.

    Example:
        >>> part = pl.DataFrame({"group": "en", "strategy": ["mono", "hybrid"], "value": [0.5, 0.6],
        ...                      "difference": [None, 0.1], "difference_low": [None, 0.05],
        ...                      "difference_high": [None, 0.15], "outcome": [None, "better"]})
        >>> difference_table(part, "mono").rows()
        [('en', '50.0', '**+10.0** [5.0, 15.0]')]
    """
    groups = part["group"].unique(maintain_order=True).to_list()
    labels = [mark(escape(group), group in flagged) for group in groups]
    columns: dict[str, list[str]] = {"group": labels}
    for (strategy,), rows in part.group_by("strategy", maintain_order=True):
        cells = {row["group"]: _cell(row) for row in rows.iter_rows(named=True)}
        columns[escape(str(strategy))] = [cells.get(group, MISSING) for group in groups]
    frame = pl.DataFrame(columns)
    first = escape(baseline)
    rest = [name for name in frame.columns[1:] if name != first]
    return frame.select("group", first, *rest)


def bias_section(bias: Mapping[str, Mapping[str, Bias]]) -> str:
    """Return the bias panel of every dataset: strategies down, the panel across.

    `bias`: {strategy: {dataset: its bias}}.

    Example:
        >>> text = bias_section({"mono": {"d": Bias(panel={"Max@R": 3.0, "Complete@10": 0.75})}})
        >>> print(text.splitlines()[-1])
        | mono | 3.000 | 0.750 |
    """
    parts = [
        "In the pool of all languages, averaged over queries; definitions in docs/measures.md. "
        "LanguagePreference: 0.5 is none, 1 is always the query's own language. SameLanguage@10 "
        "compares with PoolShare. alignment, uniformity and cross\\_uniformity (Wang and Isola "
        "2020) are of query vectors; smaller is better."
    ]
    for dataset in next(iter(bias.values()), {}):
        names = [*PANEL, "alignment", "uniformity", "cross_uniformity"]
        found = {strategy: datasets[dataset].shown for strategy, datasets in bias.items()}
        names = [name for name in names if any(name in row for row in found.values())]
        frame = pl.DataFrame(
            {
                "strategy": [escape(strategy) for strategy in found],
                **{
                    escape(name): [_number(row.get(name)) for row in found.values()]
                    for name in names
                },
            }
        )
        parts += [f"### {escape(dataset)}", markdown(frame)]
    return "\n\n".join(parts)


def exposure_section(plans: Mapping[str, Mapping[str, Any]]) -> str:
    """Return how often each strategy meets each language, and how many pairs of languages never.

    `plans`: {strategy: what results/plans/<strategy>/<seed>.json holds}.

    Example:
        >>> plan = {"steps": 2, "pairs": 8, "language_pairs": {"never_drawn": 0},
        ...         "questions": {"en": 8}, "documents": {"en": 6, "sw": 2}}
        >>> print(exposure_section({"mono": plan}).splitlines()[-1])  # of documents: en, sw
        | mono | 75.0 | 25.0 |
    """
    trained = {name: plan for name, plan in plans.items() if plan["steps"]}
    if not trained:
        return "No strategy was trained."
    parts = [
        "Pairs of the training with the first seed. Strategies are comparable where "
        "their rows agree, or differ by what they are named after (`batches.exposure`)."
    ]
    for name, plan in trained.items():
        pairs = plan["language_pairs"]
        if pairs["never_drawn"]:
            parts.append(
                f"{escape(name)}: {plan['steps']:,} batches, {pairs['requested']:,} ordered pairs "
                f"of languages, of which {pairs['never_drawn']:,} were never drawn."
            )
    for side in ("questions", "documents"):
        languages = sorted({lang for plan in trained.values() for lang in plan[side]})
        rows = [
            [escape(name), *(number(plan[side].get(lang, 0) / plan["pairs"])
                             for lang in languages)]
            for name, plan in trained.items()
        ]  # fmt: skip
        parts.append(f"Percent of {side} by language:")
        parts.append(markdown(pl.DataFrame(rows, ["strategy", *languages], orient="row")))
    return "\n\n".join(parts)


def _cell(row: Mapping[str, Any]) -> str:
    low, high = row["difference_low"], row["difference_high"]
    if row["difference"] is None:
        return number(row["value"])
    shown = number(row["difference"], sign=True)
    if low is None or high is None:
        return shown
    shown = f"**{shown}**" if row["outcome"] in DECIDED else shown
    return f"{shown} {span(low, high)}"


def _number(value: float | None) -> str:
    if value is None:
        return MISSING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3f}"
