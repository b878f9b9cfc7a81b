"""A piece of the room in which an object stands: floor, wall, and a box beside it.

B clouds, P points, S pieces of the room
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from crossjepa.train.common.rng import CloudRng

WALL_PROBABILITY, BOX_PROBABILITY = 0.5, 0.4


def put_in_room(points_BP3: Tensor, toward_B: Tensor, share: float, rng: CloudRng) -> Tensor:
    """Puts some of the points on a floor, a wall behind the object, and a box beside it.

    As in room scans that are cut by a box around the object, the floor reaches a little farther than the
    object, and the wall is as wide as that.

    Args:
        points_BP3: (B, P, 3) objects with their center near the origin, y up, points in random order.
        toward_B: (B,) azimuth in radians of the direction away from which the wall is.
        share: largest share of the points to put there.
        rng: random numbers, on the device of the points.

    Returns:
        (B, P, 3) points.
    """
    low_B13, high_B13 = points_BP3.amin(dim=1, keepdim=True), points_BP3.amax(dim=1, keepdim=True)
    places_BP4 = rng.uniform(4, points_BP3.shape[1]).mT
    floor_BP3 = _floor(low_B13, high_B13, places_BP4, rng)
    wall_BP3 = _wall(points_BP3, low_B13, high_B13, toward_B, places_BP4, rng)
    box_BP3 = _box(low_B13, high_B13, places_BP4, rng)

    total_B1, floor_B1, wall_B1, box_B1, wall_there_B1, box_there_B1 = rng.uniform(6, 1).unbind(dim=1)
    wall_B1 = (0.2 + wall_B1) * (wall_there_B1 < WALL_PROBABILITY)
    box_B1 = 0.5 * (0.2 + box_B1) * (box_there_B1 < BOX_PROBABILITY)
    parts_BS = torch.cat([0.2 + floor_B1, wall_B1, box_B1], dim=1)
    ends_BS = (share * total_B1 * parts_BS / parts_BS.sum(dim=1, keepdim=True)).cumsum(dim=1)
    lot_BP = rng.uniform(points_BP3.shape[1])
    for end_B, piece_BP3 in zip(ends_BS.flip(1).unbind(dim=1), (box_BP3, wall_BP3, floor_BP3), strict=True):
        points_BP3 = torch.where((lot_BP < end_B[:, None])[..., None], piece_BP3, points_BP3)
    return points_BP3


def _floor(low_B13: Tensor, high_B13: Tensor, places_BP4: Tensor, rng: CloudRng) -> Tensor:
    """Returns (B, P, 3) points under the object and up to 0.3 beyond it."""
    margin_B13 = 0.3 * rng.uniform(1, 3)
    size_B13 = high_B13 - low_B13 + 2 * margin_B13
    area_BP3 = low_B13 - margin_B13 + size_B13 * places_BP4[..., [0, 0, 1]]
    height_BP = low_B13[..., 1].expand_as(area_BP3[..., 1])
    return torch.stack([area_BP3[..., 0], height_BP, area_BP3[..., 2]], dim=-1)


def _wall(
    points_BP3: Tensor,
    low_B13: Tensor,
    high_B13: Tensor,
    toward_B: Tensor,
    places_BP4: Tensor,
    rng: CloudRng,
) -> Tensor:
    """Returns (B, P, 3) points of an upright wall behind the object, up to 45 degrees askew."""
    lean_B, gap_B, width_B, height_B = rng.uniform(4).unbind(dim=1)
    away_B = toward_B + math.pi + math.radians(90) * (lean_B - 0.5)
    sin_B1, cos_B1 = away_B.sin()[:, None], away_B.cos()[:, None]
    depth_BP = points_BP3[..., 0] * sin_B1 + points_BP3[..., 2] * cos_B1
    behind_B1 = depth_BP.amax(dim=1, keepdim=True) + 0.2 * gap_B[:, None]
    beside_BP = (2 * places_BP4[..., 0] - 1) * (0.5 + 0.6 * width_B)[:, None]
    height_B1 = (high_B13 - low_B13)[..., 1] * (0.4 + 0.8 * height_B)[:, None]
    return torch.stack(
        [
            behind_B1 * sin_B1 + beside_BP * cos_B1,
            low_B13[..., 1] + places_BP4[..., 1] * height_B1,
            behind_B1 * cos_B1 - beside_BP * sin_B1,
        ],
        dim=-1,
    )


def _box(low_B13: Tensor, high_B13: Tensor, places_BP4: Tensor, rng: CloudRng) -> Tensor:
    """Returns (B, P, 3) points on the six sides of a box that stands beside the object."""
    size_B13 = 0.1 + 0.3 * rng.uniform(1, 3)
    angle_B = 2 * math.pi * rng.uniform(1)[:, 0]
    beside_B3 = torch.stack([angle_B.sin(), torch.zeros_like(angle_B), angle_B.cos()], dim=-1)
    middle_B13 = (high_B13 + low_B13) / 2 + beside_B3[:, None] * ((high_B13 - low_B13) / 2 + size_B13)
    side_BP1 = (3 * places_BP4[..., 3:]).long().clamp_max(2)
    box_BP3 = 2 * places_BP4[..., :3] - 1
    box_BP3 = size_B13 * box_BP3.scatter(2, side_BP1, box_BP3.gather(2, side_BP1).sign())
    on_floor_B13 = torch.stack(
        [middle_B13[..., 0], low_B13[..., 1] + size_B13[..., 1], middle_B13[..., 2]], dim=-1
    )
    return box_BP3 + on_floor_B13
