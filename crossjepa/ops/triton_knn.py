"""Nearest neighbors as a Triton kernel, for NVIDIA GPUs.

One program per query keeps its distances to all points in registers and takes the smallest, one after the
other: no distance matrix, and ties always go to the lowest index, which torch's top-k does not promise.

B clouds, N points, Q queries, K neighbors
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from crossjepa.ops._triton import try_triton

if TYPE_CHECKING:
    import triton.language as tl

# Above, the top-k of torch is preferred, which needs no round per neighbor.
MOST_POINTS, MOST_NEIGHBORS = 4096, 64


def neighbors_with_triton(
    queries_BQ3: Tensor, points_BN3: Tensor, count: int, mask_BN: Tensor | None = None
) -> Tensor | None:
    """Finds the nearest points of every query, in order of distance, ties in order of index.

    Args:
        queries_BQ3: (B, Q, 3) float32; on a GPU (or on the CPU in Triton's interpreter).
        points_BN3: (B, N, 3) float32, 1 <= N <= `MOST_POINTS`.
        count: number of neighbors (K), at most N and `MOST_NEIGHBORS`.
        mask_BN: (B, N) bool, True for real points; None if all points are real.

    Returns:
        (B, Q, K) int64 indices; neighbors that are missing repeat the nearest. None if Triton is off, missing
        or fails, as in `crossjepa.ops.triton_fps.sample_with_triton`.
    """

    def launch() -> Tensor:
        batch, queries = queries_BQ3.shape[:2]
        points = points_BN3.shape[1]
        index_BQK = torch.empty((batch, queries, count), dtype=torch.int64, device=points_BN3.device)
        if not index_BQK.numel():
            return index_BQK
        rows_BN3 = points_BN3.contiguous()
        real_BN = rows_BN3 if mask_BN is None else mask_BN.float().contiguous()
        block = max(32, 1 << (points - 1).bit_length())
        _kernel()[(batch * queries,)](
            queries_BQ3.contiguous(), rows_BN3, real_BN, index_BQK, queries, points, count,
            masked=mask_BN is not None, block=block, num_warps=max(block // 1024, 1), enable_fp_fusion=False,
        )  # fmt: skip
        return index_BQK

    return try_triton(launch, points_BN3.get_device())


@functools.cache
def _kernel() -> Any:
    global tl
    import triton
    import triton.language as tl

    return triton.jit(_nearest, do_not_specialize=["queries", "points", "count"])


def _nearest(
    queries_ptr: tl.tensor, points_ptr: tl.tensor, real_ptr: tl.tensor, index_ptr: tl.tensor,
    queries: tl.tensor, points: tl.tensor, count: tl.tensor, masked: tl.constexpr, block: tl.constexpr,
) -> None:  # fmt: skip
    """Takes the neighbors of one query, each the lowest key (bits of its distance, index)."""
    query = tl.program_id(0).to(tl.int64)
    cloud = query // queries
    place = tl.arange(0, block)
    inside = place < points
    row_ptr = points_ptr + (cloud * points + place) * 3
    dx = tl.load(row_ptr, mask=inside, other=0.0) - tl.load(queries_ptr + query * 3)
    dy = tl.load(row_ptr + 1, mask=inside, other=0.0) - tl.load(queries_ptr + query * 3 + 1)
    dz = tl.load(row_ptr + 2, mask=inside, other=0.0) - tl.load(queries_ptr + query * 3 + 2)
    distance = (dx * dx + dy * dy) + dz * dz
    if masked:
        real = tl.load(real_ptr + cloud * points + place, mask=inside, other=0.0)
        distance = tl.where(real > 0, distance, float("inf"))
    else:
        distance = tl.where(inside, distance, float("inf"))
    key = (distance.to(tl.int32, bitcast=True).to(tl.int64) << 32) | place.to(tl.int64)
    nearest = tl.min(key, axis=0)
    for number in range(count):
        lowest = tl.min(key, axis=0)
        found = tl.where((lowest >> 32) < 0x7F800000, lowest, nearest) & 0x7FFFFFFF
        tl.store(index_ptr + query * count + number, found)
        key = tl.where(key == lowest, 0x7FFFFFFFFFFFFFFF, key)
