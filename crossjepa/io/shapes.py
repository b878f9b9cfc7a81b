"""Point clouds and meshes in memory, and their validation.

V vertices, F faces, N points, M rows of the source, finite or not
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crossjepa.errors import PointCloudError, PointCloudWarning
from crossjepa.io.appearance import Appearance

MAX_POINTS = 20_000_000
# Nobody has a cloud of so few points with more columns than that, but many have arrays of (3, N).
_FEW_ROWS = 9
# Rounded to 32 steps along them, the sample objects have features of cosine 0.85 to 0.93 to what they were.
# Coordinates of few points may be such multiples by chance.
_FEW_STEPS, _BY_CHANCE = 32, 32
# (P,) rows of polygons in a file and the (P, k) polygons, for each number of corners k.
Groups: TypeAlias = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True, eq=False)
class PointCloud:
    """A point cloud.

    Attributes:
        points_N3: (N, 3) float64, finite, N >= 1.
        colors_N3: (N, 3) float32 red, green and blue from 0 to 1; None unless they were asked for and the
            file has any.
        valid_M: (M,) which rows of the source the points are; None if they are all of its rows.
    """

    points_N3: NDArray[np.float64]
    colors_N3: NDArray[np.float32] | None = None
    valid_M: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices_V3: (V, 3) float64, finite.
        faces_F3: (F, 3) int64 vertex numbers, F >= 1; at least one face has an area.
        appearance: colors and textures; None unless they were asked for and the file has any.
        valid_M: (M,) which vertices of the source these are; None if they are all of its vertices.
    """

    vertices_V3: NDArray[np.float64]
    faces_F3: NDArray[np.int64]
    appearance: Appearance | None = None
    valid_M: NDArray[np.bool_] | None = None


def validate_points(points: NDArray[Any], source: str) -> NDArray[np.float64]:
    """Returns the (N, 3) points of `as_cloud`, without those rows that are not finite."""
    return as_cloud(points, source).points_N3


def as_cloud(points: NDArray[Any], source: str, colors_M3: NDArray[np.float32] | None = None) -> PointCloud:
    """Validates an array of points, and leaves out rows that are not finite, with one warning.

    Args:
        points: (M, 3) or wider real numbers; columns after the third, such as normals, are dropped.
        source: name of the input, for errors and warnings.
        colors_M3: their colors.

    Raises:
        PointCloudError: the array is of another shape or type, has too many rows, or no row that is finite.
    """
    points_M3, valid_M = _finite_rows(points, source)
    count = int(valid_M.sum())
    if count == len(valid_M):
        cloud = PointCloud(points_M3, colors_M3)
    elif count == 0:
        raise PointCloudError(source, f"none of its {len(valid_M)} points is finite")
    else:
        reason = f"{len(valid_M) - count} of {len(valid_M)} points are not finite and were left out"
        warnings.warn(PointCloudWarning(source, reason), stacklevel=3)
        colors_N3 = None if colors_M3 is None else colors_M3[valid_M]
        cloud = PointCloud(points_M3[valid_M], colors_N3, valid_M)
    _check_digits(cloud.points_N3, source)
    return cloud


def _finite_rows(points: NDArray[Any], source: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Returns (M, 3) points and which of them are finite."""
    if points.dtype.kind not in "fiu":
        raise PointCloudError(source, f"expected real numbers, not {points.dtype}")
    if points.ndim != 2 or points.shape[1] < 3:
        raise PointCloudError(source, f"expected an array of shape (N, 3) or wider, not {points.shape}")
    if len(points) == 0:
        raise PointCloudError(source, "no points")
    check_count(len(points), source)
    check_orientation(points.shape, source)
    with np.errstate(invalid="ignore"):  # signaling NaN
        points_M3 = np.ascontiguousarray(points[:, :3], dtype=np.float64)
    valid_M = np.asarray(np.isfinite(points_M3).all(axis=1))
    if np.abs(points_M3[valid_M]).max(initial=0) > 1e100:
        raise PointCloudError(source, "coordinates beyond 1e100 cannot be normalized")
    return points_M3, valid_M


def check_orientation(shape: tuple[int, ...], source: str) -> None:
    """Refuses arrays whose coordinates are in rows, as PointNet and its successors take them.

    Raises:
        PointCloudError: the last two axes of the shape are (3, N), or a few rows of many numbers; (3, 3) is
            three points.
    """
    rows, columns = shape[-2:]
    if rows == 3 < columns or 0 < rows <= _FEW_ROWS < columns:
        turned = "x".join(map(str, (*shape[:-2], columns, rows)))
        raise PointCloudError(
            source,
            f"shape {shape}: coordinates are in rows; transpose it to {turned}, points in rows, for example "
            f"by numpy.swapaxes(array, -1, -2)",
        )


def _check_digits(points_N3: NDArray[np.float64], source: str) -> None:
    """Warns of coordinates that were rounded to float32 so far from the origin that the shape is lost."""
    size = float(np.ptp(points_N3, axis=0).max())
    step = float(np.spacing(np.float32(min(np.abs(points_N3).max(), 1e38))))
    is_coarse = len(points_N3) > _BY_CHANCE and 0 < size < _FEW_STEPS * step
    if is_coarse and (points_N3.astype(np.float32) == points_N3).all():
        reason = (
            f"coordinates are multiples of {step:g}, in float32, along an object of {size:g}: its shape is "
            f"lost; subtract the origin before converting to float32, or keep float64"
        )
        warnings.warn(PointCloudWarning(source, reason), stacklevel=4)


def validate_mesh(
    vertices: NDArray[Any],
    faces: NDArray[Any],
    source: str,
    paint: Callable[[NDArray[np.int64]], Appearance | None] | None = None,
) -> Mesh:
    """Validates vertices and triangles.

    Vertices that are not finite are left out, and so are the faces that use them, with one warning.

    Args:
        vertices: (M, 3) real numbers.
        faces: (F, 3) integers.
        source: name of the input, for errors and warnings.
        paint: returns the appearance of all the faces; it is called if their vertices exist.

    Raises:
        PointCloudError: `as_cloud` rejects the vertices, a face refers to a vertex that does not exist, or no
            face has an area.
    """
    vertices_M3, valid_M = _finite_rows(vertices, source)
    if not valid_M.any():
        raise PointCloudError(source, f"none of its {len(valid_M)} vertices is finite")
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu":
        raise PointCloudError(
            source, f"expected integer faces of shape (F, 3), not {faces.dtype} {faces.shape}"
        )
    if len(faces) == 0:
        raise PointCloudError(source, "no faces")
    check_count(len(faces), source, "faces")
    wrong_F = ((faces < 0) | (faces >= len(vertices_M3))).any(axis=1)
    if wrong_F.any():
        first = int(wrong_F.argmax())
        raise PointCloudError(
            source,
            f"face {first} refers to vertices {faces[first].tolist()}, but there are {len(vertices_M3)}",
        )
    faces_F3 = np.ascontiguousarray(faces, dtype=np.int64)
    appearance = paint(faces_F3) if paint else None
    mesh = Mesh(vertices_M3, faces_F3, appearance)
    if not valid_M.all():
        mesh = _without_vertices(mesh, valid_M, source)
    edges_F23 = mesh.vertices_V3[mesh.faces_F3[:, 1:]] - mesh.vertices_V3[mesh.faces_F3[:, :1]]
    with np.errstate(over="ignore"):
        has_area_F = (np.cross(edges_F23[:, 0], edges_F23[:, 1]) != 0).any(axis=1)
    if not has_area_F.any():
        raise PointCloudError(source, "all faces have zero area")
    _check_digits(mesh.vertices_V3, source)
    return mesh


def _without_vertices(mesh: Mesh, valid_M: NDArray[np.bool_], source: str) -> Mesh:
    kept_F = np.asarray(valid_M[mesh.faces_F3].all(axis=1))
    lost, lost_faces = int((~valid_M).sum()), int((~kept_F).sum())
    if not kept_F.any():
        raise PointCloudError(source, f"all faces use one of {lost} vertices that are not finite")
    with_faces = f", with {lost_faces} of {len(kept_F)} faces" if lost_faces else "; no face uses them"
    reason = f"{lost} of {len(valid_M)} vertices are not finite and were left out{with_faces}"
    warnings.warn(PointCloudWarning(source, reason), stacklevel=4)
    numbers_M = np.cumsum(valid_M) - 1
    return Mesh(
        mesh.vertices_V3[valid_M],
        numbers_M[mesh.faces_F3[kept_F]],
        mesh.appearance.select(kept_F) if mesh.appearance else None,
        valid_M,
    )


def check_count(count: int, source: str, what: str = "points") -> None:
    """Rejects numbers of points or faces that no real file has.

    Raises:
        PointCloudError: the count is negative or greater than `MAX_POINTS`.
    """
    if not 0 <= count <= MAX_POINTS:
        raise PointCloudError(source, f"{count} {what}; from 0 to {MAX_POINTS} are accepted")
