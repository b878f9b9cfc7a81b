"""Normals of bare clouds, estimated from the neighbors of every point.

N points, Q queries, K neighbors
"""

import torch
from torch import Tensor

from crossjepa.ops import nearest_neighbors

NEIGHBORS = 16
# Neighbors lie on a line if their second largest variance is below this share of the largest; they coincide
# if the largest is below the second number.
LINE_RATIO, NO_SPREAD = 0.08, 1e-12
# Repeats of the plane fit, in which only neighbors within this share of the farthest one's distance count.
REFITS, SHEET = 2, 0.25
# Rounds of smoothing: odd powers of the cosine between normals by which neighbors are weighted.
ALIKE = (3, 3, 5, 7)
QUERIES_AT_ONCE = 2048


def neighbors(points_N3: Tensor) -> tuple[Tensor, Tensor]:
    """Finds the nearest points of every point, itself first.

    Returns:
        distance_NK: (N, K) distances, ascending.
        index_NK: (N, K) int64 numbers of the points.
    """
    parts = [
        nearest_neighbors(part_Q3[None], points_N3[None], NEIGHBORS)
        for part_Q3 in torch.split(points_N3, QUERIES_AT_ONCE)
    ]
    distance_NK, index_NK = (torch.cat(part, dim=1)[0] for part in zip(*parts, strict=True))
    return distance_NK, index_NK


def estimate_normals(points_N3: Tensor, index_NK: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fits a plane to the neighbors of every point.

    Args:
        points_N3: (N, 3) points.
        index_NK: (N, K) int64 nearest points.

    Returns:
        normals_N3: (N, 3) unit normals of either sign, smoothed over neighbors.
        axes_N3: (N, 3) unit directions of the largest spread, 0 if all neighbors coincide.
        on_line_N: (N,) bool, True if the spread has at most one direction, so that the normal is undefined.
    """
    offset_NK3 = points_N3[index_NK] - points_N3[:, None]
    weight_NK = torch.ones_like(offset_NK3[..., 0])
    spread_N3, frame_N33 = _principal_axes(offset_NK3, weight_NK)
    axes_N3 = torch.where(spread_N3[:, 2:] > NO_SPREAD, frame_N33[:, :, 2], 0.0)
    on_line_N = spread_N3[:, 1] <= LINE_RATIO * spread_N3[:, 2] + NO_SPREAD
    for _ in range(REFITS):
        height_NK = (offset_NK3 @ frame_N33[:, :, :1])[..., 0]
        scale_N1 = SHEET * offset_NK3.norm(dim=2).amax(dim=1, keepdim=True).clamp_min(1e-6)
        _, frame_N33 = _principal_axes(offset_NK3, torch.exp(-((height_NK / scale_N1) ** 2)))
    normals_N3 = frame_N33[:, :, 0]
    for power in ALIKE:
        near_NK3 = normals_N3[index_NK]
        alike_NK1 = near_NK3 @ normals_N3.unsqueeze(2)
        # An odd power of the cosine turns the neighbor's normal to this side and lets creases stand.
        normals_N3 = torch.nn.functional.normalize((alike_NK1**power * near_NK3).sum(dim=1), dim=1)
    return normals_N3, axes_N3, on_line_N


def _principal_axes(offset_NK3: Tensor, weight_NK: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the spreads (N, 3), ascending, and as columns (N, 3, 3) their directions."""
    weight_NK1 = (weight_NK / weight_NK.sum(dim=1, keepdim=True)).unsqueeze(2)
    centered_NK3 = offset_NK3 - (weight_NK1 * offset_NK3).sum(dim=1, keepdim=True)
    spread_N3, frame_N33 = torch.linalg.eigh(centered_NK3.mT @ (weight_NK1 * centered_NK3))
    return spread_N3, frame_N33
