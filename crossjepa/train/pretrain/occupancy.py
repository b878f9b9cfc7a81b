"""Where a cloud's points are, coarsely: a target that keeps the pose, which losses on whole objects forget.

B clouds, N points, K nodes along an axis, L = K * K * K nodes
"""

from __future__ import annotations

import torch
from torch import Tensor


def occupancy(points_BN3: Tensor, nodes: int) -> Tensor:
    """Returns how much of each cloud lies around each node of a coarse grid over the cube from -1 to 1.

    A point counts for the eight nodes around it, the more the nearer they are (trilinear weights), so that
    the values change smoothly as points move.

    Args:
        points_BN3: (B, N, 3) points in the unit sphere.
        nodes: nodes along each axis (K), at least 2.

    Returns:
        (B, L) float32 square roots of the shares of the points, scaled so that points that are spread evenly
        over all nodes give 1.
    """
    points_BN3 = points_BN3.float()
    grid_K = torch.linspace(-1, 1, nodes, device=points_BN3.device)
    spacing = 2 / (nodes - 1)
    weights_BN3K = (1 - (points_BN3[..., None] - grid_K).abs() / spacing).clamp_min(0)
    x_BNK, y_BNK, z_BNK = weights_BN3K.unbind(dim=2)
    xy_BNK2 = (x_BNK[..., None] * y_BNK[..., None, :]).flatten(2)
    share_BL = (xy_BNK2.transpose(1, 2) @ z_BNK).flatten(1) / points_BN3.shape[1]
    return (share_BL * nodes**3).sqrt()
