"""From what the stages wrote to what the page shows: rows of tables, data of plots."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import polars as pl

from polybatch.core.markdown import number, probability, span
from polybatch.evaluation.language_bias import PANEL, Bias
from polybatch.evaluation.scores import SETTINGS
from polybatch.reports.costs import TOKENS
from polybatch.reports.html.page import Cell, Table
from polybatch.reports.index_page import index_rows
from polybatch.reports.languages import mark
from polybatch.sources.manifest import Manifest
from polybatch.validation.summary import DatasetSummary

_ROW = ["strategy", "dataset", "setting", "measure"]


def score_rows(
    comparison: pl.DataFrame,
    sure: pl.DataFrame,
    measure: str,
    names: tuple[str, str],
    bold: Collection[tuple[str, str, str]] = (),
) -> dict[str, Any]:
    """Return the score table's data: one row per strategy, dataset, setting and measure.

    `comparison`: comparison.COMPARISON, `sure`: significance.SIGNIFICANCE, `names`: of the focus
    and the baseline, `bold`: what `contrasts.decided` returns. Texts are those of compare.md.

    Example:
        >>> from polybatch.reports.comparison import COMPARISON
        >>> from polybatch.statistics.significance import SIGNIFICANCE
        >>> row = ("hybrid", "d", "mono", "AP", 0.6, 0.1, None)
        >>> table = pl.DataFrame([row], COMPARISON, orient="row")
        >>> found = score_rows(table, SIGNIFICANCE.to_frame(), "AP", ("hybrid", "mono"))
        >>> [(one["shown"], one["gain"], one["decided"]) for one in found["rows"]]
        [('60.0', ' +10.0', False)]
    """
    ends = ("low", "high", "difference_low", "difference_high")
    rows = comparison.join(
        sure.filter(kind="setting").select(*_ROW, *ends),
        on=_ROW,
        how="left",
        maintain_order="left",
    )
    measures = comparison["measure"].unique(maintain_order=True).to_list()
    return {
        "strategies": comparison["strategy"].unique(maintain_order=True).to_list(),
        "measures": [measure, *(name for name in measures if name != measure)],
        "settings": list(SETTINGS),
        "rows": [_score(row, measure, bold) for row in rows.iter_rows(named=True)],
        "focus": names[0],
        "baseline": names[1],
    }


def _score(
    row: Mapping[str, Any], measure: str, bold: Collection[tuple[str, str, str]]
) -> dict[str, Any]:
    head = "" if row["difference"] is None else "difference_"
    low, high = row[f"{head}low"], row[f"{head}high"]
    gain = "" if row["difference"] is None else f" {number(row['difference'], sign=True)}"
    spread = "" if row["spread"] is None else f" ± {number(row['spread'])}"
    key = (row["strategy"], row["dataset"], row["setting"])
    return {name: row[name] for name in _ROW} | {
        "value": round(row["value"], 6),
        "shown": number(row["value"]) + spread,
        "gain": gain + ("" if low is None else f" {span(low, high)}"),
        "decided": row["measure"] == measure and key in bold,
    }


def contrast_tables(contrasts: pl.DataFrame) -> list[Table]:
    """Return the declared contrasts: of settings, and by what the encoder knows.

    `contrasts`: contrasts.CONTRASTS. Numbers are written as in compare.md.

    Example:
        >>> row = {"kind": "setting", "dataset": "d", "setting": "cross", "measure": "AP",
        ...        "first": "hybrid", "second": "mono", "difference": 0.037, "low": 0.033,
        ...        "high": 0.042, "p_corrected": 0.001, "detectable": 0.01, "outcome": "better"}
        >>> contrast_tables(pl.DataFrame([row]))[0].rows
        [['hybrid - mono', 'd', 'cross', '+3.7', '[3.3, 4.2]', '0.0010', '1.0', 'better']]
    """
    tables = []
    for (kind,), part in contrasts.group_by("kind", maintain_order=True):
        group = [] if kind == "setting" else [str(kind)]
        rows: list[Sequence[Cell]] = [
            [
                f"{row['first']} - {row['second']}",
                row["dataset"],
                row["setting"],
                *([row["group"]] if group else []),
                number(row["difference"], sign=True),
                span(row["low"], row["high"]),
                probability(row["p_corrected"]),
                number(row["detectable"]),
                row["outcome"],
            ]
            for row in part.iter_rows(named=True)
        ]
        columns = ["contrast", "dataset", "setting", *group, "difference", "interval"]
        title = "Declared contrasts" + (f", by {kind}" if group else "")
        note = f"{part['measure'][0]} in points; p corrected over this table (max-t)"
        columns += ["p", "detectable", "decision"]
        tables.append(Table(title, columns, rows, note))
    return tables


def heat_cells(
    languages: Mapping[str, pl.DataFrame], measure: str, flagged: Collection[str] = ()
) -> dict[str, Any]:
    """Return {dataset: {strategy: [[query language, document language, percent]]}}.

    `languages`: of each strategy (dataset, query_lang, doc_lang, and the measure's column).
    `flagged`: languages that are marked (languages.MEANING).

    Example:
        >>> table = pl.DataFrame([("d", "am", "en", 0.25)], orient="row",
        ...                      schema=["dataset", "query_lang", "doc_lang", "AP"])
        >>> heat_cells({"mono": table}, "AP", flagged={"am"})
        {'d': {'mono': [['am †', 'en', 25.0]]}}
    """
    found: dict[str, Any] = {}
    for name, frame in languages.items():
        for dataset, query, document, value in frame.select(
            "dataset", "query_lang", "doc_lang", measure
        ).rows():
            if value is not None:
                row = [*_marked((query, document), flagged), round(100 * value, 6)]
                found.setdefault(dataset, {}).setdefault(name, []).append(row)
    return found


def retrieved_cells(
    bias: Mapping[str, Mapping[str, Bias]], flagged: Collection[str] = ()
) -> dict[str, Any]:
    """Return {dataset: {strategy: [[query language, language found, percent of the ten best]]}}.

    `bias`: {strategy: {dataset: its bias}}; `flagged`: as in `heat_cells`.

    Example:
        >>> bias = Bias(matrix={"sw": {"en": 0.75, "sw": 0.25}})
        >>> retrieved_cells({"mono": {"d": bias}})
        {'d': {'mono': [['sw', 'en', 75.0], ['sw', 'sw', 25.0]]}}
    """
    found: dict[str, Any] = {}
    for name, datasets in bias.items():
        for dataset, one in datasets.items():
            found.setdefault(dataset, {})[name] = [
                [*_marked((query, document), flagged), round(100 * share, 6)]
                for query, shares in one.matrix.items()
                for document, share in shares.items()
            ]
    return found


def _marked(langs: tuple[str, str], flagged: Collection[str]) -> list[str]:
    return [mark(lang, lang in flagged) for lang in langs]


def bias_tables(bias: Mapping[str, Mapping[str, Bias]]) -> list[Table]:
    """Return the bias panel of each dataset, strategies down.

    Example:
        >>> table = bias_tables({"mono": {"d": Bias(panel={"Max@R": 3.0})}})[0]
        >>> table.columns, table.rows
        (['strategy', 'Max@R'], [['mono', 3.0]])
    """
    datasets = list(dict.fromkeys(name for one in bias.values() for name in one))
    tables = []
    for dataset in datasets:
        shown = {name: found[dataset].shown for name, found in bias.items() if dataset in found}
        order = [*PANEL, "alignment", "uniformity", "cross_uniformity"]
        columns = [key for key in order if any(key in row for row in shown.values())]
        rows = [[name, *(row.get(key) for key in columns)] for name, row in shown.items()]
        tables.append(Table(f"Language bias, {dataset}", ["strategy", *columns], rows, decimals=3))
    return tables


def index_tables(found: pl.DataFrame) -> list[Table]:
    """Return what the approximate index loses (fidelity.FIDELITY); none where search is exact.

    Example:
        >>> from polybatch.evaluation.fidelity import FIDELITY
        >>> row = ("d", "mono", "am", "am", 40, "AP@10", 0.4, 0.375)
        >>> (table,) = index_tables(pl.DataFrame([row], FIDELITY, orient="row"))
        >>> table.columns[-1], table.rows[0][-1]
        ('AP@10 loss', 2.5)
        >>> index_tables(FIDELITY.to_frame())
        []
    """
    if not found.height:
        return []
    columns, rows = index_rows(found)
    note = "both answers in percent, losses in points; strategies are compared by exact scores"
    return [Table("What the approximate index loses", columns, rows, note)]


def budget_table(budgets: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return what each strategy was trained on.

    Example:
        >>> budget_table({"mono": {"steps": 9}, "x-y": {"steps": 9, "pairs": 72}}).rows
        [['mono', 9, None], ['x-y', 9, 72]]
    """
    columns = list(dict.fromkeys(key for row in budgets.values() for key in row))
    rows = [[name, *(row.get(key) for key in columns)] for name, row in budgets.items()]
    names = ["strategy", *(column.replace("_", " ") for column in columns)]
    return Table("Training data of each strategy", names, rows, decimals=0)


def cost_table(costs: Mapping[str, Mapping[str, int | None]], names: Sequence[str]) -> Table:
    """Return what each row costs on any machine. `costs`: costs.fixed_costs; `names`: the rows.

    Example:
        >>> costs = {"bm25": {"d index": None, "training tokens": 0}}
        >>> table = cost_table(costs, ["bm25"])
        >>> table.columns, table.rows
        (['strategy', 'training tokens', 'd index (MB)'], [['bm25', 0, None]])
    """
    sizes = [key for key in next(iter(costs.values())) if key != TOKENS]
    rows: list[Sequence[Cell]] = [
        [name, costs[name][TOKENS], *(_megabytes(costs[name][key]) for key in sizes)]
        for name in names
    ]
    columns = ["strategy", TOKENS, *(f"{key} (MB)" for key in sizes)]
    note = "tokens with those of adaptation, of all strategies that a row is made of"
    return Table("Cost of each row", columns, rows, note)


def _megabytes(size: int | None) -> float | None:
    return None if size is None else size / 1e6


def data_table(
    validation: Mapping[str, DatasetSummary], manifests: Mapping[str, Manifest]
) -> Table:
    """Return one row per dataset: sizes, what was rejected, and where it is from.

    `validation`: {dataset: its summary}; `manifests`: {source: its manifest}.
    """
    rows: list[Sequence[Cell]] = []
    for name, found in validation.items():
        manifest = manifests[found.source]
        rows.append(
            [
                name,
                found.use,
                sum(found.queries.values()),
                sum(found.documents.values()),
                len(found.documents),
                sum(found.rejected.values()),
                found.leaks,
                "yes" if found.holds else "no",
                found.source,
                manifest.revision or "–",
                manifest.licence or "–",
            ]
        )
    columns = ["dataset", "use", "queries", "documents", "languages", "rejected", "leaks removed"]
    return Table(
        "Datasets",
        [*columns, "expectations hold", "source", "revision", "licence"],
        rows,
        "details: results/validation.md and results/expectations/",
        decimals=0,
    )
