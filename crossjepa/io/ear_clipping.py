"""Cuts a concave polygon into triangles by clipping its ears.

k corners, R corners that turn to the right
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

# Twice the area, in squared units of the largest coordinate, up to which a corner is straight.
_STRAIGHT = 1e-12
# Most tests for each corner of a polygon, and for all, as some shapes would take quadratic time.
_TESTS_PER_CORNER, _MOST_TESTS = 1000, 10_000_000


def clip_ears(corners_k2: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Cuts a polygon, given by corners that turn to the left, into k - 2 triangles.

    An ear is a corner that turns to the left and whose triangle holds no corner that turns to the right
    (Meisters, "Polygons Have Ears", 1975; Eberly, "Triangulation by Ear Clipping", 2002). The latter lie in
    a grid, which keeps the time about proportional to the number of corners. Holes that are joined to the
    outline by a double edge, the way most formats have them, are understood.

    Args:
        corners_k2: (k, 2) positions.

    Returns:
        (k - 2, 3) int64 corners of the triangles, or None if the polygon crosses itself or takes too long.
    """
    polygon, count = _Polygon(corners_k2), len(corners_k2)
    most = min(_TESTS_PER_CORNER * count, _MOST_TESTS)
    triangles: list[tuple[int, int, int]] = []
    corners = range(count)
    # Every other corner first: thinner triangles otherwise.
    waiting, found = deque([*corners[::2], *corners[1::2]]), True
    while len(triangles) < count - 2:
        if not waiting:
            if not found:
                return None
            waiting, found = deque(corner for corner in corners if corner not in polygon.clipped), False
        corner = waiting.popleft()
        if corner in polygon.clipped or not polygon.is_ear(corner):
            continue
        if polygon.tests > most:
            return None
        before, after = polygon.before[corner], polygon.after[corner]
        triangles.append((before, corner, after))
        polygon.clip(corner)
        waiting += (before, after)
        found = True
    return np.array(triangles, np.int64)


class _Polygon:
    """A ring of corners, and a grid of those that turn to the right."""

    def __init__(self, corners_k2: NDArray[np.float64]) -> None:
        count = len(corners_k2)
        self.clipped: set[int] = set()
        self.tests = 0
        self.points = [(x, y) for x, y in corners_k2.tolist()]
        self.before = [(corner - 1) % count for corner in range(count)]
        self.after = [(corner + 1) % count for corner in range(count)]
        self.right = {corner for corner in range(count) if self.turn(corner) < -_STRAIGHT}
        self.low = corners_k2.min(axis=0).tolist()
        size = float(np.ptp(corners_k2, axis=0).max()) or 1.0
        self.cells_per_unit = math.sqrt(len(self.right) + 1) / size
        self.cells: dict[tuple[int, int], set[int]] = {}
        for corner in self.right:
            self.cells.setdefault(self._cell(*self.points[corner]), set()).add(corner)

    def turn(self, corner: int) -> float:
        """Returns twice the signed area of the triangle of a corner and its neighbors."""
        return _area(self.points[self.before[corner]], self.points[corner], self.points[self.after[corner]])

    def is_ear(self, corner: int) -> bool:
        """Returns whether the triangle of a corner can be cut off; one without area always can."""
        self.tests += 1
        area = self.turn(corner)
        if area < -_STRAIGHT:
            return False
        if area <= _STRAIGHT:
            return True
        a, b, c = (self.points[each] for each in (self.before[corner], corner, self.after[corner]))
        for other in self._near(a, b, c):
            point = self.points[other]
            self.tests += 1
            # The two ends of a double edge are at the same place as the corners that they touch.
            if (
                point not in (a, b, c)
                and min(_area(a, b, point), _area(b, c, point), _area(c, a, point)) >= 0
            ):
                return False
        return True

    def clip(self, corner: int) -> None:
        """Takes a corner out of the ring."""
        self.clipped.add(corner)
        before, after = self.before[corner], self.after[corner]
        self.after[before], self.before[after] = after, before
        for each in (before, corner, after):
            if each in self.right and (each == corner or self.turn(each) >= -_STRAIGHT):
                self.right.remove(each)
                self.cells[self._cell(*self.points[each])].remove(each)

    def _near(self, *corners: tuple[float, float]) -> Iterable[int]:
        """Returns the corners to the right in the cells that the box of a triangle touches."""
        cells = [self._cell(x, y) for x, y in corners]
        (left, right), (low, high) = ((min(each), max(each)) for each in zip(*cells, strict=True))
        if (right - left + 1) * (high - low + 1) > len(self.right):
            return self.right
        columns, rows = range(left, right + 1), range(low, high + 1)
        return [other for column in columns for row in rows for other in self.cells.get((column, row), ())]

    def _cell(self, x: float, y: float) -> tuple[int, int]:
        return int((x - self.low[0]) * self.cells_per_unit), int((y - self.low[1]) * self.cells_per_unit)


def _area(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
