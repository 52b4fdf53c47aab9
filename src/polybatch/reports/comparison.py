"""Strategies side by side: tables in percent, Markdown for people, CSV for tools."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import polars as pl

from polybatch.core.errors import InputError, InputErrorList
from polybatch.core.markdown import MISSING, escape, markdown, number, span
from polybatch.evaluation.scores import SETTINGS, Summary

COMPARISON = pl.Schema(
    {
        "strategy": pl.String,
        "dataset": pl.String,
        "setting": pl.String,
        "measure": pl.String,
        "value": pl.Float64,
        "difference": pl.Float64,
        "spread": pl.Float64,
    }
)
"""`value` in [0, 1], of several seeds the mean; `difference` to the baseline's, null for the
baseline itself; `spread`: the standard deviation over seeds, null for one seed."""

_KEY = ["setting", "query_lang", "doc_lang", "item_id"]


def comparison(
    summaries: Mapping[str, Summary],
    baseline: str,
    spreads: Mapping[tuple[str, str, str, str], float | None] | None = None,
) -> pl.DataFrame:
    """Return all values of all strategies, COMPARISON; write it with `write_csv`.

    `spreads`: over seeds, by strategy, dataset, setting and measure.

    Rows keep the strategies' and measures' given order; settings are mono, cross, multi.

    Raises:
        InputError: `baseline` is not among the strategies.

    Example:
        >>> values = {"mono": {"d": {"mono": {"AP": 0.5}}}, "hybrid": {"d": {"mono": {"AP": 0.6}}}}
        >>> comparison(values, "mono")["difference"].round(3).to_list()
        [None, 0.1]
    """
    if baseline not in summaries:
        raise InputError(
            "study.baseline",
            baseline,
            f"one of {', '.join(summaries)}",
            "Name a strategy that was evaluated",
        )
    rows = []
    for strategy, datasets in summaries.items():
        for dataset, settings in datasets.items():
            for setting in SETTINGS:
                for measure, value in settings.get(setting, {}).items():
                    base = summaries[baseline].get(dataset, {}).get(setting, {}).get(measure)
                    gain = None if base is None or strategy == baseline else value - base
                    key = (strategy, dataset, setting, measure)
                    rows.append((*key, value, gain, (spreads or {}).get(key)))
    return pl.DataFrame(rows, schema=COMPARISON, orient="row")


def refuse_different_queries(per_query: Mapping[str, pl.DataFrame], baseline: str) -> None:
    """Raise InputErrorList unless all strategies were scored on the same queries and measures.

    `per_query`: evaluation.SCORES of each strategy.

    Example:
        >>> row = {"dataset": "d", "measure": "AP", "setting": "mono", "query_lang": "en"}
        >>> one, two = (pl.DataFrame([row | {"doc_lang": "en", "item_id": item}]) for item in "ij")
        >>> refuse_different_queries({"mono": one, "hybrid": two}, "mono")
        Traceback (most recent call last):
        polybatch.core.errors.InputErrorList: Strategies were scored on different queries (1 to ...
          - strategies mono and hybrid, dataset d: found 1 judged queries only in the first ...
    """
    errors = []
    reference = per_query[baseline]
    for strategy, scores in per_query.items():
        if strategy == baseline:
            continue
        names = f"strategies {baseline} and {strategy}"
        for dataset in sorted({*reference["dataset"].unique(), *scores["dataset"].unique()}):
            found = _differences(reference.filter(dataset=dataset), scores.filter(dataset=dataset))
            errors += [
                InputError(
                    f"{names}, dataset {dataset}",
                    found,
                    "the same in both",
                    "Evaluate both on the same data: `dvc repro` the older one",
                )
            ] * bool(found)
    if errors:
        raise InputErrorList("Strategies were scored on different queries", errors)


def refuse_different_revisions(revisions: Mapping[str, Mapping[str, str]], baseline: str) -> None:
    """Raise InputErrorList unless all strategies were scored on the same dataset revisions.

    `revisions`: of each strategy, {dataset: tables.revision_of it}, as its scores carry them.

    Example:
        >>> refuse_different_revisions({"mono": {"d": "1f"}, "hybrid": {"d": "2e"}}, "mono")
        Traceback (most recent call last):
        polybatch.core.errors.InputErrorList: Scores are of different dataset revisions (1 ...
          - strategies mono and hybrid, dataset d: found revisions 1f and 2e, expected the same...
    """
    errors = []
    for strategy, found in revisions.items():
        for dataset in sorted({*revisions[baseline], *found}):
            one, other = (row.get(dataset, "none") for row in (revisions[baseline], found))
            errors += [
                InputError(
                    f"strategies {baseline} and {strategy}, dataset {dataset}",
                    f"revisions {one} and {other}",
                    "the same in both",
                    "Evaluate both on the same data: `dvc repro` the older one",
                )
            ] * (one != other)
    if errors:
        raise InputErrorList("Scores are of different dataset revisions", errors)


def measure_table(
    table: pl.DataFrame,
    measure: str,
    sure: pl.DataFrame | None = None,
    bold: Collection[tuple[str, str, str]] = (),
) -> pl.DataFrame:
    """Return one row per strategy, one column per dataset and setting, as Markdown in percent.

    The difference to the baseline follows in parentheses, with its interval where `sure`
    (significance.SIGNIFICANCE) has one; the baseline's own interval is that of its value.
    `bold`: (strategy, dataset, setting) of decided contrasts, as `contrasts.decided` returns.

    Example:
        >>> values = {"mono": {"d": {"mono": {"AP": 0.5}}}, "hybrid": {"d": {"mono": {"AP": 0.6}}}}
        >>> measure_table(comparison(values, "mono"), "AP", bold=[("hybrid", "d", "mono")]).rows()
        [('mono', '50.0'), ('hybrid', '60.0 (**+10.0**)')]
    """
    rows = table.filter(measure=measure)
    strategies = table["strategy"].unique(maintain_order=True).to_list()
    ranges = _ranges(sure, measure) if sure is not None else {}
    columns: dict[str, list[str]] = {"strategy": [escape(name) for name in strategies]}
    for (dataset, setting), part in rows.group_by("dataset", "setting", maintain_order=True):
        numbers = part.select("value", "difference", "spread").rows()
        values = dict(zip(part["strategy"], numbers, strict=True))
        columns[f"{escape(str(dataset))} {setting}"] = [
            _cell(
                values.get(name),
                ranges.get((name, dataset, setting), ""),
                (name, str(dataset), str(setting)) in bold,
            )
            for name in strategies
        ]
    return pl.DataFrame(columns)


def budget_table(budgets: Mapping[str, Mapping[str, int | float | str]]) -> pl.DataFrame:
    """Return one row per strategy, one column per budget (steps, pairs, …), as Markdown.

    Example:
        >>> budget_table({"zero-shot": {}, "mono": {"steps": 400, "pairs": 12800}}).rows()
        [('zero-shot', '–', '–'), ('mono', '400', '12,800')]
    """
    names = list(dict.fromkeys(name for budget in budgets.values() for name in budget))
    return pl.DataFrame(
        {
            "strategy": [escape(strategy) for strategy in budgets],
            **{
                name.replace("_", " "): [_number(row.get(name)) for row in budgets.values()]
                for name in names
            },
        }
    )


def report(
    table: pl.DataFrame,
    baseline: str,
    budgets: Mapping[str, Mapping[str, int | float | str]],
    signature: Mapping[str, object],
    extra: Mapping[str, str] | None = None,
    sure: pl.DataFrame | None = None,
    headlines: Sequence[str] = (),
    bold: Collection[tuple[str, str, str]] = (),
) -> str:
    """Return `compare.md`: headlines, one table per measure, budgets, extra sections, notes.

    `table`: COMPARISON. The first table is of AP, else of the first measure. `signature`: how the
    numbers were made (tie rule, dataset revisions, seed, version, …). `extra`: {title: Markdown}.
    `sure`: significance.SIGNIFICANCE, whose intervals tables then show. `headlines`: sentences of
    `reports.contrasts`. `bold`: what `contrasts.decided` returns.

    Example:
        >>> values = {"mono": {"d": {"mono": {"AP": 0.5}}}, "hybrid": {"d": {"mono": {"AP": 0.6}}}}
        >>> text = report(comparison(values, "mono"), "mono", {}, {"seeds": "0, 1"})
        >>> print(text.splitlines()[7], text.splitlines()[-1])
        | hybrid | 60.0 (+10.0) | - **seeds**: 0, 1
    """
    measures = table["measure"].unique(maintain_order=True).to_list()
    first = "AP" if "AP" in measures else measures[0]
    parts = [
        "# Strategies compared",
        *(escape(line) for line in headlines),
        f"{escape(first)} in percent; in parentheses the difference to {escape(baseline)}, the "
        "baseline; **bold** where a declared contrast to it was decided."
        + (_INTERVALS if sure is not None else "")
        + (_SPREAD if table["spread"].is_not_null().any() else ""),
        markdown(measure_table(table, first, sure, bold)),
    ]
    for title, body in (extra or {}).items():
        parts += [f"## {escape(title)}", body.strip()]
    for measure in measures:
        if measure != first:
            parts += [f"## {escape(measure)}", markdown(measure_table(table, measure, sure))]
    if budgets:
        parts += ["## Training data of each strategy", markdown(budget_table(budgets))]
    notes = [f"- **{escape(key)}**: {escape(str(value))}" for key, value in signature.items()]
    parts += ["## How the numbers are made", "\n".join([*_READING, *notes])]
    return "\n\n".join(parts) + "\n"


_INTERVALS = " In brackets the interval of the difference, of the baseline that of its value."

_SPREAD = " Values are means over seeds, ± their standard deviation."

_READING: Sequence[str] = (
    "- **mono**: queries against documents of their own language, averaged over languages; "
    "**cross**: over ordered pairs of languages; **multi**: against the pool of all languages, "
    "averaged over query languages. In each, first over the queries of a language or pair.",
    "- A name with @k looks at the first k documents; AP without it looks at all.",
    "- Equal scores are ordered by doc\\_id, descending, as trec\\_eval does; a query whose "
    "relevant documents are not found scores 0.",
)


def _differences(reference: pl.DataFrame, scores: pl.DataFrame) -> str:
    """Say how two strategies' scores of one dataset differ in what was scored; '' if not."""
    ours, theirs = (set(frame["measure"].unique()) for frame in (reference, scores))
    one, other = (
        frame.filter(measure=frame["measure"][0]).select(_KEY) if frame.height else frame
        for frame in (reference, scores)
    )
    missing = one.join(other, on=_KEY, how="anti").height
    more = other.join(one, on=_KEY, how="anti").height
    if missing or more:
        return f"{missing} judged queries only in the first and {more} only in the second"
    if ours != theirs:
        return f"measures in one only: {', '.join(sorted(ours ^ theirs))}"
    return ""


def _ranges(sure: pl.DataFrame, measure: str) -> dict[tuple[object, ...], str]:
    """Return the interval to print, by (strategy, dataset, setting)."""
    found: dict[tuple[object, ...], str] = {}
    for row in sure.filter(measure=measure, kind="setting").iter_rows(named=True):
        head = "" if row["difference"] is None else "difference_"
        low, high = row[f"{head}low"], row[f"{head}high"]
        if low is not None:
            found[row["strategy"], row["dataset"], row["setting"]] = f" {span(low, high)}"
    return found


def _cell(
    values: tuple[float, float | None, float | None] | None, interval: str, bold: bool
) -> str:
    if values is None:
        return MISSING
    value, difference, spread = values
    text = number(value) + ("" if spread is None else f" ± {number(spread)}")
    if difference is None:
        return text + interval
    shown = number(difference, sign=True)
    return f"{text} ({f'**{shown}**' if bold else shown}{interval})"


def _number(value: object) -> str:
    if value is None:
        return MISSING
    return escape(value) if isinstance(value, str) else f"{value:,}"
