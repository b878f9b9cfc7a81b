"""A piece of the room in which an object stands: floor, wall, and a box beside it.

B clouds, P points
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
    count = points_BP3.shape[1]
    low_B13, high_B13 = points_BP3.amin(dim=1, keepdim=True), points_BP3.amax(dim=1, keepdim=True)
    low_B1 = low_B13[..., 1]
    extent_B1 = (high_B13 - low_B13)[..., 1]
    first_BP, second_BP, which_BP, axis_BP = rng.uniform(4, count).unbind(dim=1)
    margin_B13 = 0.3 * rng.uniform(1, 3)

    reach_BP3 = (
        low_B13
        - margin_B13
        + (high_B13 - low_B13 + 2 * margin_B13)
        * torch.stack([first_BP, torch.zeros_like(first_BP), second_BP], dim=-1)
    )
    floor_BP3 = torch.stack([reach_BP3[..., 0], low_B1.expand(-1, count), reach_BP3[..., 2]], dim=-1)

    lean_B, gap_B, width_B, height_B = rng.uniform(4).unbind(dim=1)
    away_B = toward_B + math.pi + math.radians(90) * (lean_B - 0.5)
    sin_B1, cos_B1 = away_B.sin()[:, None], away_B.cos()[:, None]
    behind_BP = points_BP3[..., 0] * sin_B1 + points_BP3[..., 2] * cos_B1
    behind_B1 = behind_BP.amax(dim=1, keepdim=True) + 0.2 * gap_B[:, None]
    beside_BP = (2 * first_BP - 1) * (0.5 + 0.6 * width_B)[:, None]
    wall_BP3 = torch.stack(
        [
            behind_B1 * sin_B1 + beside_BP * cos_B1,
            low_B1 + second_BP * extent_B1 * (0.4 + 0.8 * height_B)[:, None],
            behind_B1 * cos_B1 - beside_BP * sin_B1,
        ],
        dim=-1,
    )

    size_B13 = 0.1 + 0.3 * rng.uniform(1, 3)
    angle_B = 2 * math.pi * rng.uniform(1)[:, 0]
    center_B13 = torch.stack([angle_B.sin(), torch.zeros_like(angle_B), angle_B.cos()], dim=-1)[:, None]
    # Beyond the object's own box in that direction.
    center_B13 = center_B13 * ((high_B13 - low_B13) / 2 + size_B13) + (high_B13 + low_B13) / 2
    box_BP3 = torch.stack([2 * first_BP - 1, 2 * second_BP - 1, 2 * which_BP - 1], dim=-1)
    side_BP1 = (3 * axis_BP).long().clamp_max(2)[..., None]
    box_BP3 = box_BP3.scatter(2, side_BP1, torch.sign(box_BP3.gather(2, side_BP1)))
    box_BP3 = box_BP3 * size_B13
    box_BP3 = torch.stack(
        [
            box_BP3[..., 0] + center_B13[..., 0],
            box_BP3[..., 1] + low_B1 + size_B13[..., 1],
            box_BP3[..., 2] + center_B13[..., 2],
        ],
        dim=-1,
    )

    total_B1, floor_B1, wall_B1, box_B1, wall_there_B1, box_there_B1 = rng.uniform(6, 1).unbind(dim=1)
    wall_B1 = (0.2 + wall_B1) * (wall_there_B1 < WALL_PROBABILITY)
    box_B1 = 0.5 * (0.2 + box_B1) * (box_there_B1 < BOX_PROBABILITY)
    parts_B3 = torch.cat([0.2 + floor_B1, wall_B1, box_B1], dim=1)
    ends_B3 = (share * total_B1 * parts_B3 / parts_B3.sum(dim=1, keepdim=True)).cumsum(dim=1)
    lot_BP = rng.uniform(count)
    for end_B, there_BP3 in zip(ends_B3.flip(1).unbind(dim=1), (box_BP3, wall_BP3, floor_BP3), strict=True):
        points_BP3 = torch.where((lot_BP < end_B[:, None])[..., None], there_BP3, points_BP3)
    return points_BP3
