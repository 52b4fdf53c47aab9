"""The report as one HTML page that opens from disk, without any network.

`page` fills the template; `charts`, `words` and `explorer` make what it shows. Plots are drawn in
the browser by Vega-Lite, tables sorted by DataTables; both libraries lie in the page, compressed.
"""

from __future__ import annotations

from polybatch.html.explorer import Question, explorer
from polybatch.html.page import Report, page
from polybatch.html.words import headlines

__all__ = ["Question", "Report", "explorer", "headlines", "page"]
