"""Augmentations of clouds that keep the poses of their views true.

B clouds, N points, P stored points, V views
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from crossjepa.ops import farthest_point_sampling, gather_points


def draw_points(
    stored_BP3: Tensor, count: int, generator: torch.Generator, even_probability: float
) -> Tensor:
    """Draws points from those stored, at random or, for some batches, evenly spread.

    Scans and files with more points than the network takes are reduced by farthest point sampling, so the
    encoder must know that kind of cloud too.

    Args:
        stored_BP3: (B, P, 3) points uniform by area, in random order.
        count: points to draw (N).
        generator: source of randomness.
        even_probability: probability that this batch is a farthest point sample of twice as many points.

    Returns:
        (B, N, 3) points.
    """
    even = torch.rand((), generator=generator).item() < even_probability
    drawn = 2 * count if even else count
    start_B1 = torch.randint(stored_BP3.shape[1], (len(stored_BP3), 1), generator=generator)
    points_BM3 = gather_points(stored_BP3, (start_B1 + torch.arange(drawn)) % stored_BP3.shape[1])
    return gather_points(points_BM3, farthest_point_sampling(points_BM3, count)) if even else points_BM3


def augment(
    points_BN3: Tensor, azimuth_BV: Tensor, generator: torch.Generator, scale_range: float, jitter: float
) -> tuple[Tensor, Tensor]:
    """Turns and mirrors clouds together with the cameras, stretches them a little, and normalises again.

    Args:
        points_BN3: (B, N, 3) points, y up.
        azimuth_BV: (B, V) azimuth of the cameras in radians.
        generator: source of randomness.
        scale_range: each axis is scaled by 1 - range to 1 + range.
        jitter: standard deviation of the noise, in radii.

    Returns:
        points_BN3: (B, N, 3) augmented, centroid 0, largest radius 1.
        azimuth_BV: (B, V) azimuth from which the cameras see the same image.
    """
    batch = len(points_BN3)
    angle_B = 2 * math.pi * torch.rand(batch, generator=generator)
    flip_B = torch.where(torch.rand(batch, generator=generator) < 0.5, -1.0, 1.0)
    scale_B13 = 1 + scale_range * (2 * torch.rand(batch, 1, 3, generator=generator) - 1)
    points_BN3 = points_BN3 * scale_B13
    points_BN3 = points_BN3 + jitter * torch.randn(points_BN3.shape, generator=generator)
    x_BN, y_BN, z_BN = points_BN3.unbind(-1)
    x_BN = x_BN * flip_B[:, None]
    cos_B1, sin_B1 = angle_B.cos()[:, None], angle_B.sin()[:, None]
    turned_BN3 = torch.stack([x_BN * cos_B1 + z_BN * sin_B1, y_BN, z_BN * cos_B1 - x_BN * sin_B1], dim=-1)
    return normalize_batch(turned_BN3), azimuth_BV * flip_B[:, None] + angle_B[:, None]


def normalize_batch(points_BN3: Tensor) -> Tensor:
    """Moves each centroid to the origin and scales each largest radius to 1."""
    points_BN3 = points_BN3 - points_BN3.mean(dim=1, keepdim=True)
    radius_B11 = points_BN3.norm(dim=-1).amax(dim=1)[:, None, None].clamp_min(1e-6)
    return torch.div(points_BN3, radius_B11)
