"""Points where lines cross a surface: uniform by area, and the same however a file describes the surface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.io import Mesh, read
from crossjepa.ops import line_sampling
from crossjepa.ops.line_sampling import sample_by_lines
from crossjepa.ops.mesh_sampling import face_areas

FILES = Path(__file__).resolve().parents[2] / "examples" / "files"
Surface = tuple[NDArray[np.float64], NDArray[np.int64]]


def sample_file(name: str) -> Surface:
    mesh = read(FILES / f"{name}.obj")
    assert isinstance(mesh, Mesh)
    return mesh.vertices_V3, mesh.faces_F3


def box() -> Surface:
    """A box of 3 x 2 x 1 whose faces are numbered by side: two triangles on each."""
    vertices_83 = np.array([(x, y, z) for x in (0, 3) for y in (0, 2) for z in (0, 1)], float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return vertices_83, np.array([(a, *pair) for a, b, c, d in quads for pair in ((b, c), (c, d))])


def side_areas(points_N3: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts points on each of the six sides of the box."""
    distances_N6 = np.abs(np.concatenate([points_N3, points_N3 - (3, 2, 1)], axis=1))
    assert distances_N6.min(axis=1).max() < 1e-12
    return np.bincount(distances_N6.argmin(axis=1), minlength=6)


def subdivided(vertices_V3: NDArray[np.float64], faces_F3: NDArray[np.int64]) -> Surface:
    middles = (vertices_V3[faces_F3] + vertices_V3[np.roll(faces_F3, -1, axis=1)]) / 2
    ab, bc, ca = (len(vertices_V3) + np.arange(3 * len(faces_F3)).reshape(-1, 3)).T
    a, b, c = faces_F3.T
    corners = [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    return np.concatenate([vertices_V3, middles.reshape(-1, 3)]), np.concatenate(
        [np.stack(corner, axis=1) for corner in corners]
    )


def descriptions(
    vertices_V3: NDArray[np.float64], faces_F3: NDArray[np.int64]
) -> Iterator[tuple[str, Surface]]:
    """Other descriptions of the same surface."""
    rng = np.random.default_rng(0)
    yield "order of faces", (vertices_V3, rng.permutation(faces_F3))
    order_V = rng.permutation(len(vertices_V3))
    yield "order of vertices", (vertices_V3[order_V], order_V.argsort()[faces_F3])
    yield "first corner", (vertices_V3, np.roll(faces_F3, 1, axis=1))
    yield "winding", (vertices_V3, faces_F3[:, ::-1])
    yield (
        "no shared vertices",
        (vertices_V3[faces_F3].reshape(-1, 3), np.arange(faces_F3.size).reshape(-1, 3)),
    )
    yield "four triangles for one", subdivided(vertices_V3, faces_F3)
    yield "all faces twice", (vertices_V3, np.concatenate([faces_F3, faces_F3]))
    yield (
        "back sides of half",
        (vertices_V3, np.concatenate([faces_F3, faces_F3[: len(faces_F3) // 2, ::-1]])),
    )
    unused_V3 = np.concatenate([vertices_V3, vertices_V3[:1] * 0 + 1e6])
    yield "a vertex that no face uses", (unused_V3, faces_F3)
    flat_F3 = np.concatenate([faces_F3, [[0, 0, len(vertices_V3)]]])
    yield "a face without area", (unused_V3, flat_F3)
    yield "float32", (vertices_V3.astype(np.float32).astype(np.float64), faces_F3)


@pytest.mark.parametrize("name", ["chair", "horse", "desk_lamp", "grand_piano"])
def test_the_same_surface_gives_the_same_points(name: str) -> None:
    surface = sample_file(name)
    expected_N3 = sample_by_lines(*surface, 1024)
    for what, other in descriptions(*surface):
        np.testing.assert_allclose(sample_by_lines(*other, 1024), expected_N3, atol=1e-4, err_msg=what)


def test_the_other_diagonal_gives_the_same_points() -> None:
    vertices_83, faces_F3 = box()
    quads = faces_F3.reshape(6, 2, 3)
    a, b, c, d = quads[:, 0, 0], quads[:, 0, 1], quads[:, 0, 2], quads[:, 1, 2]
    other_F3 = np.concatenate([np.stack([b, c, d], axis=1), np.stack([b, d, a], axis=1)])
    np.testing.assert_allclose(
        sample_by_lines(vertices_83, other_F3, 1024), sample_by_lines(vertices_83, faces_F3, 1024), atol=1e-12
    )


def test_moving_and_scaling_move_and_scale_the_points() -> None:
    vertices_V3, faces_F3 = sample_file("table")
    points_N3 = sample_by_lines(vertices_V3, faces_F3, 500)
    for scale, shift in ((1e-9, 0.0), (1e60, 0.0), (1e-60, 0.0), (25.4, 4e5)):
        moved_N3 = sample_by_lines(vertices_V3 * scale + shift, faces_F3, 500)
        np.testing.assert_allclose((moved_N3 - shift) / scale, points_N3, atol=1e-6)


def test_points_are_uniform_by_area() -> None:
    vertices_83, faces_F3 = box()
    counts = np.array([side_areas(sample_by_lines(vertices_83, faces_F3, 1024, seed)) for seed in range(50)])
    expected_6 = np.array([2, 3, 6, 2, 3, 6]) / 22 * 1024
    # The mean of 50 samples, within four standard errors of independent points.
    assert (np.abs(counts.mean(axis=0) - expected_6) < 4 * np.sqrt(expected_6 / 50)).all()
    # No sample is farther off than independent points would be.
    assert (((counts - expected_6) ** 2 / expected_6).sum(axis=1).mean()) < 6


def test_directions_between_the_axes_get_no_fewer_points() -> None:
    # Small plates of all directions, far from one another, of the same area.
    normals_F3 = np.random.default_rng(0).normal(size=(400, 3))
    across_F3 = np.cross(normals_F3, (0.3, 0.5, 0.8))
    across_F3 /= np.linalg.norm(across_F3, axis=1, keepdims=True)
    along_F3 = np.cross(normals_F3 / np.linalg.norm(normals_F3, axis=1, keepdims=True), across_F3)
    centers_F3 = np.stack(np.meshgrid(*[np.arange(8.0)] * 3), axis=-1).reshape(-1, 3)[:400]
    corners = [centers_F3, centers_F3 + 0.5 * across_F3, centers_F3 + 0.5 * along_F3]
    vertices_V3 = np.stack(corners, axis=1).reshape(-1, 3)
    points_N3 = sample_by_lines(vertices_V3, np.arange(1200).reshape(-1, 3), 40_000)
    nearest = [
        np.linalg.norm(some_N3[:, None] - centers_F3, axis=2).argmin(axis=1)
        for some_N3 in np.split(points_N3, 20)
    ]
    counts_F = np.bincount(np.concatenate(nearest), minlength=400)
    # 100 each: independent points have a standard deviation of 10.
    assert counts_F.min() > 60
    assert counts_F.max() < 140
    speeds_F = np.abs(normals_F3 / np.linalg.norm(normals_F3, axis=1, keepdims=True) @ (0, 0, 1))
    assert abs(np.corrcoef(counts_F, speeds_F)[0, 1]) < 0.2


def test_the_first_points_are_a_sample_too() -> None:
    vertices_83, faces_F3 = box()
    counts = sum(side_areas(sample_by_lines(vertices_83, faces_F3, 1024, seed)[:64]) for seed in range(50))
    expected_6 = np.array([2, 3, 6, 2, 3, 6]) / 22 * 64 * 50
    assert (np.abs(counts - expected_6) < 4 * np.sqrt(expected_6)).all()


def test_seeds_give_different_points() -> None:
    surface = box()
    assert not np.array_equal(sample_by_lines(*surface, 100), sample_by_lines(*surface, 100, seed=1))
    np.testing.assert_array_equal(sample_by_lines(*surface, 100), sample_by_lines(*surface, 100))


@pytest.mark.parametrize("count", [1, 10, 5000])
@pytest.mark.parametrize("width", [1.0, 1e-3, 1e-7])
def test_plates_and_needles(count: int, width: float) -> None:
    vertices_V3 = np.array([[0.0, 0, 0], [1, 1, 0], [1, 1, width], [0, 0, width]])
    points_N3 = sample_by_lines(vertices_V3, np.array([[0, 1, 2], [0, 2, 3]]), count)
    assert points_N3.shape == (count, 3)
    assert np.isfinite(points_N3).all()
    np.testing.assert_allclose(points_N3[:, 0], points_N3[:, 1], atol=1e-9)
    assert points_N3[:, 2].min() > -1e-12
    assert points_N3[:, 2].max() < width + 1e-12


@pytest.mark.parametrize(
    "describe", [lambda faces: faces[::-1], lambda faces: np.concatenate([faces, faces])]
)
def test_too_many_lines(
    monkeypatch: pytest.MonkeyPatch, describe: Callable[[NDArray[np.int64]], NDArray[np.int64]]
) -> None:
    monkeypatch.setattr(line_sampling, "_MOST", 100)
    vertices_V3, faces_F3 = sample_file("chair")
    points_N3 = sample_by_lines(vertices_V3, faces_F3, 1024)
    np.testing.assert_allclose(sample_by_lines(vertices_V3, describe(faces_F3), 1024), points_N3, atol=1e-9)
    assert face_areas(vertices_V3, faces_F3).sum() > 0


def test_many_copies_of_a_face() -> None:
    vertices_33 = np.eye(3)
    faces_F3 = np.tile(np.arange(3), (30_000, 1))
    assert sample_by_lines(vertices_33, faces_F3, 1024).shape == (1024, 3)


def test_a_surface_without_area() -> None:
    with pytest.raises(ValueError, match="no area"):
        sample_by_lines(np.ones((3, 3)), np.array([[0, 1, 2]]), 10)
