"""Names of points: none over another, none taken for a neighbour's, and no two marks alike."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as some

from polybatch.reports.html.charts import by_strategy
from polybatch.reports.html.labels import HEIGHT, WIDTH, pixels, places

CROWDED = {"merge": (300, 120), "hybrid": (308, 119), "dapt-hybrid": (304, 121), "x": (316, 118)}


def _boxes(
    names: list[str], points: list[tuple[float, float]]
) -> list[tuple[float, float, float, float]]:
    """Where names stand, as (left, top, right, bottom), with letters of six pixels."""
    boxes = []
    for name, (x, y), place in zip(names, points, places(names, points), strict=True):
        left = x + place.dx - (6 * len(name) if place.align == "right" else 0)
        boxes.append((left, y + place.dy - 6, left + 6 * len(name), y + place.dy + 6))
    return boxes


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(one[n] < other[n + 2] and other[n] < one[n + 2] for n in (0, 1))


def test_names_of_a_crowd_do_not_hide_one_another_and_belong_to_their_points() -> None:
    names, points = list(CROWDED), list(CROWDED.values())
    boxes = _boxes(names, points)
    for number, box in enumerate(boxes):
        assert not any(_overlap(box, other) for other in boxes[:number])
        near = [
            math.hypot(max(box[0] - x, 0, x - box[2]), max(box[1] - y, 0, y - box[3]))
            for x, y in points
        ]
        assert near.index(min(near)) == number or places(names, points)[number].led
        assert min(near) > 3  # off the mark


@settings(max_examples=40, deadline=None)
@given(
    some.lists(
        some.tuples(some.integers(100, WIDTH - 100), some.integers(60, HEIGHT - 60)),
        min_size=1,
        max_size=8,
        unique=True,
    )
)
def test_eight_names_always_find_room(points: list[tuple[float, float]]) -> None:
    boxes = _boxes([f"row {n}" for n in range(len(points))], points)
    for number, box in enumerate(boxes):
        assert not any(_overlap(box, other) for other in boxes[:number])
        assert box[0] >= 0
        assert box[2] <= WIDTH


def test_marks_of_seventy_rows_differ() -> None:
    names = [str(n) for n in range(70)]
    for channel in ("shape", "strokeDash"):
        ranges = [by_strategy(names, each)["scale"]["range"] for each in ("color", channel)]
        pairs = [(colour, str(other)) for colour, other in zip(*ranges, strict=True)]
        assert len(set(pairs)) == 70


def test_values_in_pixels() -> None:
    assert pixels([(5, 5)], [(5, 5), (0, 10)], 20) == [(20.0, HEIGHT / 2)]
