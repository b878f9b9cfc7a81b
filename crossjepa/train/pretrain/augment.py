"""Augmentations of clouds that keep the poses of their views true.

B clouds, N points, P stored points, V views
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from crossjepa.ops import farthest_point_sampling, gather_points


class Draws:
    """Random numbers for a batch, a generator a cloud, so that they do not depend on who else is in it.

    Args:
        generators: one a cloud.
        device: where the numbers are wanted. They are drawn on the CPU, so that they are the same everywhere.
    """

    def __init__(self, generators: Sequence[np.random.Generator], device: torch.device | str = "cpu") -> None:
        self.generators, self.device = generators, device

    def on(self, device: torch.device | str) -> Draws:
        """Returns further numbers of the same generators on another device."""
        return Draws(self.generators, device)

    def uniform(self, *shape: int) -> Tensor:
        """Returns (B, *shape) float32 in [0, 1)."""
        return self._stack([generator.random(shape, np.float32) for generator in self.generators])

    def normal(self, *shape: int) -> Tensor:
        """Returns (B, *shape) float32 with mean 0 and deviation 1."""
        return self._stack([generator.standard_normal(shape, np.float32) for generator in self.generators])

    def _stack(self, parts: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(parts)).to(self.device)


def draw_points(stored_BP3: Tensor, count: int, draws: Draws, even: bool) -> Tensor:
    """Draws points from those stored, at random or evenly spread.

    Scans and files with more points than the network takes are reduced by farthest point sampling, so the
    encoder must know that kind of cloud too.

    Args:
        stored_BP3: (B, P, 3) points uniform by area, in random order.
        count: points to draw (N).
        draws: source of randomness, on the device of the points.
        even: whether to take a farthest point sample of twice as many points.

    Returns:
        (B, N, 3) points.
    """
    drawn = 2 * count if even else count
    start_B1 = (draws.uniform(1) * stored_BP3.shape[1]).long()
    index_BM = (start_B1 + torch.arange(drawn, device=start_B1.device)) % stored_BP3.shape[1]
    points_BM3 = gather_points(stored_BP3, index_BM)
    return gather_points(points_BM3, farthest_point_sampling(points_BM3, count)) if even else points_BM3


def augment(
    points_BN3: Tensor, azimuth_BV: Tensor, draws: Draws, scale_range: float, jitter: float
) -> tuple[Tensor, Tensor]:
    """Turns and mirrors clouds together with the cameras, stretches them a little, and normalises again.

    The picture that the teacher saw stays what it was. Of a turned cloud the cameras see that picture. Of a
    mirrored one they see its mirror image, but for the light, which comes from the same side as before: the
    teacher's embedding of the picture stands for that of its mirror image.

    Args:
        points_BN3: (B, N, 3) points, y up.
        azimuth_BV: (B, V) azimuth of the cameras in radians.
        draws: source of randomness, on the device of the points.
        scale_range: each axis is scaled by 1 - range to 1 + range.
        jitter: standard deviation of the noise, in radii.

    Returns:
        points_BN3: (B, N, 3) augmented, centroid 0, largest radius 1.
        azimuth_BV: (B, V) azimuth of the cameras that were turned and mirrored with the clouds, in radians.
    """
    angle_B, flip_B = draws.uniform(2).unbind(dim=1)
    angle_B, flip_B = 2 * math.pi * angle_B, torch.where(flip_B < 0.5, -1.0, 1.0)
    points_BN3 = points_BN3 * (1 + scale_range * (2 * draws.uniform(1, 3) - 1))
    points_BN3 = points_BN3 + jitter * draws.normal(*points_BN3.shape[1:])
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
