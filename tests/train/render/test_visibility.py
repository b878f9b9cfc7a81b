"""Points are where the pictures show them, and seen only where nothing is in front of them.

V views, K points
"""

from __future__ import annotations

import numpy as np
import pytest

from crossjepa.datasets import open_dataset
from crossjepa.io import Appearance
from crossjepa.train.render import View, rig
from crossjepa.train.render.shading import draw_mesh
from crossjepa.train.render.splat import draw_cloud
from crossjepa.train.render.views import RenderConfig, make_views
from crossjepa.train.render.visibility import CLOUD_TOLERANCE, TOLERANCE, see_points
from tests.conftest import SAMPLES
from tests.helpers.render_shapes import sphere_mesh, sphere_points


@pytest.mark.parametrize("kind", ["mesh", "cloud"])
def test_a_camera_sees_the_side_of_a_sphere_that_faces_it(kind: str) -> None:
    points_K3, views = sphere_points(2000), rig("sphere")
    if kind == "mesh":
        depth_VSS = draw_mesh(*sphere_mesh(), views, size=64, supersample=2).depth_VSS
    else:
        depth_VSS = draw_cloud(points_K3, views, size=64, supersample=2).depth_VSS
    tolerance = TOLERANCE if kind == "mesh" else CLOUD_TOLERANCE
    seen_VK = see_points(points_K3, views, depth_VSS, tolerance).seen_VK
    for view, seen_K in zip(views, seen_VK, strict=True):
        toward_K = ((view.position() - points_K3) * points_K3).sum(axis=1)
        toward_K /= 0.8 * np.linalg.norm(view.position() - points_K3, axis=1)  # cosine to the normal
        assert seen_K[toward_K > 0.3].mean() > 0.99
        assert seen_K[toward_K < -0.2].mean() < (1e-9 if kind == "mesh" else 0.02)
    assert seen_VK.any(axis=0).all()


def test_pictures_show_the_colors_of_the_points_that_are_seen() -> None:
    """A red, a green and a blue ball, one of which hides others: a mirrored or turned projection fails."""
    ball_P3, faces_F3 = sphere_mesh(0.3, rows=24)
    centers = np.array([[-0.6, 0.3, 0.1], [0.5, -0.4, 0.4], [0.1, 0.2, -0.5]])
    vertices_P3 = np.concatenate([ball_P3 + center_3 for center_3 in centers])
    faces = np.concatenate([faces_F3 + number * len(ball_P3) for number in range(3)])
    colors_F3 = np.repeat(np.eye(3), len(faces_F3), axis=0)
    views = [*rig("orbit8", seed=3), View(20, 80, roll=35), View(70, -30, distance=2.0)]
    drawn = draw_mesh(
        vertices_P3, faces, views, size=96, supersample=2, appearance=Appearance.of_faces(colors_F3)
    )
    points_K3 = np.concatenate([sphere_points(300, 0.3) + center_3 for center_3 in centers])
    ball_K = np.repeat(np.arange(3), 300)
    sight = see_points(points_K3, views, drawn.depth_VSS)
    right = total = 0
    for image_HW3, place_K2, seen_K in zip(drawn.images_VHW3, *sight, strict=True):
        column_K, row_K = (place_K2[seen_K] * 96).astype(int).T
        shown_K3 = image_HW3[row_K, column_K]
        right += int((shown_K3.argmax(axis=1) == ball_K[seen_K]).sum())
        total += int(seen_K.sum())
    assert total > 2000
    assert right / total > 0.95  # at outlines, a pixel mixes both sides


def test_points_outside_the_picture_and_behind_the_camera_are_not_seen() -> None:
    nothing_VSS = np.full((1, 8, 8), np.inf, np.float32)
    points_K3 = np.array([[0, 0, 0], [5, 0, 0], [0, 0, 9], [np.nan, 0, 0]])
    sight = see_points(points_K3, [View(0, 0)], nothing_VSS)
    assert sight.seen_VK.tolist() == [[True, False, False, False]]
    np.testing.assert_allclose(sight.place_VK2[0, 0], 0.5)
    assert np.isfinite(sight.place_VK2).all()


def test_views_come_with_depth_unless_the_pictures_exist() -> None:
    config = RenderConfig(image_size=32, stored_points=128)
    views = make_views(open_dataset([SAMPLES])[0], 0, config)
    assert views.depth_VSS is not None
    assert views.depth_VSS.shape == (8, 64, 64)
    blocks = np.isinf(views.depth_VSS).reshape(8, 32, 2, 32, 2)
    assert (views.images_VHW3[blocks.all(axis=(2, 4))] == 255).all()
    assert (views.images_VHW3[~blocks.any(axis=(2, 4))] < 255).any(axis=1).mean() > 0.99
