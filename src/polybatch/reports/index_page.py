"""What an approximate index loses, for people: results/index.md, and a table of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from polybatch.core.markdown import markdown
from polybatch.evaluation.fidelity import losses
from polybatch.evaluation.scores import SETTINGS
from polybatch.settings.index import IndexSettings

_LIST = ["dataset", "setting", "query_lang", "doc_lang", "judged"]

EXACT = "# Index\n\nDocuments are searched exactly (`index` of params.yaml): nothing is lost.\n"


def index_page(
    found: pl.DataFrame, settings: IndexSettings, focus: str, sizes: Mapping[str, tuple[str, int]]
) -> str:
    """Return results/index.md. `found`: FIDELITY; `sizes`: of a dataset factory string, bytes.

    Example:
        >>> from polybatch.evaluation.fidelity import FIDELITY
        >>> row = ("d", "mono", "am", "am", 40, "AP@10", 0.4, 0.375)
        >>> settings = IndexSettings("hnsw", "efSearch=64", 1000, 0, (10,), None)
        >>> text = index_page(pl.DataFrame([row], FIDELITY, orient="row"), settings, "hybrid", {})
        >>> print(text.splitlines()[4])
        Largest loss: 2.5 of AP@10, d mono am>am, of 40 questions (`index.max_loss`: any).
    """
    worst = losses(found).row(0, named=True)
    made = [f"{name}: `{factory}`, {size / 1e6:.1f} MB" for name, (factory, size) in sizes.items()]
    most = "any" if settings.max_loss is None else f"{settings.max_loss:g} points"
    parts = [
        "# Index",
        f"Documents of `{focus}` are searched with an approximate index ({'; '.join(made)}; search"
        f" `{settings.search}`). Strategies are compared by exact scores; here both answers are cut"
        f" at {max(settings.k)} documents. Numbers in percent, losses in points.",
        f"Largest loss: {worst['loss']:.1f} of {worst['measure']}, {worst['dataset']}"
        f" {worst['setting']} {worst['query_lang']}>{worst['doc_lang']}, of {worst['judged']}"
        f" questions (`index.max_loss`: {most}).",
        *_sections(found),
    ]
    return "\n\n".join(parts) + "\n"


def index_rows(found: pl.DataFrame) -> tuple[list[str], Sequence[tuple[Any, ...]]]:
    """Return the columns and rows of a table: a row a list, three columns a measure.

    Example:
        >>> from polybatch.evaluation.fidelity import FIDELITY
        >>> row = ("d", "mono", "am", "am", 40, "AP@10", 0.4, 0.375)
        >>> columns, rows = index_rows(pl.DataFrame([row], FIDELITY, orient="row"))
        >>> columns[5:], rows[0][5:]
        (['AP@10 exact', 'AP@10 approximate', 'AP@10 loss'], (40.0, 37.5, 2.5))
    """
    names = found["measure"].unique(maintain_order=True).to_list()
    wide = found.with_columns(loss=pl.col("exact") - pl.col("approximate")).pivot(
        "measure", index=_LIST, values=["exact", "approximate", "loss"], maintain_order=True
    )
    values = [f"{kind}_{name}" for name in names for kind in ("exact", "approximate", "loss")]
    order = pl.col("setting").replace_strict(SETTINGS, range(len(SETTINGS)))
    wide = wide.sort("dataset", order, "query_lang", "doc_lang")
    rows = wide.select(*_LIST, *((pl.col(value) * 100).round(1) + 0.0 for value in values)).rows()
    heads = [" ".join(reversed(value.split("_", 1))) for value in values]
    return ["dataset", "setting", "queries in", "documents in", "judged", *heads], rows


def _sections(found: pl.DataFrame) -> list[str]:
    sections = []
    for (name,), part in found.group_by("dataset", maintain_order=True):
        pair = pl.col("setting") == "cross"
        for title, rows in (("languages", part.filter(~pair)), ("pairs", part.filter(pair))):
            if rows.height:
                sections += [f"## {name}: {title}", _table(rows)]
    return sections


def _table(found: pl.DataFrame) -> str:
    names, rows = index_rows(found)
    cells = [[f"{x:.1f}" if isinstance(x, float) else str(x) for x in row[1:]] for row in rows]
    return markdown(pl.DataFrame(cells, names[1:], orient="row"))
