"""Where a cloud's points are, coarsely: a target that keeps the pose, which losses on whole objects forget.

B clouds, N points, G tokens, C channels, K nodes along an axis, L = K * K * K nodes
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class OccupancyLoss(nn.Module):
    """Smooth L1 between the first channels of the mean token and the `occupancy` of the cloud.

    It is not the paper's.

    Args:
        nodes: nodes of the grid along each axis (K), at least 2.
        beta: error from which the loss grows linearly.
    """

    def __init__(self, nodes: int, beta: float) -> None:
        super().__init__()
        self.nodes, self.beta = nodes, beta

    def forward(self, tokens_BGC: Tensor, points_BN3: Tensor) -> Tensor:
        """Returns the mean over clouds and nodes."""
        occupancy_BL = occupancy(points_BN3, self.nodes)
        mean_BL = tokens_BGC.mean(dim=1, dtype=torch.float32)[:, : occupancy_BL.shape[1]]
        return F.smooth_l1_loss(mean_BL, occupancy_BL, beta=self.beta)


def occupancy(points_BN3: Tensor, nodes: int) -> Tensor:
    """Returns how much of each cloud lies around each node of a coarse grid over the cube from -1 to 1.

    A point counts for the eight nodes around it, the more the nearer they are (trilinear weights), so that
    the values change smoothly as points move.

    Args:
        points_BN3: (B, N, 3) points in the unit sphere.
        nodes: nodes along each axis (K), at least 2.

    Returns:
        (B, L) float32 square roots of the shares of the points, scaled so that points spread evenly over all
        nodes give 1.
    """
    points_BN3 = points_BN3.float()
    grid_K = torch.linspace(-1, 1, nodes, device=points_BN3.device)
    spacing = 2 / (nodes - 1)
    weights_BN3K = (1 - (points_BN3[..., None] - grid_K).abs() / spacing).clamp_min(0)
    x_BNK, y_BNK, z_BNK = weights_BN3K.unbind(dim=2)
    xy_BNK2 = (x_BNK[..., None] * y_BNK[..., None, :]).flatten(2)
    share_BL = (xy_BNK2.transpose(1, 2) @ z_BNK).flatten(1) / points_BN3.shape[1]
    return (share_BL * nodes**3).sqrt()
