"""Vertices as several cameras see them.

B views, P vertices
"""

from __future__ import annotations

import numpy as np

from crossjepa.train.render import rig
from crossjepa.train.render.camera import project
from crossjepa.train.render.projection import Projection
from tests.helpers.render_shapes import sphere_mesh


def test_every_view_is_projected_as_alone() -> None:
    vertices_P3, _ = sphere_mesh(rows=6)
    views = rig("orbit8")[:3]
    seen = Projection.of(vertices_P3, views, 64)
    assert (seen.views, seen.samples) == (views, 64)
    for view, pixel_P2, depth_P in zip(views, seen.pixel_BP2, seen.depth_BP, strict=True):
        expected_P2, expected_P = project(vertices_P3, view, 64)
        np.testing.assert_array_equal(pixel_P2.numpy(), expected_P2)
        np.testing.assert_array_equal(depth_P.numpy(), expected_P)
