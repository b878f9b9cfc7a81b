"""Augmentations of clouds that keep the poses of their views true.

B clouds, N points, P stored points, V views
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from crossjepa.ops import farthest_point_sampling, gather_points
from crossjepa.train.common.rng import CloudRng, normalize_batch


def sample_points(stored_BP3: Tensor, count: int, rng: CloudRng, even: bool) -> Tensor:
    """Samples points from those stored, at random or evenly spread.

    Scans and files with more points than the network takes are reduced by farthest point sampling, so the
    encoder must know that kind of cloud too.

    Args:
        stored_BP3: (B, P, 3) points uniform by area, in random order.
        count: points to sample (N).
        rng: random numbers, on the device of the points.
        even: whether to take a farthest point sample of twice as many points.

    Returns:
        (B, N, 3) points.
    """
    sampled = 2 * count if even else count
    start_B1 = (rng.uniform(1) * stored_BP3.shape[1]).long()
    index_BM = (start_B1 + torch.arange(sampled, device=start_B1.device)) % stored_BP3.shape[1]
    points_BM3 = gather_points(stored_BP3, index_BM)
    return gather_points(points_BM3, farthest_point_sampling(points_BM3, count)) if even else points_BM3


def augment(
    points_BN3: Tensor, azimuth_BV: Tensor, rng: CloudRng, scale_range: float, jitter: float
) -> tuple[Tensor, Tensor]:
    """Turns and mirrors clouds together with the cameras, stretches them a little, and normalizes again.

    The teacher's picture stays the same. It is what the turned cameras see of a turned cloud. Of a mirrored
    cloud they see its mirror image, except that the light comes from the same side as before: the teacher's
    embedding of the picture stands for that of its mirror image.

    Args:
        points_BN3: (B, N, 3) points, y up.
        azimuth_BV: (B, V) azimuth of the cameras in radians.
        rng: random numbers, on the device of the points.
        scale_range: each axis is scaled by 1 - range to 1 + range.
        jitter: standard deviation of the noise, in radii.

    Returns:
        points_BN3: (B, N, 3) augmented, centroid 0, largest radius 1.
        azimuth_BV: (B, V) azimuth of the cameras that were turned and mirrored with the clouds, in radians.
    """
    angle_B, flip_B = rng.uniform(2).unbind(dim=1)
    angle_B, flip_B = 2 * math.pi * angle_B, torch.where(flip_B < 0.5, -1.0, 1.0)
    points_BN3 = points_BN3 * (1 + scale_range * (2 * rng.uniform(1, 3) - 1))
    points_BN3 = points_BN3 + jitter * rng.normal(*points_BN3.shape[1:])
    x_BN, y_BN, z_BN = points_BN3.unbind(-1)
    x_BN = x_BN * flip_B[:, None]
    cos_B1, sin_B1 = angle_B.cos()[:, None], angle_B.sin()[:, None]
    turned_BN3 = torch.stack([x_BN * cos_B1 + z_BN * sin_B1, y_BN, z_BN * cos_B1 - x_BN * sin_B1], dim=-1)
    return normalize_batch(turned_BN3), azimuth_BV * flip_B[:, None] + angle_B[:, None]
