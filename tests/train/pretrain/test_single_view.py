"""What depth cameras see of a cloud.

N points
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from crossjepa.train.common.rng import CloudRng
from crossjepa.train.pretrain.single_view import Camera, draw_cameras, look
from crossjepa.train.render import View

COUNT = 4096


def rng(seed: int = 0, clouds: int = 1) -> CloudRng:
    return CloudRng([np.random.default_rng([seed, cloud]) for cloud in range(clouds)])


def camera(azimuth: float, elevation: float, distance: float = 3.0) -> Camera:
    return Camera(
        *(torch.tensor([value]) for value in (math.radians(azimuth), math.radians(elevation), distance))
    )


def seen(points_N3: Tensor, at: Camera, noise: float = 0.0) -> tuple[Tensor, Tensor]:
    keep_1N = torch.ones(1, len(points_N3), dtype=torch.bool)
    points_1N3, seen_1N = look(points_N3[None], at, torch.tensor([noise]), keep_1N, rng())
    return points_1N3[0], seen_1N[0]


def sphere() -> Tensor:
    vector_N3 = torch.from_numpy(np.random.default_rng(0).normal(size=(COUNT, 3))).float()
    return torch.nn.functional.normalize(vector_N3, dim=-1)


def test_cameras_are_those_of_the_renderer() -> None:
    for azimuth, elevation in ((0, 0), (90, 0), (30, 50), (250, -10)):
        axes_33 = camera(azimuth, elevation).axes_B33()[0].double().numpy()
        np.testing.assert_allclose(axes_33, View(azimuth, elevation).rotation(), atol=1e-6)


def test_the_near_half_of_a_sphere_is_seen() -> None:
    points_N3 = sphere()
    for azimuth, elevation in ((0, 0), (40, 30)):
        at = camera(azimuth, elevation)
        _, seen_N = seen(points_N3, at)
        # The horizon of a sphere is where the normal is perpendicular to the line of sight.
        facing_N = points_N3 @ at.axes_B33()[0, 2] - 1 / 3
        assert seen_N[facing_N > 0.3].float().mean() > 0.98
        assert seen_N[facing_N < -0.3].float().mean() < 0.02


def test_a_wall_hides_what_is_behind_it() -> None:
    place_N2 = torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, (COUNT, 2))).float()
    depth_N1 = torch.where(torch.arange(COUNT)[:, None] % 2 == 0, 0.3, -0.3)
    points_N3 = torch.cat([place_N2, depth_N1], dim=1)
    for azimuth, sign in ((0, 1), (180, -1)):
        _, seen_N = seen(points_N3, camera(azimuth, 0))
        near_N = sign * points_N3[:, 2] > 0
        inner_N = points_N3[:, :2].abs().amax(dim=1) < 0.35
        assert seen_N[near_N].all()
        assert not seen_N[~near_N & inner_N].any()


def test_points_that_are_not_there_hide_nothing() -> None:
    points_N3 = sphere()
    front_N = points_N3[:, 2] > 0
    _, seen_1N = look(points_N3[None], camera(0, 0), torch.zeros(1), ~front_N[None], rng())
    assert not seen_1N[0][front_N].any()
    assert seen_1N[0][points_N3[:, 2] < -0.5].float().mean() > 0.98


def test_noise_is_along_the_line_of_sight_and_grows_with_depth() -> None:
    points_N3 = sphere()
    at = camera(20, 10)
    place_3 = 3.0 * at.axes_B33()[0, 2]
    still_N3, _ = seen(points_N3, at)
    moved_N3, seen_N = seen(points_N3, at, noise=0.02)
    changed_N3 = (moved_N3 - still_N3)[seen_N]
    ray_N3 = points_N3[seen_N] - place_3
    assert torch.linalg.cross(changed_N3, ray_N3).abs().max() < 1e-5
    depth_N = -(ray_N3 @ at.axes_B33()[0, 2])
    shift_N = changed_N3 @ at.axes_B33()[0, 2]
    near_N = depth_N < depth_N.median()
    assert torch.equal(moved_N3[~seen_N], points_N3[~seen_N])
    assert shift_N[near_N].std() < shift_N[~near_N].std()
    assert math.isclose(float((shift_N / (depth_N / 3) ** 2).std()), 0.02, rel_tol=0.1)


def test_flying_pixels_lie_between_the_surfaces_of_an_edge() -> None:
    """A small plate before a large wall: some of its rim, and nothing else, trails towards the wall."""
    place_N2 = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (COUNT, 2))).float()
    is_plate_N = torch.arange(COUNT) % 2 == 0
    place_N2[is_plate_N] *= 0.4
    points_N3 = torch.cat([place_N2, torch.where(is_plate_N, 0.4, -0.4)[:, None]], dim=1)
    moved_N3, seen_N = seen(points_N3, camera(0, 0))
    flew_N = (moved_N3 - points_N3).norm(dim=1) > 1e-3
    assert 5 < flew_N.sum() < 0.1 * COUNT
    assert (flew_N & ~seen_N).sum() == 0
    assert is_plate_N[flew_N].all()
    assert points_N3[flew_N, :2].abs().amax(dim=1).min() > 0.4 - 3 * 4.5 / math.sqrt(COUNT)
    assert moved_N3[flew_N, 2].min() >= -0.4 - 1e-4
    assert moved_N3[flew_N, 2].max() <= 0.4


def test_cameras_look_from_all_sides_and_never_from_below() -> None:
    first, second = draw_cameras(rng(clouds=500))
    for one in (first, second):
        assert one.elevation_B.min() >= 0
        assert one.elevation_B.max() <= math.radians(60.01)
        assert 2.2 <= one.distance_B.min() <= one.distance_B.max() <= 4.0
    assert ((second.azimuth_B - first.azimuth_B).abs() <= math.pi / 2).all()
    quarters = (first.azimuth_B % (2 * math.pi) // (math.pi / 2)).long().bincount(minlength=4)
    assert quarters.min() > 90
