"""From an object to its pictures, cameras and points.

V views, P stored points
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crossjepa.datasets import open_dataset
from crossjepa.train.render import color_histogram, rig
from crossjepa.train.render.views import RenderConfig, make_views, pose_of
from tests.conftest import SAMPLES

CONFIG = RenderConfig(rig="orbit8", image_size=32, supersample=1, stored_points=64)


def test_views_depend_on_the_seed_and_the_row_alone() -> None:
    folder = open_dataset([SAMPLES])
    first, again = (make_views(folder[0], 3, CONFIG) for _ in range(2))
    np.testing.assert_array_equal(first.images_VHW3, again.images_VHW3)
    np.testing.assert_array_equal(first.points_P3, again.points_P3)
    for other in (make_views(folder[0], 4, CONFIG), make_views(folder[0], 3, replace(CONFIG, seed=1))):
        assert not np.array_equal(first.poses_V5, other.poses_V5)
        assert not np.array_equal(first.points_P3, other.points_P3)


def test_points_are_normalized_and_histograms_are_those_of_the_pictures() -> None:
    views = make_views(open_dataset([SAMPLES])[0], 0, CONFIG)
    assert views.images_VHW3.shape == (8, 32, 32, 3)
    np.testing.assert_allclose(np.linalg.norm(views.points_P3, axis=1).max(), 1, rtol=1e-6)
    np.testing.assert_allclose(views.points_P3.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_array_equal(views.histograms_VH, color_histogram(views.images_VHW3))


def test_a_pose_has_the_numbers_of_its_camera() -> None:
    view = rig("orbit8")[0]
    assert pose_of(view) == (view.azimuth, view.elevation, view.roll, view.distance, view.fov)
