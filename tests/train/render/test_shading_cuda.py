"""Pictures of meshes from a GPU are those of the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.datasets.sample import Sample
from crossjepa.io import Appearance, Mesh, read
from crossjepa.train.render.views import RenderConfig, make_views
from tests.helpers.cuda import DEVICE, FILES, ON_DEVICE
from tests.helpers.render_shapes import sphere_mesh

pytestmark = ON_DEVICE
CONFIG = RenderConfig(image_size=96, stored_points=256)


def assert_alike(found: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    """Nearly all values are equal; at an edge, another rounding may show another face."""
    assert found.shape == expected.shape
    assert float((found == expected).mean()) > 0.999
    assert float(np.abs(found.astype(int) - expected).mean()) < 0.02


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_sample_file(path: Path) -> None:
    sample = Sample(read(path), path.stem)
    found, expected = (make_views(sample, 3, CONFIG, device) for device in (DEVICE, "cpu"))
    assert_alike(found.images_VHW3, expected.images_VHW3)
    assert np.array_equal(found.points_P3, expected.points_P3)
    assert np.array_equal(found.poses_V5, expected.poses_V5)
    assert np.abs(found.histograms_VH - expected.histograms_VH).max() < 1e-3
    assert found.depth_VSS is not None and expected.depth_VSS is not None
    same = np.isinf(found.depth_VSS) == np.isinf(expected.depth_VSS)
    assert float(same.mean()) > 0.999
    both = np.isfinite(found.depth_VSS) & np.isfinite(expected.depth_VSS)
    assert float((np.abs(found.depth_VSS[both] - expected.depth_VSS[both]) < 1e-4).mean()) > 0.999


@pytest.mark.parametrize("holes", [False, True])
def test_textures_and_holes(holes: bool) -> None:
    vertices_P3, faces_F3 = sphere_mesh(rows=24)
    generator = np.random.default_rng(0)
    texels_HW4 = generator.integers(0, 256, (32, 16, 4), dtype=np.uint8)
    texels_HW4[..., 3] = np.where(generator.random((32, 16)) < 0.3, 0, 255) if holes else 255
    appearance = Appearance(
        colors_F33=generator.random((len(faces_F3), 3, 3)).astype(np.float32),
        uv_F32=generator.random((len(faces_F3), 3, 2)).astype(np.float32),
        texture_F=(np.arange(len(faces_F3)) % 3 - 1).clip(-1, 0),
        textures=(texels_HW4,),
    )
    sample = Sample(Mesh(vertices_P3, faces_F3, appearance=appearance), "sphere")
    found, expected = (make_views(sample, 0, CONFIG, device) for device in (DEVICE, "cpu"))
    # Where levels of a texture or texels meet, the rounding decides.
    difference = np.abs(found.images_VHW3.astype(int) - expected.images_VHW3)
    assert float((difference <= 1).mean()) > 0.995
    assert float(difference.mean()) < 0.1
