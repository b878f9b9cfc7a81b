"""Points sampled on a mesh lie on it, and their number follows the area."""

from __future__ import annotations

import numpy as np
import pytest

from crossjepa.ops.mesh_sampling import face_areas, sample_surface

VERTICES = np.array([[0, 0, 0], [4, 0, 0], [0, 2, 0], [0, 0, 6]], np.float32)
FACES = np.array([[0, 1, 2], [0, 1, 1], [0, 2, 3]])


def test_areas() -> None:
    np.testing.assert_allclose(face_areas(VERTICES, FACES), [4, 0, 6])


def test_points_lie_on_their_faces() -> None:
    points_N3, face_N = sample_surface(VERTICES, FACES, 5000, np.random.default_rng(0))
    assert points_N3.shape == (5000, 3)
    assert (points_N3 >= 0).all()
    assert set(face_N.tolist()) == {0, 2}
    flat_N3, upright_N3 = points_N3[face_N == 0], points_N3[face_N == 2]
    assert (flat_N3[:, 2] == 0).all()
    assert (flat_N3[:, 0] / 4 + flat_N3[:, 1] / 2 <= 1 + 1e-12).all()
    assert (upright_N3[:, 0] == 0).all()
    assert (upright_N3[:, 1] / 2 + upright_N3[:, 2] / 6 <= 1 + 1e-12).all()
    np.testing.assert_allclose((face_N == 0).mean(), 0.4, atol=0.02)
    np.testing.assert_allclose(flat_N3.mean(axis=0), [4 / 3, 2 / 3, 0], atol=0.05)


def test_one_seed_gives_one_sample() -> None:
    first, second = (sample_surface(VERTICES, FACES, 10, np.random.default_rng(3))[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_no_area() -> None:
    with pytest.raises(ValueError, match="no area"):
        sample_surface(VERTICES, FACES[1:2], 10, np.random.default_rng(0))


@pytest.mark.parametrize("scale", [1e-90, 1e-30, 1e99])
def test_sizes_whose_areas_are_beyond_the_range_of_numbers(scale: float) -> None:
    vertices_V3 = VERTICES.astype(np.float64)
    points_N3, face_N = sample_surface(vertices_V3 * scale, FACES, 100, np.random.default_rng(0))
    usual_N3, usual_N = sample_surface(vertices_V3, FACES, 100, np.random.default_rng(0))
    np.testing.assert_array_equal(face_N, usual_N)
    np.testing.assert_allclose(points_N3, usual_N3 * scale, rtol=1e-12)
