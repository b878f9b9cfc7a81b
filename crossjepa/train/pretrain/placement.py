"""The geometry of augmentation: one linear map per cloud, its cameras turned with it, then the unit sphere.

B clouds, N points, V views, M other points
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from crossjepa.train.common.rng import CloudRng


class Placement(NamedTuple):
    """Where augmentation puts the points of each object, without the noise of those that were sampled.

    Attributes:
        matrix_B33: (B, 3, 3) map of row vectors: stretched, mirrored and turned.
        centroid_B13: (B, 1, 3) centroid of the augmented cloud, after the map.
        radius_B11: (B, 1, 1) its largest radius.
    """

    matrix_B33: Tensor
    centroid_B13: Tensor
    radius_B11: Tensor

    def apply(self, points_BM3: Tensor) -> Tensor:
        """Returns where other (B, M, 3) points of the objects, as stored, are in the augmented clouds."""
        return (points_BM3 @ self.matrix_B33 - self.centroid_B13) / self.radius_B11


class Motion(NamedTuple):
    """How each cloud is stretched along its axes, then mirrored, then turned about the vertical.

    Attributes:
        stretch_B13: (B, 1, 3) factors.
        flip_B: (B,) -1 for clouds that are mirrored in x, else 1.
        angle_B: (B,) angle in radians.
    """

    stretch_B13: Tensor
    flip_B: Tensor
    angle_B: Tensor

    def turn(self, points_BN3: Tensor) -> Tensor:
        """Returns the (B, N, 3) mirrored and turned points."""
        x_BN, y_BN, z_BN = points_BN3.unbind(-1)
        x_BN = x_BN * self.flip_B[:, None]
        cos_B1, sin_B1 = self.angle_B.cos()[:, None], self.angle_B.sin()[:, None]
        return torch.stack([x_BN * cos_B1 + z_BN * sin_B1, y_BN, z_BN * cos_B1 - x_BN * sin_B1], dim=-1)

    def turn_cameras(self, pose_BV3: Tensor) -> Tensor:
        """Returns the (B, V, 3) poses of the cameras that were mirrored and turned with the clouds."""
        azimuth_BV, elevation_BV, distance_BV = pose_BV3.unbind(-1)
        azimuth_BV = azimuth_BV * self.flip_B[:, None] + self.angle_B[:, None]
        return torch.stack([azimuth_BV, elevation_BV, distance_BV], dim=-1)

    @property
    def matrix_B33(self) -> Tensor:
        """(B, 3, 3) map of row vectors."""
        return self.turn(torch.diag_embed(self.stretch_B13[:, 0]))


def draw_motion(rng: CloudRng, scale_range: float) -> Motion:
    """Draws a motion for each cloud: any angle, every other cloud mirrored.

    Args:
        rng: random numbers, on the device of the points.
        scale_range: each axis is scaled by 1 - range to 1 + range.
    """
    angle_B, flip_B = rng.uniform(2).unbind(dim=1)
    angle_B, flip_B = 2 * math.pi * angle_B, torch.where(flip_B < 0.5, -1.0, 1.0)
    return Motion(1 + scale_range * (2 * rng.uniform(1, 3) - 1), flip_B, angle_B)


def normalize(moved_BN3: Tensor, matrix_B33: Tensor) -> tuple[Tensor, Placement]:
    """Moves the centroid of each cloud to the origin and scales its largest radius to 1.

    Args:
        moved_BN3: (B, N, 3) points after the map.
        matrix_B33: (B, 3, 3) the map.

    Returns:
        points_BN3: (B, N, 3) normalized points.
        placement: where the map and this put other points.
    """
    centroid_B13 = moved_BN3.mean(dim=1, keepdim=True)
    centered_BN3 = moved_BN3 - centroid_B13
    radius_B11 = centered_BN3.norm(dim=-1).amax(dim=1)[:, None, None].clamp_min(1e-6)
    return torch.div(centered_BN3, radius_B11), Placement(matrix_B33, centroid_B13, radius_B11)
