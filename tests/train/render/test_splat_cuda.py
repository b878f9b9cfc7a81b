"""Pictures of bare clouds from a GPU are those of the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from crossjepa.datasets.sample import Sample
from crossjepa.io import Mesh, PointCloud, read
from crossjepa.processor import sample_mesh
from crossjepa.train.render.views import RenderConfig, make_views
from tests.helpers.cuda import DEVICE, FILES, ON_DEVICE

pytestmark = ON_DEVICE
CONFIG = RenderConfig(image_size=96, stored_points=256, rig="mvcnn12")


@pytest.mark.parametrize("count", [3, 200, 4000])
@pytest.mark.parametrize("colored", [False, True])
def test_a_cloud(count: int, colored: bool) -> None:
    mesh = read(FILES[-2])
    assert isinstance(mesh, Mesh)
    points_N3 = sample_mesh(mesh, count)
    colors_N3 = np.random.default_rng(0).random((count, 3)).astype(np.float32) if colored else None
    sample = Sample(PointCloud(points_N3, colors_N3=colors_N3), "cloud")
    found, expected = (make_views(sample, 0, CONFIG, device) for device in (DEVICE, "cpu"))
    # Where discs cut each other, the rounding of their normals decides which is seen.
    difference = np.abs(found.images_VHW3.astype(int) - expected.images_VHW3)
    assert float((difference <= 2).mean()) > 0.99
    assert float(difference.mean()) < 0.5
    assert np.array_equal(found.points_P3, expected.points_P3)
    assert found.depth_VSS is not None and expected.depth_VSS is not None
    assert float((np.isinf(found.depth_VSS) == np.isinf(expected.depth_VSS)).mean()) > 0.99
