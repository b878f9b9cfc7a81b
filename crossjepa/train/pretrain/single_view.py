"""What one or two depth cameras see of a cloud.

B clouds, P points, L = G * G cells of the camera's coarse picture
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from crossjepa.train.common.rng import CloudRng

# Side of a cell is this over the root of the number of points, in radii at the distance of the object: even
# of a surface that is large for its radius (area 6), a cell then holds about three points that face it.
CELL = 4.5
# Depth over which a surface that leans away by less than some 60 degrees stretches, in cells: over one cell,
# and over that and its neighbors, which cover up for those that happen to be empty.
TOLERANCE, WIDE_TOLERANCE = 1.5, 4.0
# Step in depth between neighboring cells that is an edge, in cells, and the share of flying pixels there.
EDGE, FLYING = 4.0, 0.1
# Half the field of view, as a tangent at distance 1: a unit sphere and what stands beside it.
HALF_WIDTH = 1.8


class Camera(NamedTuple):
    """A depth camera for each cloud, which looks at the origin.

    Attributes:
        azimuth_B: (B,) radians about the y axis; 0 looks from +z.
        elevation_B: (B,) radians above the horizon.
        distance_B: (B,) from the origin, in radii of the object.
    """

    azimuth_B: Tensor
    elevation_B: Tensor
    distance_B: Tensor

    def of(self, rows: Tensor) -> Camera:
        """Returns the cameras of some clouds."""
        return Camera(*(each_B[rows] for each_B in self))

    def axes_B33(self) -> Tensor:
        """Returns the (B, 3, 3) rows right, up and back."""
        cos_B, sin_B, zero_B = self.azimuth_B.cos(), self.azimuth_B.sin(), torch.zeros_like(self.azimuth_B)
        level_B, rise_B = self.elevation_B.cos(), self.elevation_B.sin()
        rows = (
            (cos_B, zero_B, -sin_B),
            (-rise_B * sin_B, level_B, -rise_B * cos_B),
            (level_B * sin_B, rise_B, level_B * cos_B),
        )
        return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=1)


def draw_cameras(rng: CloudRng) -> tuple[Camera, Camera]:
    """Draws two cameras for each cloud: any azimuth, level to steeply from above.

    The second is up to 90 degrees away from the first, as one who walks around the object would hold it.
    """
    azimuth_B, *first, turn_B, rise_B, far_B = rng.uniform(6).unbind(dim=1)
    azimuth_B = 2 * math.pi * azimuth_B

    def camera(azimuth_B: Tensor, elevation_B: Tensor, distance_B: Tensor) -> Camera:
        return Camera(azimuth_B, torch.deg2rad(60 * elevation_B), 2.2 + 1.8 * distance_B)

    return camera(azimuth_B, *first), camera(azimuth_B + math.pi * (turn_B - 0.5), rise_B, far_B)


def look(
    points_BP3: Tensor, camera: Camera, noise_B: Tensor, keep_BP: Tensor, rng: CloudRng
) -> tuple[Tensor, Tensor]:
    """Returns what a camera sees, by a depth test of the points against each other.

    A point is seen if none in its cell of a coarse picture, or in those around it, is much nearer. Thin parts
    whose two sides are nearer to each other than the tolerance, about a tenth of the radius at 4,096 points,
    are seen from both.

    Args:
        points_BP3: (B, P, 3) dense points.
        camera: the cameras.
        noise_B: (B,) standard deviation of the depth at the distance of the origin, see `AugmentSection`.
        keep_BP: (B, P) bool, points that are there at all.
        rng: random numbers for the noise.

    Returns:
        points_BP3: (B, P, 3) the points where the camera thinks they are.
        seen_BP: (B, P) bool, which of them are seen.
    """
    cell = CELL / math.sqrt(points_BP3.shape[1])
    grid = math.ceil(2 * HALF_WIDTH / cell)
    camera_BP3 = points_BP3 @ camera.axes_B33().mT
    distance_B1 = camera.distance_B[:, None]
    depth_BP = (distance_B1 - camera_BP3[..., 2]).clamp_min(0.1)
    ray_BP2 = camera_BP3[..., :2] / depth_BP[..., None]
    # The grid is shifted for each cloud, so that nothing is always cut at the same place.
    place_BP2 = ray_BP2 * distance_B1[..., None] / cell + grid / 2 + rng.uniform(1, 2)
    column_BP, row_BP = place_BP2.long().clamp(0, grid - 1).unbind(-1)
    cell_BP = row_BP * grid + column_BP

    hidden_BP = torch.where(keep_BP, depth_BP, torch.inf)
    near_BL = torch.full_like(depth_BP[:, :1], torch.inf).repeat(1, grid * grid)
    near_BL = near_BL.scatter_reduce(1, cell_BP, hidden_BP, "amin")
    near_B1GG = near_BL.view(-1, 1, grid, grid)
    around_BL = -F.max_pool2d(-near_B1GG, 3, stride=1, padding=1).flatten(1)
    limit_BL = torch.minimum(near_BL + TOLERANCE * cell, around_BL + WIDE_TOLERANCE * cell)
    seen_BP = keep_BP & (depth_BP <= limit_BL.gather(1, cell_BP))

    behind_B1GG = near_B1GG.masked_fill(near_B1GG.isinf(), -torch.inf)
    step_BL = F.max_pool2d(behind_B1GG, 3, stride=1, padding=1).flatten(1) - near_BL
    step_BP = step_BL.gather(1, cell_BP)
    flying_BP, share_BP = rng.uniform(2, points_BP3.shape[1]).unbind(dim=1)
    flies_BP = (step_BP > EDGE * cell) & (flying_BP < FLYING) & seen_BP
    spread_BP = noise_B[:, None] * (depth_BP / distance_B1).square()
    moved_BP = spread_BP * rng.normal(points_BP3.shape[1])
    moved_BP = moved_BP + torch.where(flies_BP, share_BP * step_BP, 0.0)
    moved_BP = torch.where(seen_BP, moved_BP, 0.0)
    # Along the line of sight, whose length is that of (x, y, 1) for a depth of 1.
    line_BP3 = torch.cat([ray_BP2, torch.full_like(ray_BP2[..., :1], -1.0)], dim=-1)
    return points_BP3 + (moved_BP[..., None] * line_BP3) @ camera.axes_B33(), seen_BP
