"""Interpolation of token features at points.

B clouds, N points, G groups, C encoder width
"""

from __future__ import annotations

from torch import Tensor

from crossjepa.ops.knn import gather_points, nearest_neighbors


def interpolate_tokens(
    points_BN3: Tensor,
    centers_BG3: Tensor,
    tokens_BGC: Tensor,
    token_mask_BG: Tensor | None = None,
    neighbors: int = 3,
) -> Tensor:
    """Interpolates features at points from their nearest tokens, weighted by inverse squared distance.

    As PointNet++ (Qi et al. 2017, eq. 2, https://arxiv.org/abs/1706.02413) propagates features.

    Args:
        points_BN3: (B, N, 3) positions to interpolate at.
        centers_BG3: (B, G, 3) positions of the tokens.
        tokens_BGC: (B, G, C) features of the tokens.
        token_mask_BG: (B, G) bool, True for real tokens; None if all tokens are real.
        neighbors: number of nearest tokens per point.

    Returns:
        (B, N, C) features, in the dtype of the tokens.
    """
    distance_BNK, index_BNK = nearest_neighbors(points_BN3, centers_BG3, neighbors, token_mask_BG)
    weight_BNK = 1.0 / distance_BNK.square().clamp_min(1e-8)
    weight_BNK = (weight_BNK / weight_BNK.sum(dim=-1, keepdim=True)).to(tokens_BGC.dtype)
    near_BNKC = gather_points(tokens_BGC, index_BNK)
    return (weight_BNK.unsqueeze(-1) * near_BNKC).sum(dim=2)
