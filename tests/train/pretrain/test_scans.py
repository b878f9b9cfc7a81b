"""Clouds as scanners give them: sizes, order of the steps, and poses that stay true.

B clouds, P stored points, N points
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from crossjepa.train.common.rng import CloudRng
from crossjepa.train.pretrain.augment_config import AugmentSection
from crossjepa.train.pretrain.placement import Augmented
from crossjepa.train.pretrain.scans import Scanner, first_of, scan
from crossjepa.train.render import View
from crossjepa.train.render.camera import project

CLOUDS, STORED, COUNT, FEWEST = 16, 1024, 128, 16
EVERY = {f"{name}_probability": 1.0 for name in AugmentSection().probabilities}


def rng(salt: int) -> CloudRng:
    return CloudRng([np.random.default_rng([salt, cloud]) for cloud in range(CLOUDS)])


def stored() -> Tensor:
    """Boxes, whose points have sides."""
    points_BP3 = torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (CLOUDS, STORED, 3))).float()
    side_BP1 = torch.arange(STORED).expand(CLOUDS, -1)[..., None] % 3
    points_BP3 = points_BP3.scatter(2, side_BP1, points_BP3.gather(2, side_BP1).sign())
    points_BP3 = points_BP3 - points_BP3.mean(dim=1, keepdim=True)
    return torch.div(points_BP3, points_BP3.norm(dim=-1).amax(dim=1)[:, None, None])


def scanned(options: dict[str, float], even: bool = False) -> Augmented:
    pose_BV3 = torch.tensor([[[0.7, 0.35, 3.0], [3.0, 0.1, 3.0]]]).repeat(CLOUDS, 1, 1)
    scanner = Scanner(AugmentSection(**options), rng(1), "cpu")
    return scan(stored(), pose_BV3, COUNT, even, FEWEST, rng(0), scanner, 0.15, 0.0).finish()


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("options", [EVERY, *({name: 1.0} for name in EVERY)])
def test_clouds_are_normalized_by_what_is_left_of_them(even: bool, options: dict[str, float]) -> None:
    augmented = scanned(options, even)
    assert augmented.points_BN3.shape == (CLOUDS, COUNT, 3)
    assert torch.isfinite(augmented.points_BN3).all()
    mask_BN = augmented.mask_BN
    if mask_BN is None:
        mask_BN = torch.ones(CLOUDS, COUNT, dtype=torch.bool)
    assert mask_BN.sum(dim=1).min() >= FEWEST
    for points_N3, mask_N in zip(augmented.points_BN3, mask_BN, strict=True):
        torch.testing.assert_close(points_N3[mask_N].mean(dim=0), torch.zeros(3), rtol=0, atol=1e-5)
        torch.testing.assert_close(points_N3[mask_N].norm(dim=1).max(), torch.tensor(1.0))


@pytest.mark.parametrize(
    "options",
    [
        {"stretch_probability": 1.0},
        {"tilt_probability": 1.0, "dropout_global_probability": 1.0},
        {"dropout_local_probability": 1.0, "density_probability": 1.0},
        {"outlier_probability": 1.0, "background_probability": 1.0, "clutter_probability": 1.0},
    ],
)
def test_other_points_of_an_object_follow_its_cloud(options: dict[str, float]) -> None:
    """Points of the object itself are among the other points as the placement puts them."""
    augmented = scanned(options)
    there_BP3 = augmented.placement.apply(stored())
    distance_BNP = torch.cdist(augmented.points_BN3, there_BP3, compute_mode="donot_use_mm_for_euclid_dist")
    distance_BN = distance_BNP.amin(dim=-1)
    share = 0.3 if "outlier_probability" in options else 1.0
    assert (distance_BN < 1e-4).float().mean() >= share


@pytest.mark.parametrize("name", ["stretch", "tilt"])
def test_a_camera_sees_a_tilted_cloud_as_it_saw_the_upright_one(name: str) -> None:
    """Up to a roll about the line of sight: distances from the middle of the picture, and depths, stay."""
    options = {"tilt_probability": 1.0, "tilt": 60.0} if name == "tilt" else {"stretch_probability": 0.0}
    pose_BV3 = torch.tensor([[[0.7, 0.35, 3.0]]]).repeat(CLOUDS, 1, 1)
    scanner = Scanner(AugmentSection(**options), rng(1), "cpu")
    augmented = scan(stored(), pose_BV3, COUNT, False, FEWEST, rng(0), scanner, 0.0, 0.0).finish()
    before = View(math.degrees(0.7), math.degrees(0.35), distance=3.0)
    points_BP3 = stored()
    turned_BP3 = points_BP3 @ augmented.placement.matrix_B33
    rolls = []
    for cloud in range(CLOUDS):
        azimuth, elevation, distance = augmented.pose_BV3[cloud, 0].tolist()
        after = View(math.degrees(azimuth), math.degrees(elevation), distance=distance)
        pixel_P2, depth_P = project(points_BP3[cloud].double().numpy(), before, 2)
        turned_P2, turned_depth_P = project(turned_BP3[cloud].double().numpy(), after, 2)
        np.testing.assert_allclose(turned_depth_P, depth_P, atol=1e-5)
        old, new = (np.stack([p[:, 0] - 1, p[:, 1] - 1], axis=1) for p in (pixel_P2, turned_P2))
        np.testing.assert_allclose(np.linalg.norm(new, axis=1), np.linalg.norm(old, axis=1), atol=1e-5)
        # The orthogonal map between the pictures: a roll, and for mirrored clouds a reflection.
        u, _, v = np.linalg.svd(old.T @ new)
        np.testing.assert_allclose(old @ u @ v, new, atol=1e-5)
        rolls.append(math.degrees(math.acos(min(1.0, abs((u @ v)[1, 1])))))
    assert max(rolls) > 10 if name == "tilt" else max(rolls) < 0.1


def test_tilts_are_bounded_and_stretches_differ_by_axis() -> None:
    upright_B33 = scanned({"tilt_probability": 1.0}).placement.matrix_B33
    up_B3 = torch.nn.functional.normalize(upright_B33[:, 1], dim=-1)
    angle_B = torch.rad2deg(torch.acos(up_B3[:, 1].clamp(-1, 1)))
    assert 15 < angle_B.max() <= 30.01
    length_B3 = scanned({"stretch_probability": 1.0}).placement.matrix_B33.norm(dim=-1)
    assert 0.5 - 1e-5 <= length_B3.min() < 0.65
    assert 1.6 < length_B3.max() <= 2 + 1e-5
    assert (length_B3.amax(dim=1) / length_B3.amin(dim=1)).median() > 1.4


def test_which_clouds_are_concerned_does_not_depend_on_other_options() -> None:
    alone = Scanner(AugmentSection(tilt_probability=0.5), rng(1), "cpu").rows["tilt"]
    together = Scanner(AugmentSection(**{**EVERY, "tilt_probability": 0.5}), rng(1), "cpu").rows["tilt"]
    assert torch.equal(alone, together)
    assert 0 < len(alone) < CLOUDS


def test_clouds_of_one_view_lose_a_side() -> None:
    """Of a box, a camera sees at most three of the six sides."""
    scanner = Scanner(AugmentSection(single_view_probability=1.0, second_view=0.0), rng(1), "cpu")
    chosen = scanner.choose(stored(), STORED, STORED, FEWEST)
    points_BP3 = chosen.points_BM3
    for points_P3, real in zip(points_BP3, chosen.real_B1[:, 0].tolist(), strict=True):
        assert real < 0.75 * STORED
        assert real >= FEWEST
        assert len(points_P3) == STORED


def test_the_first_points_to_keep_are_taken() -> None:
    points_BP3 = torch.arange(6.0).view(1, 6, 1).expand(2, 6, 3)
    keep_BP = torch.tensor([[0, 1, 0, 1, 1, 1], [0, 0, 1, 0, 0, 0]]) == 1
    chosen = first_of(points_BP3, keep_BP, torch.tensor([[3], [3]]), 5, 2)
    # Of the second cloud less than two points are left, so that all of it is taken.
    assert chosen.points_BM3[..., 0].tolist() == [[1, 3, 4, 1, 3], [0, 1, 2, 0, 1]]
    assert chosen.mask_BM.tolist() == [[True] * 3 + [False] * 2] * 2
    longer = first_of(points_BP3, keep_BP, torch.tensor([[8], [8]]), 8, 1)
    assert longer.points_BM3[..., 0].tolist() == [[1, 3, 4, 5, 1, 3, 4, 5], [2] * 8]
    assert longer.real_B1.tolist() == [[4], [1]]
