"""The rasterizer against a slow reference and analytic values.

V vertices, F faces, H x W pixels
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crossjepa.train.render import (
    View,
    rig,
)
from crossjepa.train.render.camera import project
from crossjepa.train.render.rasterizer import rasterize_views
from tests.helpers.render_shapes import sphere_mesh

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
QUAD_F3 = np.array([[0, 1, 2], [0, 2, 3]])


def reference_rasterize(
    pixel_V2: Floats, depth_V: Floats, faces_F3: Integers, size: int
) -> tuple[Floats, Integers, NDArray[np.bool_]]:
    """Every pixel center against every face; also tells which pixels are too close to an edge or a tie."""
    depth_HW, face_HW = np.full((size, size), np.inf), np.full((size, size), -1)
    doubtful_HW = np.zeros((size, size), np.bool_)
    for row in range(size):
        for column in range(size):
            for number, face_3 in enumerate(faces_F3):
                corners_33 = np.vstack([pixel_V2[face_3].T, np.ones(3)])
                weight_3 = np.linalg.solve(corners_33, [column + 0.5, row + 0.5, 1.0])
                doubtful_HW[row, column] |= bool(np.abs(weight_3).min() < 1e-6)
                if weight_3.min() < 0:
                    continue
                depth = 1 / (weight_3 / depth_V[face_3]).sum()
                doubtful_HW[row, column] |= abs(depth - depth_HW[row, column]) < 1e-5
                if depth < depth_HW[row, column]:
                    depth_HW[row, column], face_HW[row, column] = depth, number
    return depth_HW, face_HW, doubtful_HW


def rasterize_arrays(
    pixel_V2: Floats, depth_V: Floats, faces_F3: Integers, size: int
) -> tuple[NDArray[np.float32], Integers]:
    pixels_1V2, depth_1V = torch.from_numpy(pixel_V2[None]), torch.from_numpy(depth_V[None])
    depth_1HW, face_1HW = rasterize_views(pixels_1V2, depth_1V, torch.from_numpy(faces_F3), size)
    return depth_1HW[0].numpy(), face_1HW[0].numpy()


@pytest.mark.parametrize("seed", range(4))
def test_rasterizer_equals_reference(seed: int) -> None:
    generator, size = np.random.default_rng(seed), 16
    pixel_V2 = generator.uniform(-8, size + 8, (24, 2))
    depth_V = generator.uniform(0.5, 5, 24)
    faces_F3 = generator.permuted(np.tile(np.arange(24), (10, 1)), axis=1)[:, :3]
    expected_HW, expected_face_HW, doubtful_HW = reference_rasterize(pixel_V2, depth_V, faces_F3, size)
    depth_HW, face_HW = rasterize_arrays(pixel_V2, depth_V, faces_F3, size)
    assert doubtful_HW.mean() < 0.02
    np.testing.assert_array_equal(face_HW[~doubtful_HW], expected_face_HW[~doubtful_HW])
    np.testing.assert_allclose(depth_HW[~doubtful_HW], expected_HW[~doubtful_HW], rtol=2e-5)


def test_neighboring_triangles_leave_no_gap_at_exact_pixel_centers() -> None:
    pixel_V2 = np.array([[0.5, 0.5], [8.5, 0.5], [8.5, 8.5], [0.5, 8.5]])
    _, face_HW = rasterize_arrays(pixel_V2, np.ones(4), QUAD_F3, 10)
    assert (face_HW[:9, :9] >= 0).all()
    assert (face_HW[9] == -1).all()
    assert (face_HW[:, 9] == -1).all()


def test_equal_depths_go_to_the_highest_face() -> None:
    pixel_V2 = np.array([[-1.0, -1.0], [30.0, -1.0], [-1.0, 30.0]])
    _, face_HW = rasterize_arrays(pixel_V2, np.ones(3), np.array([[0, 1, 2]] * 3), 8)
    assert (face_HW == 2).all()


def test_sphere_has_the_analytic_silhouette_and_depth() -> None:
    radius, size, view = 0.8, 225, View(20, 35)
    vertices_V3, faces_F3 = sphere_mesh(radius, rows=64)
    pixel_V2, depth_V = project(vertices_V3, view, size)
    depth_HW, face_HW = rasterize_arrays(pixel_V2, depth_V, faces_F3, size)
    focal = size / 2 / math.tan(math.radians(view.fov / 2))
    silhouette = focal * math.tan(math.asin(radius / view.distance))
    assert (face_HW >= 0).sum() == pytest.approx(math.pi * silhouette**2, rel=0.01)
    assert depth_HW[size // 2, size // 2] == pytest.approx(view.distance - radius, abs=2e-3)
    assert np.isinf(depth_HW[0, 0])


def test_depth_of_a_slanted_plane_is_perspective_correct() -> None:
    size, view = 40, View(0, 0, distance=3.0)
    plane_43 = np.array([[-9.0, -2, 0.9], [9.0, -2, 0.9], [9.0, 2, -2.1], [-9.0, 2, -2.1]])
    pixel_V2, depth_V = project(plane_43, view, size)
    depth_HW, _ = rasterize_arrays(pixel_V2, depth_V, QUAD_F3, size)
    # A ray (tx, ty, -1) * depth from (0, 0, 3) meets the plane z = -0.75 y - 0.6 at this depth.
    rise_H = -(np.arange(size) + 0.5 - size / 2) * math.tan(math.radians(view.fov / 2)) / (size / 2)
    expected_H = 3.6 / (1 - 0.75 * rise_H)
    inside_H = np.abs(rise_H * expected_H) < 1.9
    assert inside_H.sum() > size / 2
    expected_HW = np.tile(expected_H[:, None], (1, size))
    np.testing.assert_allclose(depth_HW[inside_H], expected_HW[inside_H], rtol=2e-5)


@pytest.mark.parametrize("last_depth", [0.0, -1.0])
def test_faces_across_or_behind_the_camera_are_left_out(last_depth: float) -> None:
    pixel_V2 = np.array([[-5.0, -5], [40, -5], [-5, 40], [40, 40]])
    depth_V = np.array([1.0, 1.0, 1.0, last_depth])
    _, face_HW = rasterize_arrays(pixel_V2, depth_V, np.array([[1, 2, 3], [0, 1, 2]]), 16)
    assert set(np.unique(face_HW)) <= {-1, 1}
    assert (rasterize_arrays(pixel_V2, np.full(4, last_depth), np.array([[0, 1, 2]]), 16)[1] == -1).all()


def test_no_face_covers_nothing() -> None:
    depth_HW, face_HW = rasterize_arrays(np.zeros((3, 2)), np.ones(3), np.zeros((0, 3), np.int64), 8)
    assert np.isinf(depth_HW).all()
    assert (face_HW == -1).all()


def test_views_together_equal_views_alone() -> None:
    generator = np.random.default_rng(1)
    vertices, faces = (
        generator.normal(size=(60, 3)) * 0.3,
        torch.from_numpy(generator.integers(0, 60, (50, 3))),
    )
    projected = [project(vertices, view, 40) for view in rig("orbit8")[:3]]
    pixel = torch.from_numpy(np.stack([pixel for pixel, _ in projected]))
    depth = torch.from_numpy(np.stack([depth for _, depth in projected]))
    together = rasterize_views(pixel, depth, faces, 40)
    for view in range(3):
        alone = rasterize_views(pixel[view : view + 1], depth[view : view + 1], faces, 40)
        assert all(torch.equal(a[view], b[0]) for a, b in zip(together, alone, strict=True))
