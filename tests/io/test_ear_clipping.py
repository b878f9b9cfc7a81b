"""Ear clipping: triangles that cover a concave polygon once, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.io.ear_clipping import clip_ears


def ring(radii: NDArray[np.float64], turns: float = 1.0) -> NDArray[np.float64]:
    angles = np.linspace(0, turns * 2 * np.pi, len(radii), endpoint=False)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def star(k: int) -> NDArray[np.float64]:
    return ring(np.where(np.arange(k) % 2, 1.0, 0.4))


def random_star(k: int) -> NDArray[np.float64]:
    return ring(np.random.default_rng(k).uniform(0.1, 1.0, k))


def spiral(k: int) -> NDArray[np.float64]:
    inner = ring(np.linspace(0.1, 0.8, k // 2), turns=2)
    outer = ring(np.linspace(0.2, 0.9, k // 2), turns=2)
    return np.concatenate([outer, inner[::-1]])


def comb(k: int) -> NDArray[np.float64]:
    teeth = np.arange(k // 4)
    x = np.repeat(teeth, 4) + np.tile([0, 0, 0.5, 0.5], len(teeth))
    y = np.tile([0.1, 1, 1, 0.1], len(teeth))
    return np.concatenate([np.stack([x, y], 1), [[len(teeth), 0.1], [len(teeth), 0], [0, 0]]])[::-1]


def plate_with_holes(k: int) -> NDArray[np.float64]:
    """A square whose holes are joined to its left side by double edges."""
    holes = k // 8
    size = 0.3 / holes
    corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    for y in (1 - (np.arange(holes) + 0.5) / holes).tolist():
        corners += [(0, y), (0.3, y), (0.3, y + size), (0.6, y + size)]
        corners += [(0.6, y - size), (0.3, y - size), (0.3, y), (0, y)]
    return np.array(corners)


def is_inside(points_N2: NDArray[np.float64], corners_k2: NDArray[np.float64]) -> NDArray[np.int64]:
    """Even-odd rule; edges that are there twice cancel out."""
    inside_N = np.zeros(len(points_N2), bool)
    for (x0, y0), (x1, y1) in zip(corners_k2, np.roll(corners_k2, -1, axis=0), strict=True):
        if y0 != y1:
            between_N = (points_N2[:, 1] < y0) != (points_N2[:, 1] < y1)
            inside_N ^= between_N & (points_N2[:, 0] < x0 + (points_N2[:, 1] - y0) / (y1 - y0) * (x1 - x0))
    return inside_N.astype(np.int64)


def times_covered(points_N2: NDArray[np.float64], triangles_F32: NDArray[np.float64]) -> NDArray[np.int64]:
    covered_N = np.zeros(len(points_N2), np.int64)
    for a, b, c in triangles_F32:
        sides = [
            (q - p)[0] * (points_N2 - p)[:, 1] - (q - p)[1] * (points_N2 - p)[:, 0]
            for p, q in ((a, b), (b, c), (c, a))
        ]
        covered_N += np.min(sides, axis=0) > 0
    return covered_N


@pytest.mark.parametrize("shape", [star, random_star, spiral, comb, plate_with_holes])
@pytest.mark.parametrize("k", [60, 100, 400])
def test_triangles_cover_the_inside_once(shape: Callable[[int], NDArray[np.float64]], k: int) -> None:
    corners_k2 = shape(k)
    for start in (0, 1, 7):
        rolled_k2 = np.roll(corners_k2, start, axis=0)
        triangles_3 = clip_ears(rolled_k2)
        assert triangles_3 is not None
        assert triangles_3.shape == (len(corners_k2) - 2, 3)
        rng = np.random.default_rng(k)
        points_N2 = rolled_k2.min(axis=0) + rng.random((2000, 2)) * np.ptp(rolled_k2, axis=0)
        covered_N = times_covered(points_N2, rolled_k2[triangles_3])
        np.testing.assert_array_equal(covered_N, is_inside(points_N2, rolled_k2))


def test_a_polygon_of_many_corners() -> None:
    corners_k2 = star(20_000)
    triangles_3 = clip_ears(corners_k2)
    assert triangles_3 is not None
    assert len({tuple(sorted(triangle)) for triangle in triangles_3.tolist()}) == 19_998


@pytest.mark.parametrize("k", [9, 100, 1000])
def test_polygons_that_cross_themselves_have_no_ears_to_the_end(k: int) -> None:
    assert clip_ears(np.random.default_rng(0).random((k, 2))) is None


def test_straight_and_repeated_corners() -> None:
    corners_k2 = np.array([[0, 0], [1, 0], [1, 0], [2, 0], [2, 2], [1, 1], [0.5, 1.5], [0, 2], [0, 1]], float)
    triangles_3 = clip_ears(corners_k2)
    assert triangles_3 is not None
    (x0, y0), (x1, y1) = np.moveaxis(np.diff(corners_k2[triangles_3], axis=1), 0, -1)
    areas_F = x0 * y1 - y0 * x1
    assert (areas_F >= -1e-12).all()
    assert areas_F.sum() / 2 == pytest.approx(3.0)
