"""Nearest neighbors, by the full distance matrix and top-k.

B clouds, N points, Q queries, K neighbors, C channels
"""

from __future__ import annotations

import torch
from torch import Tensor


def gather_points(values_BNC: Tensor, index: Tensor) -> Tensor:
    """Gathers rows of each cloud.

    Args:
        values_BNC: (B, N, C) values.
        index: (B, ...) int64 row numbers.

    Returns:
        (B, ..., C) the gathered rows.
    """
    batch, width = values_BNC.shape[0], values_BNC.shape[-1]
    flat_BM1 = index.reshape(batch, -1, 1).expand(-1, -1, width)
    return values_BNC.gather(1, flat_BM1).reshape(*index.shape, width)


def nearest_neighbors(
    queries_BQ3: Tensor, points_BN3: Tensor, count: int, mask_BN: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Finds the nearest points of every query, in order of distance.

    If a cloud has fewer than `count` real points, the rest of the row repeats the nearest one, which leaves
    any maximum over the neighbors unchanged.

    Args:
        queries_BQ3: (B, Q, 3) positions of the queries.
        points_BN3: (B, N, 3) points to search, N >= 1.
        count: number of neighbors; K = min(count, N).
        mask_BN: (B, N) bool, True for real points; None if all points are real.

    Returns:
        distance_BQK: (B, Q, K) Euclidean distances.
        index_BQK: (B, Q, K) int64 indices into the points.
    """
    # By differences: the matrix-product form loses digits for clouds far from the origin.
    distance_BQN = torch.cdist(queries_BQ3, points_BN3, compute_mode="donot_use_mm_for_euclid_dist")
    if mask_BN is not None:
        distance_BQN = distance_BQN.masked_fill(~mask_BN[:, None, :], torch.inf)
    distance_BQK, index_BQK = distance_BQN.topk(min(count, points_BN3.shape[1]), dim=-1, largest=False)
    if mask_BN is not None:
        missing_BQK = torch.isinf(distance_BQK)
        index_BQK = torch.where(missing_BQK, index_BQK[..., :1], index_BQK)
        distance_BQK = torch.where(missing_BQK, distance_BQK[..., :1], distance_BQK)
    return distance_BQK, index_BQK
