"""From tokens back to points.

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
    """Gives every point the inverse-distance mean of its nearest tokens (PointNet++, eq. 2).

    Args:
        points_BN3: (B, N, 3) positions to give features to.
        centers_BG3: (B, G, 3) positions of the tokens.
        tokens_BGC: (B, G, C) features.
        token_mask_BG: (B, G) bool, True for real tokens; None when all are.
        neighbors: tokens to mix.

    Returns:
        (B, N, C) features in the dtype of the tokens.
    """
    distance_BNK, index_BNK = nearest_neighbors(points_BN3, centers_BG3, neighbors, token_mask_BG)
    weight_BNK = 1.0 / distance_BNK.square().clamp_min(1e-8)
    weight_BNK = (weight_BNK / weight_BNK.sum(dim=-1, keepdim=True)).to(tokens_BGC.dtype)
    near_BNKC = gather_points(tokens_BGC, index_BNK)
    return (weight_BNK.unsqueeze(-1) * near_BNKC).sum(dim=2)
