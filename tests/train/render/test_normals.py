"""Normals of bare clouds.

N points, K neighbors
"""

from __future__ import annotations

import numpy as np
import torch

from crossjepa.train.render.normals import estimate_normals, neighbors
from crossjepa.train.render.splat import make_splats
from tests.helpers.render_shapes import sphere_points


def test_estimated_normals_of_a_sphere() -> None:
    points_N3 = sphere_points(1024)
    cosine_N = (make_splats(points_N3).normals_N3.numpy() * points_N3).sum(axis=1) / 0.8
    assert np.abs(cosine_N).mean() > 0.98


def test_neighbors_are_the_nearest_points_itself_first() -> None:
    points_N3 = torch.from_numpy(sphere_points(300)).float()
    distance_NK, index_NK = neighbors(points_N3)
    assert torch.equal(index_NK[:, 0], torch.arange(300))
    expected_NK = torch.cdist(points_N3, points_N3).sort(dim=1).values[:, : distance_NK.shape[1]]
    torch.testing.assert_close(distance_NK, expected_NK, atol=1e-3, rtol=0)


def test_normals_of_a_line_are_undefined_and_its_axis_is_known() -> None:
    points_N3 = torch.zeros(40, 3)
    points_N3[:, 1] = torch.linspace(-0.5, 0.5, 40)
    _, axes_N3, on_line_N = estimate_normals(points_N3, neighbors(points_N3)[1])
    assert bool(on_line_N.all())
    torch.testing.assert_close(axes_N3[:, 1].abs(), torch.ones(40))
