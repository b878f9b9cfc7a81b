"""Pictures of clouds.

V views, N points, H x W pixels
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch._subclasses.fake_tensor import FakeTensorMode

from crossjepa.train.render import View, normals, render_cloud, render_mesh, rig, splat
from crossjepa.train.render.camera import project
from crossjepa.train.render.shading import shade
from crossjepa.train.render.splat import make_splats
from tests.helpers.render_shapes import covered, sphere_mesh, sphere_points

FRONT = View(0, 0)


@pytest.mark.parametrize("count", [512, 1024, 3000])
def test_cloud_of_a_sphere_covers_the_sphere(count: int) -> None:
    views = [View(0, 0), View(130, 35)]
    mesh_VHW = covered(render_mesh(*sphere_mesh(), views, size=112))
    images_VHW3 = render_cloud(sphere_points(count), views, size=112)
    cloud_VHW = covered(images_VHW3)
    union = (mesh_VHW & cloud_VHW).sum() / (mesh_VHW | cloud_VHW).sum()
    assert union > (0.95 if count >= 1024 else 0.9)
    assert images_VHW3.shape == (2, 112, 112, 3)


@pytest.mark.parametrize("given", [False, True])
def test_light_of_a_cloud_is_that_of_the_mesh(given: bool) -> None:
    points_N3 = sphere_points(2000)
    views = [View(40, 20)]
    mesh = render_mesh(*sphere_mesh(), views, size=112)[0, 28:84, 28:84].astype(int)
    images = render_cloud(points_N3, views, size=112, normals_N3=-points_N3 if given else None)
    assert np.abs(images[0, 28:84, 28:84] - mesh).mean() < 8


def test_thin_parts_do_not_bloat() -> None:
    generator = np.random.default_rng(0)
    angle_N = generator.uniform(0, 2 * np.pi, 400)
    rod_N3 = np.stack(
        [0.04 * np.cos(angle_N), generator.uniform(-0.9, 0.9, 400), 0.04 * np.sin(angle_N)], axis=1
    )
    image_HW = covered(render_cloud(rod_N3, [View(30, 10)]))[0]
    width = image_HW[40:-40].sum(axis=1)
    assert width.min() >= 4
    assert width.mean() < 2 * 0.08 * 112


def test_discs_stay_on_the_device_of_the_points() -> None:
    """Tensors without content know their device, and refuse to meet those of another one, without a GPU."""
    with FakeTensorMode():
        points_N3 = torch.empty(100, 3, device="cuda")
        _, index_NK = normals.neighbors(points_N3)
        normals_N3, axes_N3, on_line_N = normals.estimate_normals(points_N3, index_NK)
        splats = splat.Splats(points_N3, normals_N3, axes_N3, on_line_N, points_N3[:, 0], index_NK)
        normals_N3 = splat.turned_normals(splats, points_N3)
        light_N = splat.shared_light(shade(normals_N3), normals_N3, index_NK)
        rims_NS3, fans_F3 = splat.rims(splats, normals_N3, 0.01), splat.fans(100, points_N3.device)
        image_HW = splat.cleaned(light_N[:64].expand(64, 64), 1.0)
    assert {tensor.device.type for tensor in (light_N, rims_NS3, fans_F3, image_HW)} == {"cuda"}


def test_rendering_a_cloud_is_deterministic() -> None:
    points_N3, views = sphere_points(600).astype(np.float32), rig("orbit8", 2)[:2]
    together = render_cloud(points_N3, views, size=64)
    np.testing.assert_array_equal(together, render_cloud(points_N3, views, size=64))
    np.testing.assert_array_equal(together[1:], render_cloud(points_N3, views[1:], size=64))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("apart", [False, True])
def test_few_and_coincident_points_are_seen_from_everywhere(count: int, apart: bool) -> None:
    points_N3 = np.zeros((count, 3), np.float32)
    points_N3[:, 0] = 0.4 * np.arange(count) if apart else 0.1
    views = [*rig("sphere")[::4], View(0, 0), View(90, 0), View(0, 90)]
    images_VHW3 = render_cloud(points_N3, views, size=64)
    assert covered(images_VHW3).any(axis=(1, 2)).all()
    assert covered(images_VHW3).mean() < 0.1


def test_many_coincident_points_among_others() -> None:
    points_N3 = np.concatenate([np.full((40, 3), 0.5), sphere_points(100, 0.3)]).astype(np.float16)
    assert covered(render_cloud(points_N3, [View(0, 0)], size=64)).any()


def test_given_normals_of_a_line_are_used() -> None:
    points_N3 = np.stack([np.linspace(-0.5, 0.5, 50), np.zeros(50), np.zeros(50)], axis=1)
    for normal_3 in ([0.0, 0, 1], [1.0, 0, 0]):
        splats = make_splats(points_N3, np.tile(normal_3, (50, 1)))
        np.testing.assert_allclose(splats.normals_N3.numpy(), np.tile(normal_3, (50, 1)))
        assert covered(
            render_cloud(points_N3, [View(45, 20)], size=64, normals_N3=splats.normals_N3.numpy())
        ).any()


def test_cloud_without_points_is_an_error() -> None:
    with pytest.raises(ValueError, match="without points"):
        render_cloud(np.zeros((0, 3)), [View(0, 0)])


def test_clouds_of_real_objects_are_closed(modelnet_points: NDArray[np.float32]) -> None:
    turned_S = modelnet_points[::16][..., [0, 2, 1]] * np.array([1, 1, -1], np.float32)
    for points_N3 in turned_S:
        image_HW = covered(render_cloud(points_N3, [View(30, 20)], size=64))[0]
        pixel_N2, _ = project(points_N3, View(30, 20), 64)
        column_N, row_N = np.clip(pixel_N2, 0, 63).astype(int).T
        assert image_HW[row_N, column_N].mean() > 0.85


def test_colors_of_clouds() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(800, 3))
    points *= 0.8 / np.linalg.norm(points, axis=1, keepdims=True)
    colors = np.where(points[:, :1] > 0, [[1.0, 0, 0]], [[0, 0, 1.0]])
    image = render_cloud(points, [FRONT], size=64, colors_N3=colors)[0].astype(int)
    assert (image[24:40, 40:50, 0] > image[24:40, 40:50, 2] + 60).mean() > 0.95
    assert (image[24:40, 14:24, 2] > image[24:40, 14:24, 0] + 60).mean() > 0.95
    gray = render_cloud(points, [FRONT], size=64)
    np.testing.assert_array_equal(
        gray, render_cloud(points, [FRONT], size=64, colors_N3=np.ones_like(points))
    )
