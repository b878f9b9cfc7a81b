"""Points on the surface of a mesh that depend on the surface alone, not on how a file describes it.

V vertices, F faces, D directions, T faces that a lattice reaches, R rows, K crossings, N sampled points
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossjepa.ops.mesh_sampling import face_areas, sample_surface

# Crossings to choose from, per point: the more there are, the less of a lattice is left in the choice.
_CANDIDATES = 2
# Crossings on one line that are closer than this, in radii of the mesh, are one: of a face that is listed
# twice or has a back side, or of an edge that two faces share.
_SAME = 1e-5
# Faces of less than this share of the largest one are what rounding leaves of faces without area.
_NO_AREA = 1e-12
# Most rows or crossings in one direction; bounds the memory for surfaces such as a million needles.
_MOST = 1_000_000
_GOLDEN = (1 + 5**0.5) / 2
# The axes through the corners of an icosahedron, along which the mean of |cos| hardly depends on a normal.
_AXES_D3 = np.array(
    [[0, 1, _GOLDEN], [0, 1, -_GOLDEN], [1, _GOLDEN, 0], [1, -_GOLDEN, 0], [_GOLDEN, 0, 1], [-_GOLDEN, 0, 1]]
) / np.hypot(1, _GOLDEN)


def sample_by_lines(
    vertices_V3: NDArray[np.floating], faces_F3: NDArray[np.integer], count: int, seed: int = 0
) -> NDArray[np.float64]:
    """Samples points with equal density everywhere on the surface: where fixed lines cross it.

    Lines spread evenly over places and directions cross a surface evenly (Cauchy and Crofton; Rovira et al.,
    "Point Sampling with Uniformly Distributed Lines", 2005). The lines depend on the bounding box and the
    seed alone. Unlike those of `sample_surface`, the points therefore do not change with the order of faces,
    vertices and corners, with how polygons are cut into triangles, or with faces that are listed twice, and
    they follow changes of unit and place.

    The lines are lattices along six directions. A hash chooses `count` of their crossings, with weights that
    make up for the directions between the six. Surfaces that take too many lines, such as wire models of a
    million needles, are sampled by `sample_surface` from their distinct faces in a canonical order.

    Args:
        vertices_V3: (V, 3) positions.
        faces_F3: (F, 3) vertex numbers of triangles, at least one of non-zero area.
        count: number of points.
        seed: chooses the lines, and among their crossings.

    Returns:
        (N, 3) float64 positions in random order: the first n of them are a sample of n points.

    Raises:
        ValueError: the surface has no area.
    """
    positions_V3 = np.asarray(vertices_V3, np.float64)
    center_3, radius = _bounding_sphere(positions_V3, faces_F3)
    areas_F = face_areas((positions_V3 - center_3) / radius, faces_F3)
    if not areas_F.max(initial=0) > 0:
        raise ValueError("the surface has no area")
    kept_F = areas_F > _NO_AREA * areas_F.max()
    faces_F3, whole_radius = faces_F3[kept_F], radius
    center_3, radius = _bounding_sphere(positions_V3, faces_F3)
    unit_V3 = (positions_V3 - center_3) / radius
    area = areas_F[kept_F].sum() * (whole_radius / radius) ** 2
    lines = _Lines(seed)
    crossings = lines.crossings(unit_V3, faces_F3, area, _CANDIDATES * count)
    if crossings is None:
        points_N3 = _canonical_sample(unit_V3, faces_F3, count, seed)
    else:
        points_N3 = lines.choose(crossings, unit_V3, faces_F3, count)
    return points_N3 * radius + center_3


@dataclass(frozen=True)
class _Crossings:
    """Where lines cross faces, sorted by line and, along each line, by depth.

    Attributes:
        line_K3: (K, 3) int64 direction, column and row of the line.
        depth_K: (K,) position along the line.
        face_K: (K,) number of the face.
        spacing: distance of neighboring lines.
    """

    line_K3: NDArray[np.int64]
    depth_K: NDArray[np.float64]
    face_K: NDArray[np.int64]
    spacing: float

    def __len__(self) -> int:
        return len(self.depth_K)

    def coarser(self) -> _Crossings:
        """Keeps every other column and row."""
        even_K = (self.line_K3[:, 1:] % 2 == 0).all(axis=1)
        line_K3 = self.line_K3[even_K] // (1, 2, 2)
        return _Crossings(line_K3, self.depth_K[even_K], self.face_K[even_K], 2 * self.spacing)


class _Lines:
    """Lattices of lines along six directions.

    Args:
        seed: turns and moves the lattices.
    """

    def __init__(self, seed: int) -> None:
        self.seed, generator = seed, np.random.default_rng(seed)
        self.axes_D3 = _AXES_D3 @ np.linalg.qr(generator.normal(size=(3, 3)))[0].T
        across_D3 = np.cross(self.axes_D3, np.roll(self.axes_D3, 1, axis=0))
        across_D3 /= np.linalg.norm(across_D3, axis=1, keepdims=True)
        # Each direction has its own frame: along columns, along rows, along the lines.
        self.frames_D33 = np.stack([across_D3, np.cross(self.axes_D3, across_D3), self.axes_D3], axis=1)
        self.origins_D3 = np.pad(generator.random((len(self.axes_D3), 2)), ((0, 0), (0, 1)))

    def crossings(
        self, unit_V3: NDArray[np.float64], faces_F3: NDArray[np.integer], area: float, wanted: int
    ) -> _Crossings | None:
        """Returns the crossings with the coarsest lattice that has as many as wanted.

        None if there are too many. The area only tells where to begin, since faces may be listed twice.
        """
        faces_3F = np.ascontiguousarray(faces_F3.T)
        level = math.ceil(math.log2(wanted / (len(self.axes_D3) / 2 * area)) / 2)
        found = self._cross(unit_V3, faces_3F, 2.0**-level)
        while found is not None and len(found) < wanted:
            level += 1
            found = self._cross(unit_V3, faces_3F, 2.0**-level)
        while found is not None and len(fewer := found.coarser()) >= wanted:
            found = fewer
        return found

    def _cross(
        self, unit_V3: NDArray[np.float64], faces_3F: NDArray[np.integer], spacing: float
    ) -> _Crossings | None:
        parts = []
        for direction, (frame_33, origin_3) in enumerate(zip(self.frames_D33, self.origins_D3, strict=True)):
            part = _cross_one_direction(unit_V3, faces_3F, frame_33, origin_3, spacing)
            if part is None:
                return None
            parts.append((np.full(len(part[0]), direction), *part))
        direction_K, column_K, row_K, depth_K, face_K = (
            np.concatenate(column) for column in zip(*parts, strict=True)
        )
        order_K = np.lexsort((depth_K, column_K, row_K, direction_K))
        line_K3 = np.stack([direction_K, column_K, row_K], axis=1)[order_K]
        depth_K = depth_K[order_K]
        new_K = np.ones(len(order_K), bool)
        new_K[1:] = (line_K3[1:] != line_K3[:-1]).any(axis=1) | (np.diff(depth_K) > _SAME)
        return _Crossings(line_K3[new_K], depth_K[new_K], face_K[order_K][new_K], spacing)

    def choose(
        self, found: _Crossings, unit_V3: NDArray[np.float64], faces_F3: NDArray[np.integer], count: int
    ) -> NDArray[np.float64]:
        """Returns (N, 3) positions of crossings, chosen with weights that give every area the same share."""
        corners_K33 = unit_V3[faces_F3[found.face_K]]
        normals_K3 = np.cross(corners_K33[:, 1] - corners_K33[:, 0], corners_K33[:, 2] - corners_K33[:, 0])
        normals_K3 /= np.linalg.norm(normals_K3, axis=1, keepdims=True)
        lines_per_area_K = np.abs(normals_K3 @ self.axes_D3.T).sum(axis=1)
        new_K = np.ones(len(found), bool)
        new_K[1:] = (found.line_K3[1:] != found.line_K3[:-1]).any(axis=1)
        index_K = np.arange(len(found))
        nth_K = index_K - np.maximum.accumulate(np.where(new_K, index_K, 0))
        # The smallest of exponential variables whose rates are the weights (Efraimidis and Spirakis, 2006).
        key_K = -np.log(_hash(self.seed, *found.line_K3.T, nth_K)) * lines_per_area_K
        kept_N = np.argsort(key_K, kind="stable")[:count]
        direction_N = found.line_K3[kept_N, 0]
        local_N3 = np.column_stack([found.line_K3[kept_N, 1:] * found.spacing, found.depth_K[kept_N]])
        local_N3 += self.origins_D3[direction_N]
        return np.asarray(np.einsum("nk,nkc->nc", local_N3, self.frames_D33[direction_N]))


def _bounding_sphere(
    vertices_V3: NDArray[np.float64], faces_F3: NDArray[np.integer]
) -> tuple[NDArray[np.float64], float]:
    """Returns the center and the radius of the sphere through the corners of the faces' bounding box."""
    used_V = np.zeros(len(vertices_V3), bool)
    used_V[faces_F3] = True
    low_3, high_3 = np.array([(axis_V[used_V].min(), axis_V[used_V].max()) for axis_V in vertices_V3.T]).T
    return (low_3 + high_3) / 2, math.hypot(*(high_3 - low_3)) / 2 or 1.0


def _cross_one_direction(
    unit_V3: NDArray[np.float64],
    faces_3F: NDArray[np.integer],
    frame_33: NDArray[np.float64],
    origin_3: NDArray[np.float64],
    spacing: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]] | None:
    """Crosses faces with a lattice of parallel lines; None if there are too many rows or crossings.

    Returns:
        Column and row of the line, depth of the crossing, and number of the face, each of shape (K,).
    """
    y_V = (unit_V3 @ frame_33[1] - origin_3[1]) / spacing
    y_3F = y_V[faces_3F]
    first_F = np.ceil(np.minimum(np.minimum(y_3F[0], y_3F[1]), y_3F[2]))
    last_F = np.floor(np.maximum(np.maximum(y_3F[0], y_3F[1]), y_3F[2]))
    reached_T = np.flatnonzero(last_F >= first_F)
    first_T, last_T = first_F[reached_T], last_F[reached_T]
    if (last_T - first_T + 1).sum() > _MOST:
        return None
    corners_3T = np.take_along_axis(faces_3F[:, reached_T], y_3F[:, reached_T].argsort(axis=0), axis=0)
    low_T3, middle_T3, high_T3 = (unit_V3[corners_3T] @ frame_33.T - origin_3) / (spacing, spacing, 1)
    row_R, t_R = _ranges(first_T, last_T)
    low_R3, middle_R3, high_R3 = low_T3[t_R], middle_T3[t_R], high_T3[t_R]
    # A row enters or leaves a triangle on the edge from its lowest to its highest corner, and on another.
    one_R3 = _at(row_R, low_R3, high_R3, axis=1)
    above_R1 = (row_R > middle_R3[:, 1])[:, None]
    other_R3 = _at(
        row_R, np.where(above_R1, middle_R3, low_R3), np.where(above_R1, high_R3, middle_R3), axis=1
    )
    left_R, right_R = np.minimum(one_R3[:, 0], other_R3[:, 0]), np.maximum(one_R3[:, 0], other_R3[:, 0])
    first_R, last_R = np.ceil(left_R), np.floor(right_R)
    if np.maximum(last_R - first_R + 1, 0).sum() > _MOST:
        return None
    column_K, r_K = _ranges(first_R, last_R)
    depth_K = _at(column_K, one_R3[r_K], other_R3[r_K], axis=0)[:, 2]
    return column_K, row_R[r_K], depth_K, reached_T[t_R[r_K]]


def _ranges(
    first_R: NDArray[np.float64], last_R: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the whole numbers of all ranges, and for each number that of its range."""
    counts_R = np.maximum(last_R - first_R + 1, 0).astype(np.int64)
    range_K = np.repeat(np.arange(len(counts_R)), counts_R)
    start_R = first_R.astype(np.int64) - (np.cumsum(counts_R) - counts_R)
    return np.arange(len(range_K)) + start_R[range_K], range_K


def _at(
    place_R: NDArray[np.int64], from_R3: NDArray[np.float64], to_R3: NDArray[np.float64], axis: int
) -> NDArray[np.float64]:
    """Returns the points of edges that have a given coordinate."""
    length_R = to_R3[:, axis] - from_R3[:, axis]
    share_R = (place_R - from_R3[:, axis]) / np.where(length_R == 0, 1, length_R)
    return np.asarray(from_R3 + share_R[:, None] * (to_R3 - from_R3))


def _canonical_sample(
    vertices_V3: NDArray[np.float64], faces_F3: NDArray[np.integer], count: int, seed: int
) -> NDArray[np.float64]:
    """Samples from the distinct faces in an order that depends on their corners alone."""
    vertices_V3, number_V = np.unique(vertices_V3, axis=0, return_inverse=True)
    faces_F3 = np.unique(np.sort(number_V.reshape(-1)[faces_F3], axis=1), axis=0)
    return sample_surface(vertices_V3, faces_F3, count, np.random.default_rng(seed))[0]


def _hash(seed: int, *numbers_K: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns a number between 0 and 1 for each tuple of integers (SplitMix64 of Steele et al., 2014)."""
    mixed_K = np.full(len(numbers_K[0]), seed, np.uint64)
    for number_K in numbers_K:
        mixed_K = mixed_K + number_K.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed_K = (mixed_K ^ (mixed_K >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed_K = (mixed_K ^ (mixed_K >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed_K ^= mixed_K >> np.uint64(31)
    return ((mixed_K >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
