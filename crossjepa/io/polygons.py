"""Polygons become triangles.

V vertices, F triangles, P polygons of the same k corners
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.io.ear_clipping import clip_ears
from crossjepa.io.shapes import Groups

logger = logging.getLogger(__name__)

# Sine of the angle by which a corner may turn the wrong way, from rounding, before it counts as concave.
_STRAIGHT = 1e-6
# Twice the area, in squared units of the largest coordinate, below which a polygon has none.
_NO_AREA = 1e-12
# Distance of neighboring corners, in units of the largest coordinate, that may be rounding.
_NEAR = 1e-5
_MOST_USES = 3
# Corners that are tested at once, which bounds the memory for files of many polygons.
_AT_ONCE = 1 << 18


@dataclass(frozen=True, eq=False)
class Triangulation:
    """The triangles that polygons are cut into.

    Attributes:
        faces_F3: (F, 3) int64 vertex numbers.
        row_F: (F,) int64 the row in the file of the polygon that each triangle is from.
        corners: for each group of polygons, the (k - 2, 3) corners of the triangles of all of them, or the
            (P, k - 2, 3) corners of the triangles of each.
    """

    faces_F3: NDArray[np.int64]
    row_F: NDArray[np.int64]
    corners: tuple[NDArray[np.int64], ...]

    def of_corners(self, values: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Returns the (F, 3) values at the corners of the triangles, given (P, k) values of each group."""
        return _take(values, self.corners)


def triangulate(groups: Groups, vertices_V3: NDArray[np.float64], source: str) -> Triangulation:
    """Cuts polygons into triangles that cover them, concave ones too.

    Polygons are seen from the side from which they appear largest (Newell's normal). Convex ones become fans,
    concave ones lose one ear after another. Those without area become fans, and, with a logged warning, those
    that cross themselves and have no unique inside. Polygons of fewer than three corners are left out.

    Args:
        groups: rows and polygons for each number of corners.
        vertices_V3: positions; polygons with vertices that do not exist or are not finite become fans.
        source: name of the file, for the warning.
    """
    cuts = [_cut(polygons_Pk, vertices_V3) for _, polygons_Pk in groups]
    if crossing := sum(crossing for _, crossing in cuts):
        logger.warning("%s: polygons that cross themselves may cover too much: %d", source, crossing)
    corners = tuple(corners_3 for corners_3, _ in cuts)
    faces_F3 = _take([polygons_Pk for _, polygons_Pk in groups], corners)
    rows = [np.broadcast_to(rows_P[:, None], polygons_Pk.shape) for rows_P, polygons_Pk in groups]
    return Triangulation(faces_F3, _take(rows, corners)[:, 0], corners)


def cut_polygons(
    polygons: Sequence[NDArray[np.int64]], vertices: NDArray[Any], source: str
) -> NDArray[np.int64]:
    """Returns the (F, 3) triangles of `triangulate` for polygons that are in no file.

    Args:
        polygons: (P, k) polygons for each number of corners k.
        vertices: positions, not validated yet.
        source: name of the input, for warnings.
    """
    usable = vertices.ndim == 2 and vertices.shape[1] >= 3 and vertices.dtype.kind in "fiu"
    vertices_V3 = vertices[:, :3].astype(np.float64) if usable else np.zeros((0, 3))
    groups = [(np.arange(len(polygons_Pk)), polygons_Pk) for polygons_Pk in polygons]
    return triangulate(groups, vertices_V3, source).faces_F3


def strip_triangles(corners_k: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the (F, 3) triangles of strips, one after another; negative numbers begin a new one.

    Every other triangle is turned around. Those that only join parts of a strip, with the same vertex twice,
    are left out.
    """
    faces_F3 = np.stack([corners_k[:-2], corners_k[1:-1], corners_k[2:]], axis=1)
    index_k = np.arange(len(corners_k))
    start_k = np.maximum.accumulate(np.where(corners_k < 0, index_k + 1, 0))
    is_odd_F = (index_k - start_k)[: len(faces_F3)] % 2 == 1
    faces_F3[is_odd_F] = faces_F3[is_odd_F][:, [1, 0, 2]]
    a_F, b_F, c_F = faces_F3.T
    is_face_F = (faces_F3 >= 0).all(axis=1) & (a_F != b_F) & (b_F != c_F) & (c_F != a_F)
    return np.asarray(faces_F3[is_face_F])


def _take(values: Sequence[NDArray[Any]], corners: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Takes the values at the corners of triangles, the first triangle of every polygon before the second."""
    parts = [np.zeros((0, 3), np.int64)]
    for values_Pk, corners_3 in zip(values, corners, strict=True):
        if corners_3.ndim == 2:
            triangles = values_Pk[:, corners_3]
        else:
            triangles = values_Pk[np.arange(len(values_Pk))[:, None, None], corners_3]
        parts.append(triangles.swapaxes(0, 1).reshape(-1, 3))
    return np.concatenate(parts)


def _cut(polygons_Pk: NDArray[np.int64], vertices_V3: NDArray[np.float64]) -> tuple[NDArray[np.int64], int]:
    """Returns the corners of triangles, as in `Triangulation`, and how many polygons cross themselves."""
    count, k = polygons_Pk.shape
    second = np.arange(1, max(k - 1, 1))
    fan_3 = np.stack([np.zeros_like(second), second, second + 1], axis=1)
    if k < 4:
        return fan_3, 0
    # Holes that are joined to the outline use vertices twice, but nothing with an inside uses all more often.
    if k > _MOST_USES * len(vertices_V3):
        return fan_3, count
    changed: dict[int, NDArray[np.int64]] = {}
    crossing, step = 0, max(_AT_ONCE // k, 1)
    for first in range(0, count, step):
        some_Pk = polygons_Pk[first : first + step]
        known_P = np.asarray(((some_Pk >= 0) & (some_Pk < len(vertices_V3))).all(axis=1))
        with np.errstate(all="ignore"):
            flat_Pk2, is_flat_P = _flatten(vertices_V3[np.where(known_P[:, None], some_Pk, 0)])
            concave_Pk = _concave(flat_Pk2)
            is_concave_P = np.asarray(concave_Pk.any(axis=1))
        for row in np.flatnonzero(known_P & is_flat_P & is_concave_P):
            found_3 = _triangles(some_Pk[row], flat_Pk2[row], np.flatnonzero(concave_Pk[row]))
            if found_3 is not None:
                changed[first + int(row)] = found_3
            elif k > 4:  # skew quads may look crossed, but all of their cuts are alike
                crossing += 1
    if not changed:
        return fan_3, crossing
    all_P3 = np.tile(fan_3, (count, 1, 1))
    all_P3[list(changed)] = list(changed.values())
    return all_P3, crossing


def _flatten(corners_Pk3: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Projects polygons along their largest axis, so that they turn to the left; says which have an area."""
    corners_Pk3 = corners_Pk3 - corners_Pk3[:, :1]
    corners_Pk3 /= np.abs(corners_Pk3).max(axis=(1, 2), keepdims=True)
    normal_P3 = np.cross(corners_Pk3[:, 1:-1], corners_Pk3[:, 2:]).sum(axis=1)
    axis_P = np.abs(normal_P3).argmax(axis=1)
    size_P = np.take_along_axis(normal_P3, axis_P[:, None], axis=1)[:, 0]
    planes_P2 = (axis_P[:, None] + (1, 2)) % 3
    flat_Pk2 = np.take_along_axis(corners_Pk3, planes_P2[:, None, :], axis=2)
    flat_Pk2[size_P < 0] = flat_Pk2[size_P < 0][..., ::-1]
    return flat_Pk2, np.asarray(np.isfinite(size_P) & (np.abs(size_P) > _NO_AREA))


def _concave(flat_Pk2: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Returns which corners turn to the right, or have no angle as they repeat the corner before."""
    out_Pk2 = np.roll(flat_Pk2, -1, axis=1) - flat_Pk2
    in_Pk2 = np.roll(out_Pk2, 1, axis=1)
    turn_Pk = in_Pk2[..., 0] * out_Pk2[..., 1] - in_Pk2[..., 1] * out_Pk2[..., 0]
    lengths_Pk = np.hypot(in_Pk2[..., 0], in_Pk2[..., 1]) * np.hypot(out_Pk2[..., 0], out_Pk2[..., 1])
    return np.asarray((turn_Pk < -_STRAIGHT * lengths_Pk) | (lengths_Pk == 0))


def _triangles(
    polygon_k: NDArray[np.int64], flat_k2: NDArray[np.float64], concave: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Returns the (k - 2, 3) corners of the triangles of a concave polygon, None if it crosses itself."""
    if len(polygon_k) == 4 and len(concave) == 1:
        # The diagonal from the concave corner.
        return np.asarray((np.array([[0, 1, 2], [0, 2, 3]]) + concave[0]) % 4)
    if len(polygon_k) > _MOST_USES * len(np.unique(polygon_k)):
        return None
    return clip_ears(_weld(flat_k2))


def _weld(flat_k2: NDArray[np.float64]) -> NDArray[np.float64]:
    """Puts corners on the corner before if they are so close that rounding may have swapped them."""
    near = min(_NEAR, 0.1 / len(flat_k2))
    welded = flat_k2.tolist()
    for corner in np.flatnonzero(np.linalg.norm(np.diff(flat_k2, axis=0), axis=1) < near).tolist():
        welded[corner + 1] = welded[corner]
    return np.array(welded)
