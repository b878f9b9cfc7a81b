"""Compares Triton kernels, in Triton's interpreter, with torch.

Run as a module with `fps` or `knn`, and with TRITON_INTERPRET=1, which Triton reads when it is imported. It
prints one line per case.

B clouds, N points, Q queries, K neighbors
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from crossjepa.ops import farthest_point_sampling
from crossjepa.ops.triton_fps import REGISTER_POINTS, sample_with_triton
from crossjepa.ops.triton_knn import neighbors_with_triton
from tests.helpers.clouds import cloud


def sample_like_torch(points_BN3: Tensor, count: int, mask_BN: Tensor | None = None) -> bool:
    """Whether both take the same points; the kernels start from torch's first."""
    expected_BG = farthest_point_sampling(points_BN3, count, mask_BN)
    x_BN, y_BN, z_BN = (plane.contiguous() for plane in points_BN3.unbind(-1))
    nearest_BN = torch.full_like(x_BN, torch.inf)
    if mask_BN is not None:
        nearest_BN = nearest_BN.masked_fill(~mask_BN, -1.0)
    before_BN = nearest_BN.clone()
    picks_BG = sample_with_triton((x_BN, y_BN, z_BN), nearest_BN, expected_BG[:, :1], count)
    assert picks_BG is not None and torch.equal(nearest_BN, before_BN)
    return picks_BG.dtype == torch.int64 and torch.equal(picks_BG, expected_BG)


def interpret_fps() -> None:
    for points in (1, 2, 31, 32, 33, 64, 100, 257, 600):
        points_BN3 = cloud(points, 3, points)
        for count in (1, 2, 24):
            print(f"{points} points, {count} picks", sample_like_torch(points_BN3, count))
        real_BN = torch.arange(points) < torch.tensor([[points], [points // 2], [0]])
        print(f"{points} points, masked at the end", sample_like_torch(points_BN3, 20, real_BN))
        some_BN = torch.rand(3, points, generator=torch.Generator().manual_seed(points)) < 0.5
        print(f"{points} points, masked anywhere", sample_like_torch(points_BN3, 20, some_BN))
        grid_BN3 = torch.randint(0, 3, (3, points, 3), generator=torch.Generator().manual_seed(1)).float()
        print(f"{points} points of a grid, with ties and copies", sample_like_torch(grid_BN3, 40))
    strided_BN3 = cloud(7, 3, 50).transpose(1, 2).contiguous().transpose(1, 2)
    print("not contiguous", sample_like_torch(strided_BN3, 10))
    print("no clouds", sample_like_torch(torch.empty(0, 20, 3), 4))
    print("no picks", sample_like_torch(cloud(1, 2, 20), 0))
    print("squares beyond float32", sample_like_torch(cloud(8, 2, 70) * 1e20, 12))
    print("squares below the normal numbers", sample_like_torch(cloud(9, 2, 70) * 1e-21, 12))
    for points in (REGISTER_POINTS, REGISTER_POINTS + 1, REGISTER_POINTS + 1500):
        points_BN3 = cloud(points, 2, points)
        print(f"{points} points", sample_like_torch(points_BN3, 5))
        real_BN = torch.arange(points) < torch.tensor([[points - 30], [4]])
        print(f"{points} points, masked", sample_like_torch(points_BN3, 8, real_BN))


def squared_distances(queries_BQ3: Tensor, points_BN3: Tensor) -> Tensor:
    """Returns (B, Q, N) squared distances, summed in the order in which the kernel sums."""
    x_BQN, y_BQN, z_BQN = (queries_BQ3[:, :, None] - points_BN3[:, None]).square().unbind(-1)
    return x_BQN + y_BQN + z_BQN


def neighbors_by_sorting(
    queries_BQ3: Tensor, points_BN3: Tensor, count: int, mask_BN: Tensor | None = None
) -> Tensor:
    """Returns the (B, Q, K) nearest points, ties in order of index; missing ones repeat the nearest."""
    distance_BQN = squared_distances(queries_BQ3, points_BN3)
    if mask_BN is not None:
        distance_BQN = distance_BQN.masked_fill(~mask_BN[:, None], torch.inf)
    sorted_BQN, index_BQN = distance_BQN.sort(dim=-1, stable=True)
    return torch.where(sorted_BQN.isinf(), index_BQN[..., :1], index_BQN)[..., :count]


def neighbors_like_sorting(
    queries_BQ3: Tensor, points_BN3: Tensor, count: int, mask_BN: Tensor | None = None
) -> bool:
    index_BQK = neighbors_with_triton(queries_BQ3, points_BN3, count, mask_BN)
    assert index_BQK is not None
    expected_BQK = neighbors_by_sorting(queries_BQ3, points_BN3, count, mask_BN)
    return index_BQK.dtype == torch.int64 and torch.equal(index_BQK, expected_BQK)


def interpret_knn() -> None:
    for points in (1, 2, 31, 32, 33, 100, 600, 1025):
        points_BN3, queries_BQ3 = cloud(points, 3, points), cloud(points + 1, 3, 5)
        for count in (1, 3, 32):
            if count <= points:
                print(f"{points} points, {count}", neighbors_like_sorting(queries_BQ3, points_BN3, count))
        count = min(points, 20)
        real_BN = torch.arange(points) < torch.tensor([[points], [points // 2], [0]])
        print(f"{points} points, masked", neighbors_like_sorting(queries_BQ3, points_BN3, count, real_BN))
        some_BN = torch.rand(3, points, generator=torch.Generator().manual_seed(points)) < 0.5
        print(f"{points} points, some", neighbors_like_sorting(queries_BQ3, points_BN3, count, some_BN))
        grid_BN3 = points_BN3.round()
        print(f"{points} points, ties", neighbors_like_sorting(grid_BN3[:, :4], grid_BN3, count))
    strided_BN3 = cloud(7, 3, 50).transpose(1, 2).contiguous().transpose(1, 2)
    print("not contiguous", neighbors_like_sorting(strided_BN3[:, ::2], strided_BN3, 10))
    print("no clouds", neighbors_like_sorting(torch.empty(0, 5, 3), torch.empty(0, 20, 3), 4))
    print("no queries", neighbors_like_sorting(torch.empty(2, 0, 3), cloud(1, 2, 20), 4))


if __name__ == "__main__":
    {"fps": interpret_fps, "knn": interpret_knn}[sys.argv[1]]()
