"""Rigs and projection.

V vertices
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from crossjepa.train.render import RIGS, rig
from crossjepa.train.render.camera import Projection, project
from tests.helpers.render_shapes import sphere_mesh


@pytest.mark.parametrize(
    ("name", "views", "lowest", "highest"),
    [
        ("r2n2", 24, 25, 30),
        ("disn", 36, 20, 30),
        ("mvcnn12", 12, 30, 30),
        ("sphere", 20, -90, 90),
        ("orbit8", 8, 5, 40),
    ],
)
def test_rigs(name: str, views: int, lowest: float, highest: float) -> None:
    cameras = rig(name, seed=4)
    assert len(cameras) == views
    assert all(0 <= view.azimuth < 360 and lowest <= view.elevation <= highest for view in cameras)
    assert all(view.roll == 0 for view in cameras)
    # In the picture, the unit sphere is as large as or smaller than the frame, but for the nearest of R2N2.
    fits = [view.distance * math.sin(math.radians(view.fov / 2)) for view in cameras]
    assert (0.94 if name in ("r2n2", "disn") else 0.95) <= min(fits) <= max(fits) <= 1.46
    assert cameras == rig(name, seed=4)
    assert (cameras == rig(name, seed=5)) == (name in ("mvcnn12", "sphere"))
    for view in cameras:
        np.testing.assert_allclose(view.rotation() @ view.rotation().T, np.eye(3), atol=1e-12)
        assert np.linalg.norm(view.position()) == pytest.approx(view.distance)


def test_rigs_are_spread_out() -> None:
    assert np.ptp([view.elevation for view in rig("sphere")]) > 120
    for name, gap in (("disn", 20), ("mvcnn12", 30), ("orbit8", 75)):
        azimuth = np.sort([view.azimuth for view in rig(name, seed=1)])
        assert np.diff(np.append(azimuth, azimuth[0] + 360)).max() <= gap + 1e-9


def test_unknown_rig_lists_the_known() -> None:
    with pytest.raises(ValueError, match="unknown rig 'none'") as raised:
        rig("none")
    assert all(name in str(raised.value) for name in RIGS)


def test_every_view_is_projected_as_alone() -> None:
    vertices_P3, _ = sphere_mesh(rows=6)
    views = rig("orbit8")[:3]
    seen = Projection.of(vertices_P3, views, 64)
    assert (seen.views, seen.samples) == (views, 64)
    for view, pixel_P2, depth_P in zip(views, seen.pixel_BP2, seen.depth_BP, strict=True):
        expected_P2, expected_P = project(vertices_P3, view, 64)
        np.testing.assert_array_equal(pixel_P2.numpy(), expected_P2)
        np.testing.assert_array_equal(depth_P.numpy(), expected_P)
