"""The geometry of augmentation: one linear map per cloud, its cameras turned with it, then the unit sphere.

B clouds, N points, V views, M other points
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from crossjepa.train.common.rng import CloudRng, unit_spheres


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

    def then(self, later: Placement) -> Placement:
        """Returns this placement with a later centering and scaling of the result."""
        centroid_B13 = self.centroid_B13 + self.radius_B11 * later.centroid_B13
        return Placement(self.matrix_B33, centroid_B13, self.radius_B11 * later.radius_B11)


class Augmented(NamedTuple):
    """Augmented clouds.

    Attributes:
        points_BN3: (B, N, 3) points, centroid 0, largest radius 1.
        pose_BV3: (B, V, 3) poses of the cameras that moved with the clouds.
        placement: where the same augmentation puts other points of the objects.
        mask_BN: (B, N) bool, False for points that repeat others; None if all clouds have N points.
    """

    points_BN3: Tensor
    pose_BV3: Tensor
    placement: Placement
    mask_BN: Tensor | None = None


class Motion(NamedTuple):
    """How each cloud is stretched along its axes, then mirrored, then turned about the vertical, then tilted.

    Attributes:
        stretch_B13: (B, 1, 3) factors.
        flip_B: (B,) -1 for clouds that are mirrored in x, else 1.
        angle_B: (B,) angle in radians.
        tilt_B33: (B, 3, 3) rotations of column vectors; None if no cloud is tilted.
    """

    stretch_B13: Tensor
    flip_B: Tensor
    angle_B: Tensor
    tilt_B33: Tensor | None = None

    def turn(self, points_BN3: Tensor) -> Tensor:
        """Returns the (B, N, 3) mirrored, turned and tilted points."""
        x_BN, y_BN, z_BN = points_BN3.unbind(-1)
        x_BN = x_BN * self.flip_B[:, None]
        cos_B1, sin_B1 = self.angle_B.cos()[:, None], self.angle_B.sin()[:, None]
        turned_BN3 = torch.stack([x_BN * cos_B1 + z_BN * sin_B1, y_BN, z_BN * cos_B1 - x_BN * sin_B1], dim=-1)
        return turned_BN3 if self.tilt_B33 is None else turned_BN3 @ self.tilt_B33.mT

    def turn_cameras(self, pose_BV3: Tensor) -> Tensor:
        """Returns the (B, V, 3) poses of the cameras that were mirrored, turned and tilted with the clouds.

        A camera that tilts with the object moves to another azimuth and elevation, which are given, and rolls
        about its line of sight, which a pose cannot say. So the place is true, and how far the picture leans
        is to be told from the cloud.
        """
        azimuth_BV, elevation_BV, distance_BV = pose_BV3.unbind(-1)
        azimuth_BV = azimuth_BV * self.flip_B[:, None] + self.angle_B[:, None]
        if self.tilt_B33 is not None:
            level_BV = elevation_BV.cos()
            direction = (level_BV * azimuth_BV.sin(), elevation_BV.sin(), level_BV * azimuth_BV.cos())
            x_BV, y_BV, z_BV = (torch.stack(direction, dim=-1) @ self.tilt_B33.mT).unbind(-1)
            azimuth_BV, elevation_BV = torch.atan2(x_BV, z_BV), torch.asin(y_BV.clamp(-1, 1))
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


def tilts(angle_B: Tensor, rng: CloudRng) -> Tensor:
    """Returns the (B, 3, 3) rotations of column vectors by given angles about random horizontal axes."""
    axis_B = 2 * math.pi * rng.uniform(1)[:, 0]
    x_B, z_B, zero_B = axis_B.sin(), axis_B.cos(), torch.zeros_like(axis_B)
    rows = ((zero_B, -z_B, zero_B), (z_B, zero_B, -x_B), (zero_B, x_B, zero_B))
    cross_B33 = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=1)
    sin_B11, cos_B11 = angle_B.sin()[:, None, None], angle_B.cos()[:, None, None]
    identity_33 = torch.eye(3, device=angle_B.device)
    return identity_33 + sin_B11 * cross_B33 + (1 - cos_B11) * cross_B33 @ cross_B33  # Rodrigues


def normalize(
    moved_BN3: Tensor, matrix_B33: Tensor, mask_BN: Tensor | None = None
) -> tuple[Tensor, Placement]:
    """Moves the centroid of each cloud to the origin and scales its largest radius to 1.

    Args:
        moved_BN3: (B, N, 3) points after the map.
        matrix_B33: (B, 3, 3) the map.
        mask_BN: (B, N) bool, True for points that count; None if all do.

    Returns:
        points_BN3: (B, N, 3) normalized points.
        placement: where the map and this put other points.
    """
    centroid_B13, radius_B11 = unit_spheres(moved_BN3, mask_BN)
    points_BN3 = (moved_BN3 - centroid_B13) / radius_B11
    return points_BN3, Placement(matrix_B33, centroid_B13, radius_B11)
