"""Vega-Lite specifications of the report's plots, without sizes and colours of the page."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from polybatch.reports.html.labels import HEIGHT, Place, pixels, places
from polybatch.reports.languages import mark
from polybatch.statistics.decisions import DECIDED

Spec = dict[str, Any]

COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"),
    *("#e69f00", "#8c8c8c", "#b8860b", "#7a5195", "#882255"),
)
"""Okabe and Ito's, and four more: strategies differ in shape and label, too."""

_SHAPES = (
    *("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right"),
)  # fmt: skip
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 3], [4, 1], [1, 4])
# seven of each and ten colours: 70 rows before two look the same


def by_strategy(names: Sequence[str], channel: str = "color") -> Spec:
    """Return the encoding that gives each strategy its colour, shape or dash everywhere.

    Example:
        >>> by_strategy(["mono", "hybrid"], "shape")["scale"]
        {'domain': ['mono', 'hybrid'], 'range': ['circle', 'square']}
    """
    count = len(names)
    ranges: dict[str, list[Any]] = {
        "color": [COLOURS[n % len(COLOURS)] for n in range(count)],
        "shape": [_SHAPES[n % len(_SHAPES)] for n in range(count)],
        "strokeDash": [_DASHES[n % len(_DASHES)] for n in range(count)],
    }
    scale = {"domain": list(names), "range": ranges[channel]}
    return {"field": "strategy", "type": "nominal", "scale": scale, "title": "strategy"}


def pareto(points: Mapping[str, tuple[float, float]]) -> set[str]:
    """Return the names that no other is above in one coordinate without being below in the other.

    Example:
        >>> sorted(pareto({"a": (1, 3), "b": (2, 2), "c": (1, 2), "d": (3, 1)}))
        ['a', 'b', 'd']
    """
    return {
        name
        for name, (x, y) in points.items()
        if not any(
            a >= x and b >= y and (a > x or b > y)
            for other, (a, b) in points.items()
            if other != name
        )
    }


def trade_off(sure: pl.DataFrame, measure: str, dataset: str, names: Sequence[str]) -> Spec | None:
    """Return monolingual against cross-lingual scores with intervals, or None without both.

    `sure`: significance.SIGNIFICANCE. The line joins the strategies that no
    other is above in both.
    """
    rows = sure.filter(dataset=dataset, measure=measure, kind="setting")
    axes = [axis for axis in ("mono", "cross", "multi") if axis in set(rows["setting"])][:2]
    whole = [one for one in _points(rows, names) if all(f"{axis} value" in one for axis in axes)]
    if len(axes) < 2 or not whole:
        return None
    x, y = axes
    best = pareto({one["strategy"]: (one[f"{x} value"], one[f"{y} value"]) for one in whole})
    for one, place in zip(whole, _label_places(whole, x, y), strict=True):
        one |= {"front": one["strategy"] in best} | asdict(place)
    position = {
        axis: {
            "field": f"{setting} value",
            "type": "quantitative",
            "scale": {"zero": False, "padding": _PADDING, "nice": False},
            "title": f"{measure}, {_AXES[setting]} (%)",
        }
        for axis, setting in (("x", x), ("y", y))
    }
    front = {
        "transform": [{"filter": "datum.front"}],
        "mark": {"type": "line", "strokeDash": [4, 4], "opacity": 0.6, "color": "#8c8c8c"},
        "encoding": position | {"order": {"field": f"{x} value"}},
    }
    texts = {
        "mark": {"type": "text", "baseline": "middle"}
        | {name: {"expr": f"datum.{name}"} for name in ("dx", "dy", "align")},
        "encoding": position | {"text": {"field": "strategy"}},
    }
    leaders = [_leaders(position, x, y)] if any(one["led"] for one in whole) else []
    layers = [front, *_marks(position, x, y, names), *leaders, texts]
    return {"data": {"values": whole}, "height": HEIGHT, "layer": layers}


def _points(rows: pl.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return one dictionary per strategy: `mono value`, `mono low`, ... in percent."""
    found: dict[str, dict[str, Any]] = {name: {"strategy": name} for name in names}
    for row in rows.iter_rows(named=True):
        if row["strategy"] in found:
            for key in ("value", "low", "high"):
                value = None if row[key] is None else round(100 * row[key], 3)
                found[row["strategy"]][f"{row['setting']} {key}"] = value
    return list(found.values())


def _marks(position: Spec, x: str, y: str, names: Sequence[str]) -> list[Spec]:
    """Return the layers of both intervals and of the points, which say their numbers."""
    colour = {"color": by_strategy(names) | {"legend": None}}
    lines = [
        {axis: position[axis] | {"field": f"{name} low"}, f"{axis}2": {"field": f"{name} high"}}
        for axis, name in (("x", x), ("y", y))
    ]
    tooltip = [{"field": "strategy"}] + [
        {"field": f"{axis} {key}", "title": f"{axis} {key}", "format": ".1f"}
        for axis in (x, y)
        for key in ("value", "low", "high")
    ]
    shape = {"shape": by_strategy(names, "shape") | {"legend": None}, "tooltip": tooltip}
    rule = {"type": "rule", "opacity": 0.6}
    point = {"type": "point", "filled": True, "size": 90, "opacity": 1}
    return [
        *({"mark": rule, "encoding": position | line | colour} for line in lines),
        {"mark": point, "encoding": position | colour | shape},
    ]


def _leaders(position: Spec, x: str, y: str) -> Spec:
    """Return the layer of lines to names; without data it would have no extent."""
    return {
        "transform": [{"filter": "datum.led"}],
        "mark": {"type": "rule", "opacity": 0.5, "strokeWidth": 0.7, "color": "#8c8c8c"}
        | {"x2Offset": {"expr": "datum.dx"}, "y2Offset": {"expr": "datum.dy"}},
        "encoding": position | {"x2": {"field": f"{x} value"}, "y2": {"field": f"{y} value"}},
    }


_PADDING = 20


def _label_places(whole: Sequence[Mapping[str, Any]], x: str, y: str) -> list[Place]:
    points = [(one[f"{x} value"], one[f"{y} value"]) for one in whole]
    ends = [
        [one[f"{axis} {key}"] for one in whole for key in ("value", "low", "high")
         if one[f"{axis} {key}"] is not None]
        for axis in (x, y)
    ]  # fmt: skip
    ranges = [(min(values), max(values)) for values in ends]
    return places([one["strategy"] for one in whole], pixels(points, ranges, _PADDING))


_AXES = {"mono": "monolingual", "cross": "cross-lingual", "multi": "multilingual"}


def curves(losses: Mapping[str, pl.DataFrame], names: Sequence[str]) -> Spec | None:
    """Return training losses by step; `losses`: a frame (step, loss) a strategy.

    Example:
        >>> losses = {"mono": pl.DataFrame({"step": [0, 50], "loss": [4.158883, None]})}
        >>> curves(losses, ["mono"])["data"]["values"]
        [{'strategy': 'mono', 'step': 0, 'loss': 4.1589}]
    """
    values = [
        {"strategy": name, "step": step, "loss": round(loss, 4)}
        for name, frame in losses.items()
        for step, loss in frame.select("step", "loss").rows()
        if loss is not None
    ]
    if not values:
        return None
    return {
        "data": {"values": values},
        "height": 300,
        "mark": {"type": "line", "point": {"size": 16}},
        "encoding": {
            "x": {"field": "step", "type": "quantitative", "title": "step"},
            "y": {"field": "loss", "type": "quantitative", "title": "loss (nats)"},
            "color": by_strategy(names),
            "strokeDash": by_strategy(names, "strokeDash"),
            "tooltip": [{"field": name} for name in ("strategy", "step", "loss")],
        },
    }


def heatmap(differences: bool) -> Spec:
    """Return one cell per pair of languages with its number in it; the page fills in the data.

    Rows have `row`, `column`, `value` (percent, or points) and `share`, the value's place between
    the least and the greatest, in [0, 1]. Differences are coloured on both sides of 0.
    """
    scale: Spec = {"scheme": "viridis"}
    if differences:
        scale = {"scheme": "blueorange", "domainMid": 0}
    axes = {
        "y": {"field": "row", "type": "nominal"},
        "x": {"field": "column", "type": "nominal", "axis": {"labelAngle": 0}},
    }
    dark = "abs(datum.share - 0.5) > 0.35" if differences else "datum.share < 0.55"
    legend = {"orient": "bottom", "gradientLength": 200}
    colour = {"field": "value", "type": "quantitative", "scale": scale, "title": None}
    return {
        "height": {"step": 22},
        "layer": [
            {
                "mark": "rect",
                "encoding": axes
                | {
                    "color": colour | {"legend": legend},
                    "tooltip": [
                        *({"field": name} for name in ("row", "column")),
                        {"field": "value", "format": ".1f"},
                    ],
                },
            },
            {
                "mark": {"type": "text", "fontSize": 9},
                "encoding": axes
                | {
                    "text": {
                        "field": "value",
                        "type": "quantitative",
                        "format": "+.1f" if differences else ".0f",
                    },
                    "color": {"condition": {"test": dark, "value": "white"}, "value": "black"},
                },
            },
        ],
    }


def language_gains(
    sure: pl.DataFrame, measure: str, dataset: str, flagged: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return differences to the baseline by group with intervals, in points, for `gains`.

    `flagged`: languages that are marked (languages.MEANING).
    """
    rows = sure.filter(
        pl.col("dataset") == dataset,
        pl.col("measure") == measure,
        pl.col("kind") != "setting",
        pl.col("difference").is_not_null(),
    )
    return [
        {
            "strategy": row["strategy"],
            "view": f"{row['setting']}, by {row['kind']}",
            "group": mark(row["group"], row["group"] in flagged),
            "decided": row["outcome"] in DECIDED,
            **{
                key: None if row[name] is None else round(100 * row[name], 2)
                for key, name in (
                    *(("difference", "difference"), ("low", "difference_low")),
                    ("high", "difference_high"),
                )
            },
        }
        for row in rows.iter_rows(named=True)
    ]


def gains() -> Spec:
    """Return the plot of `language_gains` of one strategy and view; the page fills in the data."""
    y = {"field": "group", "type": "nominal", "title": None}
    x = {"field": "difference", "type": "quantitative", "title": "points"}
    colour = {"condition": {"test": "datum.decided", "value": "#0072b2"}}
    return {
        "height": {"step": 20},
        "layer": [
            {"mark": {"type": "rule", "strokeDash": [3, 3]}, "encoding": {"x": {"datum": 0}}},
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {
                    "y": y,
                    "x": x | {"field": "low"},
                    "x2": {"field": "high"},
                    "color": colour | {"value": "#8c8c8c"},
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {
                    "y": y,
                    "x": x,
                    "color": colour | {"value": "#8c8c8c"},
                    "tooltip": [{"field": name} for name in ("group", "difference", "low", "high")],
                },
            },
        ],
    }
