"""Where the names of a plot's points stand so that none hides another, in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 380
"""The plot that places are chosen for; a wider one has more room, and offsets stay as they are."""

_LETTER, _LINE, _MARK, _NEAR = 6.3, 13.0, 6.0, 14.0
_DISTANCES = range(12, 133, 12)
_ANGLES = (40, -40, 180, 0, 140, -140, 65, -65, 115, -115, 90, -90)  # above the interval first


@dataclass(frozen=True)
class Place:
    """`dx`, `dy`: of the label's beginning (`align` left) or end (right) from its point.

    `led`: whether a line has to lead from the point to it.
    """

    dx: float
    dy: float
    align: str
    led: bool


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: _Box) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)


def places(names: Sequence[str], points: Sequence[tuple[float, float]]) -> list[Place]:
    """Return where each name stands: as near to its point as the other names and points allow.

    It is nearer to its own point than to any other, or a line leads to it. Where nothing is free,
    it stands beside its point. `points`: in pixels from the upper left corner of the plot.

    Example:
        >>> [(one.dx, one.align) for one in places(["a", "b"], [(100, 100), (106, 100)])]
        [(-12.0, 'right'), (9.2, 'left')]
    """
    marks = [_Box(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in points]
    taken: list[_Box] = []
    found: dict[int, Place] = {}
    for number in sorted(range(len(points)), key=lambda n: (-points[n][0], points[n][1], n)):
        hidden = [*taken, *(box for n, box in enumerate(marks) if n != number)]
        candidates = list(_candidates(names[number], points[number]))
        free = [one for one in candidates if not any(one[1].overlaps(box) for box in hidden)]
        own = [one for one in free if _nearest(one[1], points) == number]
        led = [one for one in free if one[0].led]
        found[number], box = (own or led or candidates)[0]
        taken.append(box)
    return [found[number] for number in range(len(points))]


def _nearest(box: _Box, points: Sequence[tuple[float, float]]) -> int:
    """Return which point a reader takes a label for: the one that it is nearest to."""

    def distance(n: int) -> float:
        x, y = points[n]
        across = max(box.left - x, 0, x - box.right)
        return math.hypot(across, max(box.top - y, 0, y - box.bottom))

    return min(range(len(points)), key=distance)


def _candidates(name: str, point: tuple[float, float]) -> Iterator[tuple[Place, _Box]]:
    """Yield places in and around the plot, the nearest first."""
    width = _LETTER * len(name)
    first = None
    for distance in _DISTANCES:
        for angle in _ANGLES:
            dx = round(distance * math.cos(math.radians(angle)), 1)
            dy = round(-distance * math.sin(math.radians(angle)), 1)
            left = point[0] + dx if dx >= 0 else point[0] + dx - width
            top = point[1] + dy - _LINE / 2
            box = _Box(left, top, left + width, top + _LINE)
            place = Place(dx, dy, "left" if dx >= 0 else "right", distance > _NEAR)
            first = first or (place, box)
            if left >= 0 and box.right <= WIDTH and top >= 0 and box.bottom <= HEIGHT:
                yield place, box
    assert first is not None, "there are distances and angles"
    yield first


def pixels(
    points: Sequence[tuple[float, float]], ranges: Sequence[tuple[float, float]], padding: float
) -> list[tuple[float, float]]:
    """Return data as pixels. `ranges`: the least and the greatest value of each axis.

    Example:
        >>> pixels([(0, 0), (1, 2)], [(0, 1), (0, 2)], 20)
        [(20.0, 360.0), (700.0, 20.0)]
    """
    (left, right), (low, high) = ranges
    across, up = (right - left) or 1, (high - low) or 1
    return [
        (
            padding + (x - left) / across * (WIDTH - 2 * padding),
            HEIGHT - padding - (y - low) / up * (HEIGHT - 2 * padding),
        )
        for x, y in points
    ]
