"""Nearest neighbors, by the full distance matrix and top-k; on NVIDIA GPUs by a Triton kernel.

B clouds, N points, Q queries, K neighbors, C channels
"""

from __future__ import annotations

import torch
from torch import Tensor

from crossjepa.ops.triton_knn import MOST_NEIGHBORS, MOST_POINTS, neighbors_with_triton


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
    count = min(count, points_BN3.shape[1])
    if queries_BQ3.device.type == "cuda" and not torch.compiler.is_exporting():
        index_BQK = _find_operator(queries_BQ3.detach(), points_BN3.detach(), count, mask_BN)
        difference_BQK3 = queries_BQ3.unsqueeze(2) - gather_points(points_BN3, index_BQK)
        return torch.linalg.vector_norm(difference_BQK3, dim=-1), index_BQK
    # By differences: the matrix-product form loses digits for clouds far from the origin.
    distance_BQN = torch.cdist(queries_BQ3, points_BN3, compute_mode="donot_use_mm_for_euclid_dist")
    return _take_nearest(distance_BQN, count, mask_BN)


def _take_nearest(distance_BQN: Tensor, count: int, mask_BN: Tensor | None) -> tuple[Tensor, Tensor]:
    if mask_BN is not None:
        distance_BQN = distance_BQN.masked_fill(~mask_BN[:, None, :], torch.inf)
    distance_BQK, index_BQK = distance_BQN.topk(count, dim=-1, largest=False)
    if mask_BN is not None:
        missing_BQK = torch.isinf(distance_BQK)
        index_BQK = torch.where(missing_BQK, index_BQK[..., :1], index_BQK)
        distance_BQK = torch.where(missing_BQK, distance_BQK[..., :1], distance_BQK)
    return distance_BQK, index_BQK


def _find_on_gpu(
    queries_BQ3: Tensor, points_BN3: Tensor, count: int, mask_BN: Tensor | None = None
) -> Tensor:
    """Returns the (B, Q, K) int64 indices of the nearest points."""
    is_small = points_BN3.shape[1] <= MOST_POINTS and count <= MOST_NEIGHBORS
    if is_small and queries_BQ3.dtype == points_BN3.dtype == torch.float32:
        index_BQK = neighbors_with_triton(queries_BQ3, points_BN3, count, mask_BN)
        if index_BQK is not None:
            return index_BQK
    # torch.cdist in this mode starts one block of threads per pair of points on a GPU.
    distance_BQN = torch.zeros((), device=points_BN3.device)
    for query_BQ, point_BN in zip(queries_BQ3.unbind(-1), points_BN3.unbind(-1), strict=True):
        distance_BQN = (query_BQ.unsqueeze(2) - point_BN.unsqueeze(1)).square_().add_(distance_BQN)
    return _take_nearest(distance_BQN, count, mask_BN)[1]


# An operator, so that `torch.compile` and tensors without content do not look inside.
_find_operator = torch.library.custom_op("crossjepa::nearest_points", mutates_args=())(_find_on_gpu)


@_find_operator.register_fake
def _(queries_BQ3: Tensor, points_BN3: Tensor, count: int, mask_BN: Tensor | None = None) -> Tensor:
    return queries_BQ3.new_empty((*queries_BQ3.shape[:2], count), dtype=torch.int64)
