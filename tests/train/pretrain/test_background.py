"""The room around an object: floor, wall and box.

P points
"""

from __future__ import annotations

import math

import numpy as np
import torch

from crossjepa.train.common.rng import CloudRng
from crossjepa.train.pretrain.background import put_in_room

CLOUDS, COUNT = 60, 2000


def test_the_room_is_below_behind_and_beside() -> None:
    generators = [np.random.default_rng([1, cloud]) for cloud in range(CLOUDS)]
    # Half a unit cube, whose floor is known.
    points_BP3 = torch.from_numpy(np.random.default_rng(0).uniform(-0.5, 0.5, (CLOUDS, COUNT, 3))).float()
    toward_B = torch.linspace(0, 2 * math.pi, CLOUDS)
    there_BP3 = put_in_room(points_BP3, toward_B, 0.5, CloudRng(generators))
    changed_BP = (there_BP3 != points_BP3).any(dim=-1)
    share_B = changed_BP.float().mean(dim=1)
    assert share_B.max() <= 0.5 + 0.05
    assert 0.15 < share_B.mean() < 0.35
    low_B1 = points_BP3[..., 1].amin(dim=1, keepdim=True)
    assert (there_BP3[..., 1] >= low_B1 - 1e-5).all(), "nothing is below the floor"
    floor_BP = changed_BP & (there_BP3[..., 1] == low_B1)
    assert (floor_BP.sum(dim=1) > 0).float().mean() > 0.9
    # Some of it is under the box.
    assert (there_BP3[floor_BP].abs()[:, [0, 2]] <= 0.5 + 0.3 + 1e-3).float().mean() > 0.95
    # Away from the camera and above the floor there is a wall in half of the rooms.
    away_B = toward_B + math.pi
    away_BP = there_BP3[..., 0] * away_B.sin()[:, None] + there_BP3[..., 2] * away_B.cos()[:, None]
    raised_BP = changed_BP & ~floor_BP & (there_BP3[..., 1] > low_B1 + 0.9)
    walls_B = raised_BP.sum(dim=1) > 3
    assert 0.08 < walls_B.float().mean() < 0.5, "those that are higher than the object's top, nearly"
    mean_B = (away_BP * raised_BP).sum(dim=1) / raised_BP.sum(dim=1).clamp_min(1)
    assert (mean_B[walls_B] > 0).all()
    assert there_BP3.norm(dim=-1).max() < 2.5


def test_no_share_changes_nothing() -> None:
    points_BP3 = torch.randn(2, 50, 3)
    rng = CloudRng([np.random.default_rng(cloud) for cloud in range(2)])
    assert torch.equal(put_in_room(points_BP3, torch.zeros(2), 0.0, rng), points_BP3)
