"""Point clouds and meshes in memory, and their validation.

V vertices, F faces, N points
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError
from crossjepa.io.appearance import Appearance

MAX_POINTS = 20_000_000
# (P,) rows of polygons in a file and the (P, k) polygons, for each number of corners k.
Groups: TypeAlias = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True, eq=False)
class PointCloud:
    """A point cloud.

    Attributes:
        points_N3: (N, 3) float64, finite, N >= 1.
        colors_N3: (N, 3) float32 red, green and blue from 0 to 1; None unless they were asked for and the
            file has any.
    """

    points_N3: NDArray[np.float64]
    colors_N3: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices_V3: (V, 3) float64, finite.
        faces_F3: (F, 3) int64 vertex numbers, F >= 1; at least one face has an area.
        appearance: colors and textures; None unless they were asked for and the file has any.
    """

    vertices_V3: NDArray[np.float64]
    faces_F3: NDArray[np.int64]
    appearance: Appearance | None = None


def validate_points(points: NDArray[Any], source: str) -> NDArray[np.float64]:
    """Validates an array of points.

    Args:
        points: (N, 3) or wider real numbers; columns after the third, such as normals, are dropped.
        source: name of the input, for error messages.

    Returns:
        (N, 3) float64.

    Raises:
        PointCloudError: the array is of another shape or type, has no rows or too many, or holds values that
            are not finite.
    """
    if points.dtype.kind not in "fiu":
        raise PointCloudError(source, f"expected real numbers, not {points.dtype}")
    if points.ndim != 2 or points.shape[1] < 3:
        raise PointCloudError(source, f"expected an array of shape (N, 3) or wider, not {points.shape}")
    if len(points) == 0:
        raise PointCloudError(source, "no points")
    check_count(len(points), source)
    points_N3 = np.ascontiguousarray(points[:, :3], dtype=np.float64)
    finite_N = np.isfinite(points_N3).all(axis=1)
    if not finite_N.all():
        count, first = int((~finite_N).sum()), int((~finite_N).argmax())
        raise PointCloudError(
            source, f"{count} of {len(points)} points are not finite; the first is number {first}"
        )
    if np.abs(points_N3).max() > 1e100:
        raise PointCloudError(source, "coordinates beyond 1e100 cannot be normalized")
    return points_N3


def validate_mesh(vertices: NDArray[Any], faces: NDArray[Any], source: str) -> Mesh:
    """Validates vertices and triangles.

    Args:
        vertices: (V, 3) real numbers.
        faces: (F, 3) integers.
        source: name of the input, for error messages.

    Raises:
        PointCloudError: `validate_points` rejects the vertices, a face refers to a vertex that does not
            exist, or all faces have zero area.
    """
    vertices_V3 = validate_points(vertices, source)
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu":
        raise PointCloudError(
            source, f"expected integer faces of shape (F, 3), not {faces.dtype} {faces.shape}"
        )
    if len(faces) == 0:
        raise PointCloudError(source, "no faces")
    check_count(len(faces), source, "faces")
    wrong_F = ((faces < 0) | (faces >= len(vertices_V3))).any(axis=1)
    if wrong_F.any():
        first = int(wrong_F.argmax())
        raise PointCloudError(
            source,
            f"face {first} refers to vertices {faces[first].tolist()}, but there are {len(vertices_V3)}",
        )
    faces_F3 = np.ascontiguousarray(faces, dtype=np.int64)
    edges_F23 = vertices_V3[faces_F3[:, 1:]] - vertices_V3[faces_F3[:, :1]]
    with np.errstate(over="ignore"):
        has_area_F = (np.cross(edges_F23[:, 0], edges_F23[:, 1]) != 0).any(axis=1)
    if not has_area_F.any():
        raise PointCloudError(source, "all faces have zero area")
    return Mesh(vertices_V3, faces_F3)


def check_count(count: int, source: str, what: str = "points") -> None:
    """Rejects numbers of points or faces that no real file has.

    Raises:
        PointCloudError: the count is negative or greater than `MAX_POINTS`.
    """
    if not 0 <= count <= MAX_POINTS:
        raise PointCloudError(source, f"{count} {what}; from 0 to {MAX_POINTS} are accepted")


def triangulate(polygons: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Splits polygons into fans of (F, 3) triangles.

    Args:
        polygons: arrays of shape (F_k, k), one for each number of corners k; those with k < 3 are dropped.
    """
    fans = [
        polygon[:, [0, corner, corner + 1]]
        for polygon in polygons
        for corner in range(1, polygon.shape[1] - 1)
    ]
    return np.concatenate(fans) if fans else np.zeros((0, 3), np.int64)


def triangle_rows(groups: Groups) -> NDArray[np.int64]:
    """Returns, for each of the F triangles of `triangulate`, the row of its polygon."""
    rows = [np.repeat(rows_P[:, None], polygons_Pk.shape[1], axis=1) for rows_P, polygons_Pk in groups]
    return np.asarray(triangulate(rows)[:, 0])
