"""Two strategies side by side as JSON, Markdown and LaTeX."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping

import polars as pl

from polybatch.core.markdown import MISSING, escape, markdown, number, probability, span
from polybatch.reports.changed_questions import Answer, Changed
from polybatch.reports.pairwise import SideBySide
from polybatch.statistics.decisions import FEW_CLUSTERS

_LATEX = {mark: f"\\{mark}" for mark in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    MISSING: "--",
}
_HEAD = ("dataset", "kind", "setting", "group")


def as_json(found: SideBySide) -> str:
    """Return everything, numbers unrounded; keys are stable (docs/measures.md)."""
    values = found.first_values.select(*_HEAD, first="value", first_low="low", first_high="high")
    rows = found.sure.join(values, on=list(_HEAD), maintain_order="left")
    return json.dumps(
        {
            "first": found.first,
            "second": found.second,
            "measure": found.measure,
            "confidence": found.rule.confidence,
            "smallest_difference": 100 * found.rule.smallest,
            "declared": found.declared,
            "tested": found.tested,
            "headlines": found.headlines,
            "differences": [
                {
                    **{name: row[name] for name in (*_HEAD, "items", "clusters", "seeds")},
                    "first": _estimate(row, "first", "first_low", "first_high"),
                    "second": _estimate(row, "value", "low", "high"),
                    "difference": _estimate(row, "difference", "difference_low", "difference_high"),
                    "p": row["p"],
                    "p_holm": row["p_holm"],
                    "p_corrected": row["p_corrected"],
                    "outcome": row["outcome"],
                }
                for row in rows.iter_rows(named=True)
            ],
            "changed": [dataclasses.asdict(changed) for changed in found.changed],
        },
        ensure_ascii=False,
        indent=2,
        allow_nan=False,
    )


_DECLARED = (
    "This contrast is a declared one: in the settings p is corrected over all declared contrasts, "
    "elsewhere (Holm) over all rows of the same kind on this page."
)
_NOT_TESTED = (
    "This contrast is a declared one, but not tested as such here: `contrasts.csv` has it of the "
    "study's first measure, AP where there is AP, once the study has compared these scores. p is "
    "corrected (Holm) over all rows of the same kind on this page."
)
_NOT_DECLARED = (
    "This contrast is not among `statistics.contrasts`: what it shows was looked for, not claimed "
    "before. p is corrected (Holm) over all rows of the same kind on this page: over its datasets "
    "and settings, elsewhere over their languages, too. That this pair was picked out of many is "
    "not corrected."
)

_FIRST = "Scores are means over trainings; the documents are those that the first one found."


def as_markdown(found: SideBySide) -> str:
    """Return the tables, and the questions that changed most with both strategies' answers."""
    first, second = escape(found.first), escape(found.second)
    parts = [
        f"# {second} against {first}",
        *(escape(line) for line in found.headlines),
        f"{escape(found.measure)} in percent, differences in points with "
        f"{100 * found.rule.confidence:g}% intervals over questions, and over trainings "
        "where there are several. " + _claim(found),
        *([f"{FEW_CLUSTERS[0].upper()}{FEW_CLUSTERS[1:]}."] if found.few else []),
    ]
    for title, table in tables(found).items():
        parts += [f"## {escape(title)}", markdown(_escaped(table, escape))]
    parts.append(f"## The {len(found.changed)} questions that changed most")
    parts.append(_FIRST if found.changed else "None changed.")
    parts += [_question(found, changed) for changed in found.changed]
    return "\n\n".join(parts)


def _claim(found: SideBySide) -> str:
    if not found.declared:
        return _NOT_DECLARED
    return _DECLARED if found.tested else _NOT_TESTED


def as_latex(found: SideBySide) -> str:
    """Return the tables for a paper that loads booktabs; questions are left to the others."""
    parts = []
    for title, table in tables(found).items():
        shown = _escaped(table, latex)
        rows = [" & ".join(row) + r" \\" for row in shown.rows()]
        parts.append(
            "\n".join(
                [
                    r"\begin{table}",
                    rf"\caption{{{latex(found.measure)} of {latex(found.second)} against "
                    rf"{latex(found.first)}: {latex(title)}}}",
                    rf"\begin{{tabular}}{{l{'r' * (table.width - 1)}}}",
                    r"\toprule",
                    " & ".join(shown.columns) + r" \\",
                    r"\midrule",
                    *rows,
                    r"\bottomrule",
                    r"\end{tabular}",
                    r"\end{table}",
                ]
            )
        )
    return "\n\n".join(parts)


FORMATS: dict[str, Callable[[SideBySide], str]] = {
    "markdown": as_markdown,
    "json": as_json,
    "latex": as_latex,
}
"""Name of the option -> what prints."""


def tables(found: SideBySide) -> dict[str, pl.DataFrame]:
    """Return {title: one row per group of plain text}, one table per dataset and kind of view."""
    values = found.first_values.select(*_HEAD, first="value")
    rows = found.sure.join(values, on=list(_HEAD), maintain_order="left")
    shown = {}
    for (dataset, kind), part in rows.group_by("dataset", "kind", maintain_order=True):
        shown[f"{dataset}, {kind}"] = pl.DataFrame(
            [
                (
                    row["setting"] if kind == "setting" else f"{row['setting']} {row['group']}",
                    number(row["first"]),
                    number(row["value"]),
                    number(row["difference"], sign=True),
                    span(row["difference_low"], row["difference_high"]),
                    probability(row["p_corrected"]),
                    row["outcome"],
                )
                for row in part.iter_rows(named=True)
            ],
            [
                str(kind),
                found.first,
                found.second,
                "difference",
                "interval",
                "p (corrected)",
                "decision",
            ],
            orient="row",
        )
    return shown


def latex(text: str) -> str:
    r"""Return text that LaTeX shows as it is.

    Example:
        >>> print(latex("R@1 50% of a_b <0.1"))
        R@1 50\% of a\_b \textless{}0.1
    """
    return "".join(_LATEX.get(mark, mark) for mark in text)


def _estimate(row: Mapping[str, float | None], value: str, low: str, high: str) -> object:
    return {"value": row[value], "low": row[low], "high": row[high]}


def _escaped(table: pl.DataFrame, escaped: Callable[[str], str]) -> pl.DataFrame:
    head = {name: escaped(name) for name in table.columns}
    rows = [[escaped(cell) for cell in row] for row in table.rows()]
    return pl.DataFrame(rows, list(head.values()), orient="row")


def _question(found: SideBySide, changed: Changed) -> str:
    where = f"{changed.query_lang} against {changed.doc_lang}"
    title = (
        f"### {escape(changed.text)}\n\n{escape(changed.dataset)}, {escape(where)}: "
        f"{number(changed.first_score)} -> {number(changed.second_score)}"
    )
    lists = [
        f"{escape(name)}:\n\n" + "\n".join(_answer(n, one) for n, one in enumerate(answers, 1))
        for name, answers in (
            (found.first, changed.first_answers),
            (found.second, changed.second_answers),
        )
    ]
    return "\n\n".join([title, *lists])


def _answer(number: int, answer: Answer) -> str:
    mark = " **(relevant)**" if answer.relevant else ""
    return f"{number}. [{escape(answer.lang)}]{mark} {escape(answer.text)}"
