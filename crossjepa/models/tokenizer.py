"""From points to tokens: farthest point centers, nearest neighbors, mini-PointNet (Point-BERT, section 3.1).

B clouds, N points, G groups, K neighbors, M = B*G*K rows, C encoder width
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossjepa.config import EncoderConfig
from crossjepa.ops import farthest_point_sampling, gather_points, nearest_neighbors, reduce_points

HIDDEN_WIDTHS = (128, 256, 512)


class Groups(NamedTuple):
    """Local neighborhoods of a batch of clouds.

    Attributes:
        groups_BGK3: (B, G, K, 3) float32 neighbors relative to their center.
        centers_BG3: (B, G, 3) float32 centers.
        token_mask_BG: (B, G) bool, True for real groups; None if all are.
    """

    groups_BGK3: Tensor
    centers_BG3: Tensor
    token_mask_BG: Tensor | None


def group_points(points_BN3: Tensor, config: EncoderConfig, mask_BN: Tensor | None = None) -> Groups:
    """Cuts clouds into overlapping groups.

    Clouds of more than `config.num_points` points are first reduced to that many by farthest point sampling,
    since the weights know groups of that density. If a cloud has fewer points than groups, the groups that
    are left over are masked; if it has fewer points than a group has neighbors, neighbors repeat.

    Args:
        points_BN3: (B, N, 3) coordinates.
        config: number of points, groups and neighbors.
        mask_BN: (B, N) bool, True for real points; None if all are real.

    Returns:
        The groups, independent of the order of the points.
    """
    points_BN3, mask_BN = reduce_points(points_BN3.float(), config.num_points, mask_BN)
    if points_BN3.shape[1] < config.num_groups and mask_BN is None:
        mask_BN = torch.ones(points_BN3.shape[:2], dtype=torch.bool, device=points_BN3.device)
    centers_BG3 = gather_points(points_BN3, farthest_point_sampling(points_BN3, config.num_groups, mask_BN))
    _, index_BGK = nearest_neighbors(centers_BG3, points_BN3, config.group_size, mask_BN)
    groups_BGK3 = gather_points(points_BN3, index_BGK) - centers_BG3.unsqueeze(2)
    if mask_BN is None:
        return Groups(groups_BGK3, centers_BG3, None)
    group_number_G = torch.arange(config.num_groups, device=points_BN3.device)
    return Groups(groups_BGK3, centers_BG3, group_number_G < mask_BN.sum(dim=1, keepdim=True))


class PatchEmbedding(nn.Module):
    """Mini-PointNet: one token from the points of a group.

    The 512-wide layer of the original reads [maximum over the group, point]. It is kept here as its two
    halves, so that the half that is the same for all points of a group is computed once per group: the same
    function with half the work.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second, third = HIDDEN_WIDTHS
        self.point_in = nn.Linear(3, first)
        self.norm_in = nn.BatchNorm1d(first)
        self.point_out = nn.Linear(first, second)
        self.local = nn.Linear(second, third)
        self.pooled = nn.Linear(second, third, bias=False)
        self.norm_out = nn.BatchNorm1d(third)
        self.out = nn.Linear(third, width)

    def forward(self, groups_BGK3: Tensor) -> Tensor:
        """Embeds groups.

        Args:
            groups_BGK3: (B, G, K, 3) neighbors relative to their center.

        Returns:
            (B, G, C) tokens.
        """
        return self.forward_unfolded(groups_BGK3) if self.training else self._forward_folded(groups_BGK3)

    def forward_unfolded(self, groups_BGK3: Tensor) -> Tensor:
        """The layers as they are trained; arguments and result as in `forward`."""
        batch, groups, neighbors, _ = groups_BGK3.shape
        hidden_M = F.relu_(self.norm_in(self.point_in(groups_BGK3.reshape(-1, 3))))
        hidden_M = F.linear(hidden_M, self.point_out.weight)
        # Biases are added once per group, so that their gradients need no sums over all points; as in a
        # linear layer they have the precision of its product.
        point_bias = self.point_out.bias.to(hidden_M.dtype)
        pooled = _group_maximum(hidden_M, neighbors) + point_bias
        shared = self.pooled(pooled) + F.linear(point_bias, self.local.weight, self.local.bias)
        hidden = F.linear(hidden_M, self.local.weight).view(-1, neighbors, shared.shape[1])
        hidden = hidden + shared.unsqueeze(1)
        hidden_M = F.linear(F.relu_(self.norm_out(hidden.flatten(0, 1))), self.out.weight)
        tokens_BGC = _group_maximum(hidden_M, neighbors).view(batch, groups, -1)
        return tokens_BGC + self.out.bias.to(tokens_BGC.dtype)

    def _forward_folded(self, groups_BGK3: Tensor) -> Tensor:
        """The same function with the batch norms folded into the layers before them."""
        scale_in, shift_in = _affine(self.norm_in)
        scale_out, shift_out = _affine(self.norm_out)
        point_in_bias = self.point_in.bias * scale_in + shift_in
        local_bias = self.local.bias * scale_out + shift_out

        hidden_BGKH = F.linear(groups_BGK3, self.point_in.weight * scale_in[:, None], point_in_bias).relu_()
        hidden_BGKH = self.point_out(hidden_BGKH)
        shared_BGH = F.linear(hidden_BGKH.amax(dim=2), self.pooled.weight * scale_out[:, None], local_bias)
        hidden_BGKH = F.linear(hidden_BGKH, self.local.weight * scale_out[:, None])
        hidden_BGKH = (hidden_BGKH + shared_BGH.unsqueeze(2)).relu_()
        # The bias does not move the maximum, so it is added once per group.
        return F.linear(hidden_BGKH, self.out.weight).amax(dim=2) + self.out.bias


def _group_maximum(rows_M: Tensor, neighbors: int) -> Tensor:
    """Returns the maximum of each group's rows; the gradient goes to one row, so no ties are counted."""
    return rows_M.view(-1, neighbors, rows_M.shape[1]).max(dim=1).values


def _affine(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """A batch norm in evaluation mode as `scale * x + shift`."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale
