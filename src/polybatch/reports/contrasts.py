"""The declared contrasts in words and tables: what compare.md and the page begin with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from polybatch.core.markdown import MISSING, escape, markdown, number, probability, span
from polybatch.statistics.clusters import FEW, ITEM, LEAST, TEMPLATE
from polybatch.statistics.contrasts import difference_of
from polybatch.statistics.decisions import (
    DECIDED,
    FEW_CLUSTERS,
    NO_INTERVAL,
    ONE_TRAINING,
    TWO_TRAININGS,
    Outcome,
    Rule,
    sentence,
    too_few,
)
from polybatch.statistics.meta_analysis import FEWEST, Pooled

LONG = {"mono": "monolingual", "cross": "cross-lingual", "multi": "multilingual"}
REASONS: Mapping[Outcome, str] = {
    "one training": ONE_TRAINING,
    "two trainings": TWO_TRAININGS,
    "no interval": NO_INTERVAL,
}
LEVELS = {
    "document_id": "documents", "group_id": "passages", TEMPLATE: "templates", ITEM: "questions",
}  # fmt: skip

_NONE = "None is declared (`statistics.contrasts`): nothing here is a claim."
EQUAL_SEEDS = (
    "the variance over seeds is pooled over the trained strategies; were they alike, spreads as "
    "different as theirs would be found with (Bartlett's test)"
)


def headlines(contrasts: pl.DataFrame, rule: Rule, seeds: int | None) -> list[str]:
    """Return why nothing is decided, where that is so, then one sentence per dataset and contrast.

    `contrasts`: contrasts.CONTRASTS. `seeds`: the fewest trainings of the trained rows of the
    study, contrasted or not; None where none was trained. All words are those of
    `decisions.sentence`.

    Example:
        >>> row = {"dataset": "d", "kind": "setting", "setting": "cross", "measure": "AP",
        ...        "first": "hybrid", "second": "mono", "difference": 0.037, "low": 0.033,
        ...        "high": 0.042, "p_corrected": 0.001, "seeds": 3, "clusters": 48,
        ...        "outcome": "better"}
        >>> headlines(pl.DataFrame([row]), Rule(0.005, 0.95), 3)
        ['On d, hybrid beats mono by 3.7 points of cross-lingual AP [3.3, 4.2].']
    """
    rows = contrasts.filter(kind="setting")
    found = [
        f"{REASONS[reason][0].upper()}{REASONS[reason][1:]}."
        for reason in REASONS
        if (rows["outcome"] == reason).any() or too_few(seeds) == reason
    ]
    for (dataset, first, second), part in rows.group_by(
        "dataset", "first", "second", maintain_order=True
    ):
        names = (str(first), str(second))
        clauses = [
            sentence(
                row["outcome"],
                difference_of(row),
                rule,
                names,
                f"{LONG.get(row['setting'], row['setting'])} {row['measure']}",
            )
            for row in part.iter_rows(named=True)
            if row["outcome"] not in REASONS
        ]
        rest = _undecidable(part.filter(pl.col("outcome").is_in(list(REASONS))), names)
        found.append(f"On {dataset}, {'; '.join([*clauses, *rest])}.")
    return found


def _undecidable(rows: pl.DataFrame, names: tuple[str, str]) -> list[str]:
    """Return one clause on what cannot be decided: numbers only, and why."""
    if not rows.height:
        return []
    shown = [
        f"{number(row['difference'], sign=True)} {LONG.get(row['setting'], row['setting'])}"
        + ("" if row["low"] is None else f" {span(row['low'], row['high'])}")
        for row in rows.iter_rows(named=True)
    ]
    reasons = ", ".join(rows["outcome"].unique(maintain_order=True))
    clause = f"{names[0]} - {names[1]} in points of {rows['measure'][0]}: {', '.join(shown)}"
    return [f"{clause} ({reasons}: nothing is decided)"]


def decided(contrasts: pl.DataFrame, baseline: str) -> set[tuple[str, str, str]]:
    """Return (strategy, dataset, setting) whose declared contrast to the baseline was decided.

    Example:
        >>> rows = pl.DataFrame({"kind": "setting", "dataset": "d", "setting": ["mono", "cross"],
        ...                      "first": "hybrid", "second": "mono",
        ...                      "outcome": ["undecided", "better"]})
        >>> decided(rows, "mono")
        {('hybrid', 'd', 'cross')}
    """
    rows = contrasts.filter(pl.col("kind") == "setting", pl.col("outcome").is_in(DECIDED))
    found = set()
    for row in rows.iter_rows(named=True):
        names = {row["first"], row["second"]}
        if baseline in names:
            (other,) = names - {baseline}
            found.add((other, row["dataset"], row["setting"]))
    return found


def contrast_section(contrasts: pl.DataFrame, rule: Rule) -> str:
    """Return the table of the declared contrasts, with what the study could have found."""
    rows = contrasts.filter(kind="setting")
    if not rows.height:
        return _NONE
    cells = [_cells(row) for row in rows.iter_rows(named=True)]
    names = [
        *("contrast", "dataset", "setting", "difference", "interval", "p", "p (max-t)"),
        *("p (Holm)", "detectable", "margin", "seeds", "clusters", "decision"),
    ]
    return "\n\n".join(
        [
            f"{escape(rows['measure'][0])} in points, as `statistics.contrasts` "
            f"declares, with {100 * rule.confidence:g}% intervals over questions, and over "
            "trainings where there are several (docs/measures.md). p is corrected over all rows of "
            "this table, by max-|t| (which decides) and by Holm. *detectable*: the smallest "
            "difference that these questions and trainings find with 80% power, after "
            "correction (none with one training or two); *margin*: half of the interval. Less than "
            f"{100 * rule.smallest:g} points does not matter here "
            "(`statistics.smallest_difference`).",
            markdown(pl.DataFrame(cells, names, orient="row")),
            *_remarks(rows),
        ]
    )


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    flag = "" if row["clusters"] >= FEW else " (few)"
    return (
        escape(f"{row['first']} - {row['second']}"),
        escape(row["dataset"]),
        row["setting"],
        _bold(number(row["difference"], sign=True), row["outcome"]),
        span(row["low"], row["high"]),
        probability(row["p"]),
        probability(row["p_corrected"]),
        probability(row["p_holm"]),
        number(row["detectable"]),
        MISSING if row["margin"] is None else f"±{number(row['margin'])}",
        MISSING if row["seeds"] is None else str(row["seeds"]),
        f"{row['clusters']} {_level(row['level'])}{flag}",
        row["outcome"],
    )


def _level(level: str) -> str:
    """Return what clusters are, of crossed ones the level that has fewer of them.

    Example:
        >>> _level("document_id"), _level("group_id x template_id")
        ('documents', 'passages or templates')
    """
    return " or ".join(LEVELS.get(part, part) for part in level.split(" x "))


def _bold(text: str, outcome: str) -> str:
    return f"**{text}**" if outcome in DECIDED else text


def _remarks(rows: pl.DataFrame) -> list[str]:
    found = [REASONS[reason] for reason in REASONS if (rows["outcome"] == reason).any()]
    if ((rows["clusters"] < FEW) & (rows["clusters"] >= LEAST)).any():
        found.append(FEW_CLUSTERS)
    tests = rows.select("dataset", "setting", "equal_seeds").unique(maintain_order=True)
    if tested := [
        f"{escape(dataset)} {setting} p = {probability(p)}"
        for dataset, setting, p in tests.drop_nulls().rows()
    ]:
        found.append(f"{EQUAL_SEEDS}: {', '.join(tested)}")
    return ["\n".join(f"- {line[0].upper()}{line[1:]}." for line in found)] if found else []


def known_section(contrasts: pl.DataFrame, kind: str, measure: str) -> str:
    """Return the declared contrasts by what the encoder knows: both languages, one, none.

    `kind`: of the rows of `contrasts` (breakdowns.View.kind).

    Example:
        >>> row = {"kind": "known", "dataset": "d", "setting": "cross", "group": "one seen",
        ...        "first": "hybrid", "second": "mono", "difference": 0.037, "low": 0.033,
        ...        "high": 0.042, "p_corrected": 0.001, "outcome": "better"}
        >>> print(known_section(pl.DataFrame([row]), "known", "AP").splitlines()[-1])
        | hybrid - mono | d | cross | one seen | **+3.7** | [3.3, 4.2] | 0.0010 | better |
    """
    rows = contrasts.filter(kind=kind)
    if not rows.height:
        return _NONE
    cells = [
        (
            escape(f"{row['first']} - {row['second']}"),
            escape(row["dataset"]),
            row["setting"],
            escape(row["group"]),
            _bold(number(row["difference"], sign=True), row["outcome"]),
            span(row["low"], row["high"]),
            probability(row["p_corrected"]),
            row["outcome"],
        )
        for row in rows.iter_rows(named=True)
    ]
    names = [
        *("contrast", "dataset", "setting", escape(kind), "difference", "interval"),
        *("p (max-t)", "decision"),
    ]
    return (
        f"{escape(measure)} in points; p is corrected over this table. A mean over languages that "
        "the encoder reads and languages that it does not is a mean of two different things.\n\n"
        + markdown(pl.DataFrame(cells, names, orient="row"))
    )


def pooled_section(pooled: Sequence[Pooled], datasets: int) -> str:
    """Return the contrasts over all datasets, where there are enough of them for a claim.

    Example:
        >>> one = Pooled(0.03, 0.01, 0.05, 0.012, 0.004, "hybrid", "mono", "cross", 6)
        >>> print(pooled_section([one], 6).splitlines()[-1])
        | hybrid - mono | cross | +3.0 | [1.0, 5.0] | 0.0120 | 0.4 | 6 |
        >>> pooled_section([], 2)
        '2 datasets: no pooled claim (that needs 5).'
        >>> pooled_section([], 6)
        'No contrast can be decided on 5 datasets: no pooled claim.'
    """
    if datasets < FEWEST:
        count = "one dataset" if datasets == 1 else f"{datasets} datasets"
        return f"{count.capitalize()}: no pooled claim (that needs {FEWEST})."
    if not pooled:
        return f"No contrast can be decided on {FEWEST} datasets: no pooled claim."
    cells = [
        (
            escape(f"{one.first} - {one.second}"),
            one.setting,
            number(one.value, sign=True),
            span(one.low, one.high),
            probability(one.p),
            number(one.spread),
            str(one.datasets),
        )
        for one in pooled
    ]
    names = ["contrast", "setting", "difference", "interval", "p", "between datasets", "datasets"]
    return (
        "Random effects over datasets (DerSimonian and Laird; interval of Hartung, Knapp, Sidik "
        "and Jonkman), in points. *between datasets*: the standard deviation of the true "
        "differences. One checkpoint is scored on all datasets, so what seeds add counts as common "
        "to them; one training or two are not pooled. p is of each row alone, not corrected.\n\n"
        + markdown(pl.DataFrame(cells, names, orient="row"))
    )
