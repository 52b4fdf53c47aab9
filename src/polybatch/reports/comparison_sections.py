"""The sections of compare.md that say how sure differences are, and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import polars as pl

from polybatch.evaluation.language_bias import PANEL
from polybatch.markdown import escape, markdown
from polybatch.reports.comparison import MISSING
from polybatch.statistics.breakdowns import (
    ENCODER_LANGUAGES,
    View,
    language_views,
    script_views,
    seen_views,
    setting_views,
)

TRAINED, ENCODER = "language of the training data", "language of the encoder"

_TITLES = {
    "query language": "asked in",
    "document language": "answered in",
    "script": "scripts of the two languages",
}
_NO_INTERVAL = "One item only: there is nothing to resample, so no interval and no p."


def study_views(
    headline: str, trained: Collection[str], encoder: str
) -> Callable[[pl.DataFrame, str], Sequence[View]]:
    """Return which views of a dataset's lists are assessed: all for `headline`, else settings.

    `trained`: languages of the training data; `encoder`: a name, whose languages are told apart
    where views.ENCODER_LANGUAGES knows them.
    """

    def views(lists: pl.DataFrame, measure: str) -> Sequence[View]:
        found = setting_views(lists)
        if measure == headline:
            found += language_views(lists) + script_views(lists)
            found += seen_views(lists, TRAINED, trained)
            if encoder in ENCODER_LANGUAGES:
                found += seen_views(lists, ENCODER, ENCODER_LANGUAGES[encoder])
        return found

    return views


def significance_section(sure: pl.DataFrame, measure: str, confidence: float) -> str:
    """Return the table of differences to the baseline with intervals and p-values.

    `sure`: significance.SIGNIFICANCE.
    """
    rows = sure.filter(measure=measure, kind="setting").filter(pl.col("difference").is_not_null())
    if not rows.height:
        return "One strategy: nothing to compare."
    cells = [
        (
            escape(row["strategy"]),
            escape(row["dataset"]),
            row["setting"],
            points(row["difference"]),
            span(row["difference_low"], row["difference_high"]),
            probability(row["p"]),
            probability(row["p_holm"]),
            f"{row['items']:,}",
        )
        for row in rows.iter_rows(named=True)
    ]
    names = ["strategy", "dataset", "setting", "difference", "interval", "p", "p (Holm)", "items"]
    alone = f"\n\n{_NO_INTERVAL}" if (rows["items"] < 2).any() else ""
    return (
        f"{escape(measure)}, differences to the baseline in points, with {100 * confidence:g}% "
        "bootstrap intervals and randomisation p-values. Items are resampled, all translations of "
        "a question together; Holm's correction is over the comparisons of this table.\n\n"
        f"{markdown(pl.DataFrame(cells, names, orient='row'))}{alone}"
    )


def view_sections(sure: pl.DataFrame, measure: str, baseline: str) -> str:
    """Return one table a dataset, view and setting: its groups down, strategies across."""
    parts = [
        f"{escape(measure)} in percent of {escape(baseline)}, and the differences of the others to "
        "it in points with their intervals; **bold** where the interval is on one side of 0."
    ]
    rows = sure.filter(pl.col("measure") == measure, pl.col("kind") != "setting")
    for (dataset, kind, setting), part in rows.group_by(
        "dataset", "kind", "setting", maintain_order=True
    ):
        title = _TITLES.get(str(kind), str(kind))
        parts.append(f"### {escape(str(dataset))}, {setting}: {title}")
        parts.append(markdown(difference_table(part, baseline)))
    return "\n\n".join(parts)


def difference_table(part: pl.DataFrame, baseline: str) -> pl.DataFrame:
    """Return groups down, the baseline's value and the others' differences across, as Markdown."""
    groups = part["group"].unique(maintain_order=True).to_list()
    columns: dict[str, list[str]] = {"group": [escape(group) for group in groups]}
    for (strategy,), rows in part.group_by("strategy", maintain_order=True):
        cells = {row["group"]: _cell(row) for row in rows.iter_rows(named=True)}
        columns[escape(str(strategy))] = [cells.get(group, MISSING) for group in groups]
    frame = pl.DataFrame(columns)
    first = escape(baseline)
    rest = [name for name in frame.columns[1:] if name != first]
    return frame.select("group", first, *rest)


def bias_section(bias: Mapping[str, Mapping[str, object]]) -> str:
    """Return the bias panel of every dataset: strategies down, the panel across.

    `bias`: {strategy: what results/bias/<strategy>.json holds}.
    """
    parts = [
        "In the pool of all languages, averaged over queries; definitions in docs/measures.md. "
        "LanguagePreference: 0.5 is none, 1 is always the query's own language. SameLanguage@10 "
        "compares with PoolShare. alignment, uniformity and cross\\_uniformity (Wang and Isola "
        "2020) are of query vectors; smaller is better."
    ]
    for dataset in next(iter(bias.values()), {}):
        names = [*PANEL, "alignment", "uniformity", "cross_uniformity"]
        found: dict[str, dict[str, float]] = {}
        for strategy, datasets in bias.items():
            entry = datasets[dataset]
            assert isinstance(entry, Mapping)
            found[strategy] = {**entry.get("panel", {}), **entry.get("vectors", {})}
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
    """
    trained = {name: plan for name, plan in plans.items() if plan["steps"]}
    if not trained:
        return "No strategy was trained."
    parts = [
        "Of the pairs that training meets, with the first seed. Strategies are comparable where "
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
            [escape(name), *(f"{100 * plan[side].get(lang, 0) / plan['pairs']:.1f}"
                             for lang in languages)]
            for name, plan in trained.items()
        ]  # fmt: skip
        parts.append(f"Percent of {side} a language:")
        parts.append(markdown(pl.DataFrame(rows, ["strategy", *languages], orient="row")))
    return "\n\n".join(parts)


def _cell(row: Mapping[str, float | None]) -> str:
    low, high = row["difference_low"], row["difference_high"]
    if row["difference"] is None:
        value = row["value"]
        return MISSING if value is None else f"{100 * value:.1f}"
    shown = points(row["difference"])
    if low is None or high is None:
        return shown
    shown = f"**{shown}**" if low > 0 or high < 0 else shown
    return f"{shown} {span(low, high)}"


def points(value: float | None) -> str:
    """Return a difference in points with its sign.

    Example:
        >>> points(0.0123), points(-0.0001), points(None)
        ('+1.2', '+0.0', '–')
    """
    return MISSING if value is None else f"{round(100 * value, 1) + 0.0:+.1f}"


def span(low: float | None, high: float | None) -> str:
    """Return an interval in points.

    Example:
        >>> span(-0.001, 0.0123)
        '[-0.1, 1.2]'
    """
    if low is None or high is None:
        return MISSING
    return f"[{round(100 * low, 1) + 0.0:.1f}, {round(100 * high, 1) + 0.0:.1f}]"


def probability(value: float | None) -> str:
    """Return p with four digits.

    Example:
        >>> probability(0.00012)
        '0.0001'
    """
    return MISSING if value is None else f"{value:.4f}"


def _number(value: float | None) -> str:
    if value is None:
        return MISSING
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3f}"
