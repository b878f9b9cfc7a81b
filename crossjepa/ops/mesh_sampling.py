"""Points on the surface of a mesh.

V vertices, F faces, N sampled points
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def face_areas(vertices_V3: NDArray[np.floating], faces_F3: NDArray[np.integer]) -> NDArray[np.float64]:
    """Returns the (F,) areas of triangles, in squared units of the vertices."""
    corner_F3, edge_a_F3, edge_b_F3 = _corner_and_edges(vertices_V3, faces_F3)
    del corner_F3
    return np.asarray(0.5 * np.linalg.norm(np.cross(edge_a_F3, edge_b_F3), axis=1))


def sample_surface(
    vertices_V3: NDArray[np.floating],
    faces_F3: NDArray[np.integer],
    count: int,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Samples points with equal density everywhere on the surface.

    Args:
        vertices_V3: (V, 3) positions.
        faces_F3: (F, 3) vertex numbers of triangles, at least one of non-zero area.
        count: number of points.
        generator: random generator.

    Returns:
        points_N3: (N, 3) float64 positions.
        face_N: (N,) int64 number of the face that each point lies on.

    Raises:
        ValueError: the surface has no area.
    """
    with np.errstate(over="ignore"):
        cumulative_F = np.cumsum(face_areas(vertices_V3, faces_F3))
    if not 0 < cumulative_F[-1] < np.inf:
        # Squares of such coordinates are beyond the range of numbers.
        size = float(np.abs(vertices_V3).max()) or 1.0
        cumulative_F = np.cumsum(face_areas(np.asarray(vertices_V3, np.float64) / size, faces_F3))
    if not cumulative_F[-1] > 0:
        raise ValueError("the surface has no area")
    # side="right" with numbers below the total never lands on a face of zero area.
    heights_N = generator.random(count) * cumulative_F[-1]
    face_N = np.minimum(np.searchsorted(cumulative_F, heights_N, side="right"), len(faces_F3) - 1)
    corner_N3, edge_a_N3, edge_b_N3 = _corner_and_edges(vertices_V3, faces_F3[face_N])
    along_N2 = generator.random((count, 2))
    outside_N = along_N2.sum(axis=1) > 1
    along_N2[outside_N] = 1 - along_N2[outside_N]
    return corner_N3 + along_N2[:, :1] * edge_a_N3 + along_N2[:, 1:] * edge_b_N3, face_N


def _corner_and_edges(
    vertices_V3: NDArray[np.floating], faces_F3: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    corners_F33 = np.asarray(vertices_V3, np.float64)[faces_F3]
    corner_F3 = corners_F33[:, 0]
    return corner_F3, corners_F33[:, 1] - corner_F3, corners_F33[:, 2] - corner_F3
