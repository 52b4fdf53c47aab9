"""results/tuning.html: the tables of a tuning and its two plots, one file that opens offline."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
import vl_convert

from polybatch.reports.html.charts import Spec, by_strategy
from polybatch.reports.html.page import packed
from polybatch.reports.tuning_tables import arms_of, introduction, parts
from polybatch.settings.tuned import TunedStudy
from polybatch.tuning.choice import expected_best

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Tuning: {{ name }}</title>
<link rel="icon" href="data:,">
<style>
body { font-family: system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { padding: 0.2rem 0.8rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr { border-bottom: 1px solid #ddd; }
.table { overflow-x: auto; }
</style>
</head>
<body>
<h1>Tuning: {{ name }}</h1>
<p>{{ introduction }}</p>
{% for part in parts %}
<h2>{{ part.title }}</h2>
<p>{{ part.note | replace("**", "") | replace("`", "") }}</p>
{% if part.title in plots %}<div id="plot-{{ loop.index0 }}" data-plot="{{ part.title }}"></div>
{% endif %}
<div class="table"><table>
<tr>{% for column in part.table.columns %}<th>{{ column }}</th>{% endfor %}</tr>
{% for row in part.table.rows() %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</table></div>
{% endfor %}
<script type="text/plain" id="data">{{ data }}</script>
<script>
(async () => {
  const text = document.getElementById("data").textContent;
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { vega, plots } = JSON.parse(await new Response(stream).text());
  const script = document.createElement("script");
  script.textContent = vega;
  document.head.append(script);
  for (const place of document.querySelectorAll("[data-plot]"))
    await window.vegaEmbed(place, plots[place.dataset.plot], { actions: false });
  document.body.dataset.ready = "yes";
})();
</script>
</body>
</html>
"""


def tuning_page(name: str, tuned: TunedStudy) -> str:
    """Return the page as HTML; texts are escaped, and it loads nothing."""
    drawn = plots(tuned)
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_PAGE).render(
        name=name,
        introduction=introduction(tuned),
        parts=parts(tuned),
        plots=drawn,
        data=packed({"vega": _vega(), "plots": drawn}),
    )


@cache
def _vega() -> str:
    code = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f"(() => {{{code}\n}})();"


def plots(tuned: TunedStudy) -> dict[str, Spec]:
    """Return the plots by the title of the table that they draw.

    Example:
        >>> from polybatch.settings.tuned import CurvePoint, TunedArm, TunedTrial
        >>> arm = TunedArm({}, 0.6, (), (TunedTrial({}, 0.6),), (CurvePoint(100, 0.612),))
        >>> tuned = TunedStudy("AP", {}, 1, 50, 100, 0.5, 0.3, {}, {"mono": arm})
        >>> plots(tuned)["Steps"]["data"]["values"]
        [{'strategy': 'mono', 'steps': 100, 'score': 61.2}]
    """
    adaptation, arms = "(adaptation)", arms_of(tuned)
    best = {  # the adaptation last, so that strategies have the colours of the other plot
        name: enumerate(expected_best(arms[name].scores), 1)
        for name in sorted(arms, key=adaptation.__eq__)
    }
    curves = {
        name: ((point.steps, point.score) for point in arm.curve)
        for name, arm in tuned.strategies.items()
    }
    return {
        "Best score by number of trials": _lines(best, "trials", f"best {tuned.measure} (%)"),
        "Steps": _lines(curves, "steps", f"held-out {tuned.measure} (%)"),
    }


def _lines(series: dict[str, Any], x: str, y: str) -> Spec:
    """Return a line of points (number, score) a strategy."""
    values = [
        {"strategy": name, x: number, "score": round(100 * score, 2)}
        for name, points in series.items()
        for number, score in points
    ]
    names = list(series)
    return {
        "data": {"values": values},
        "width": 640,
        "height": 300,
        "mark": {"type": "line", "point": {"size": 40}},
        "encoding": {
            "x": {"field": x, "type": "quantitative", "title": x, "axis": {"tickMinStep": 1}},
            "y": {"field": "score", "type": "quantitative", "title": y, "scale": {"zero": False}},
            "color": by_strategy(names),
            "strokeDash": by_strategy(names, "strokeDash"),
            "tooltip": [{"field": name} for name in ("strategy", x, "score")],
        },
    }
