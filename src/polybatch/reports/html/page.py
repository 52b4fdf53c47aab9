"""The page itself: a Jinja2 template, its data and two libraries, all in one file."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jinja2
import vl_convert

from polybatch import __version__
from polybatch.core.files import gzipped

_HERE = Path(__file__).parent / "assets"
_SCRIPTS = ("plots.js", "questions.js", "report.js")  # one script: each uses the others
_DEFAULT = re.compile(r"export\s*\{[^}]*?(\w+) as default[^}]*\}")

Cell = str | float | int | None


@dataclass(frozen=True)
class Table:
    """A sortable table. Numbers are shown as given by `texts` and sorted by `rows`.

    `rows`: cells, the first of each the row's name. `numbers`: how many decimals a column shows.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    decimals: int = 1


@dataclass(frozen=True)
class Report:
    """What the page shows. `plots`: data of charts, by name. `explorer`: gzipped JSON.

    `facts`: a name and a value each, by title (data, made). `shown`: of each dataset, how many
    questions the explorer holds, and how many there are.
    """

    study: str
    focus: str
    baseline: str
    headlines: Sequence[str]
    scores: Mapping[str, Any]
    plots: Mapping[str, Any]
    tables: Mapping[str, Sequence[Table]]
    facts: Mapping[str, Sequence[tuple[str, str]]]
    explorer: bytes
    shown: Mapping[str, tuple[int, int]]
    notes: Sequence[str] = field(default=())
    languages_note: str = ""


def page(report: Report) -> str:
    """Return the report as HTML: one file that loads nothing.

    Texts are escaped, whatever the data hold. Libraries and data lie in it gzipped, so a browser
    of 2023 or later is needed (DecompressionStream).
    """
    loader = jinja2.FileSystemLoader(_HERE)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = _cell
    template = environment.get_template("report.html.j2")
    return template.render(
        report=report,
        version=__version__,
        style=_read("style.css"),
        script="".join(map(_read, _SCRIPTS)),
        table_style=_read_library("dt_bundle.css"),
        libraries=libraries(),
        plots=packed(dict(report.plots) | {"scores": dict(report.scores)}),
        explorer=base64.b64encode(report.explorer).decode("ascii"),
    )


def packed(value: object) -> str:
    """Return JSON, gzipped, in base64: text that no HTML parser can take for anything else.

    Example:
        >>> import gzip
        >>> json.loads(gzip.decompress(base64.b64decode(packed({"a": "</script>"}))))
        {'a': '</script>'}
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzipped(text.encode())).decode("ascii")


@cache
def libraries() -> str:
    """Return Vega-Lite (with Vega and Vega-Embed) and DataTables as `packed` JavaScript texts.

    Raises:
        RuntimeError: itables ships another bundle than the one that this was written for.
    """
    tables = _read_library("dt_bundle.js")
    found = _DEFAULT.search(tables)
    if found is None:
        raise RuntimeError("itables' bundle exports no default: pin the version that did")
    tables = tables.replace(found.group(0), f"window.DataTable={found.group(1)};")
    plots = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return packed(
        {name: f"(() => {{{code}\n}})();" for name, code in (("vega", plots), ("tables", tables))}
    )


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _read_library(name: str) -> str:
    # Found without importing the package, which brings pandas.
    place = distribution("itables").locate_file(f"itables/html/{name}")
    return Path(str(place)).read_text(encoding="utf-8")


def _cell(value: Cell, decimals: int) -> str:
    """Return a cell's text.

    Example:
        >>> [_cell(value, 1) for value in (None, 1234, 0.25, "mono")]
        ['–', '1,234', '0.2', 'mono']
    """
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{decimals}f}"
