"""Farthest point sampling as Triton kernels, for NVIDIA GPUs.

The picks are those of `crossjepa.ops.farthest_point_sampling` in torch, exactly: the same sums in the same
order, without fused multiply-adds, ties to the lowest index. Clouds of at most `REGISTER_POINTS` points take
one launch, in which each keeps its coordinates in registers; larger ones take one launch per pick. Nothing
waits for the device, so that calls can be captured in a CUDA graph after a first call, which compiles the
kernels.

Triton comes with torch's CUDA builds for Linux. It is imported at the first call, never with crossjepa.

B clouds, N points, G sampled points
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from crossjepa.ops._triton import try_triton

if TYPE_CHECKING:
    import triton.language as tl

REGISTER_POINTS = 8192
_CHUNK = 1024  # points per program where a cloud is split


def sample_with_triton(
    planes: tuple[Tensor, Tensor, Tensor], nearest_BN: Tensor, start_B1: Tensor, count: int
) -> Tensor | None:
    """Continues farthest point sampling from a first point.

    Args:
        planes: x, y and z, each (B, N) float32, contiguous; on a GPU (or on the CPU in Triton's interpreter).
        nearest_BN: (B, N) float32, contiguous, inf for points that may be taken and -1 for those that are
            masked; not changed.
        start_B1: (B, 1) int64 index of the first point.
        count: number of points to take (G), with the first.

    Returns:
        (B, G) int64 indices; None if the environment variable CROSSJEPA_TRITON is 0, or if Triton is missing
        or has failed, which is logged once.
    """
    if count <= 1 or not len(start_B1):
        return start_B1.repeat(1, count)
    launch = _in_one_launch if nearest_BN.shape[1] <= REGISTER_POINTS else _round_by_round
    return try_triton(lambda: launch(planes, nearest_BN, start_B1, count), nearest_BN.get_device())


def _in_one_launch(
    planes: tuple[Tensor, Tensor, Tensor], nearest_BN: Tensor, start_B1: Tensor, count: int
) -> Tensor:
    picks_BG = start_B1.repeat(1, count)
    batch, points = nearest_BN.shape
    block = max(32, 1 << (points - 1).bit_length())
    _kernels()[0][(batch,)](
        *planes, nearest_BN, picks_BG, points, count,
        block=block, num_warps=min(max(block // 256, 1), 32), enable_fp_fusion=False,
    )  # fmt: skip
    return picks_BG


def _round_by_round(
    planes: tuple[Tensor, Tensor, Tensor], nearest_BN: Tensor, start_B1: Tensor, count: int
) -> Tensor:
    nearest_BN = nearest_BN.clone()
    batch, points = nearest_BN.shape
    keys_BG = torch.full((batch, count), torch.iinfo(torch.int64).min, device=nearest_BN.device)
    keys_BG[:, :1] = 0x7FFFFFFF - start_B1
    launch = _kernels()[1][(batch, -(-points // _CHUNK))]
    for number in range(1, count):
        launch(
            *planes, nearest_BN, keys_BG, points, count, number,
            block=_CHUNK, num_warps=4, enable_fp_fusion=False,
        )  # fmt: skip
    return 0x7FFFFFFF - (keys_BG & 0x7FFFFFFF)


@functools.cache
def _kernels() -> tuple[Any, Any]:
    global tl
    import triton
    import triton.language as tl

    # Without specialization on sizes there is one compilation per block, not one per divisibility of them.
    sizes = ["points", "count", "number"]
    return triton.jit(_sample, do_not_specialize=sizes[:2]), triton.jit(_round, do_not_specialize=sizes)


# In both kernels a point competes with the key (bits of its distance, 0x7FFFFFFF - index): the bits of floats
# are ordered as the floats if these are not negative, -1 is below them, and of equal distances the lowest
# index wins. Places behind the last point hold -1, so that every point comes before them.


def _sample(
    x_ptr: tl.tensor, y_ptr: tl.tensor, z_ptr: tl.tensor, nearest_ptr: tl.tensor, picks_ptr: tl.tensor,
    points: tl.tensor, count: tl.tensor, block: tl.constexpr,
) -> None:  # fmt: skip
    """Takes all points of one cloud; picks_ptr holds the first."""
    cloud = tl.program_id(0).to(tl.int64)
    place = tl.arange(0, block)
    inside = place < points
    x_ptr += cloud * points
    y_ptr += cloud * points
    z_ptr += cloud * points
    picks_ptr += cloud * count
    x = tl.load(x_ptr + place, mask=inside, other=0.0)
    y = tl.load(y_ptr + place, mask=inside, other=0.0)
    z = tl.load(z_ptr + place, mask=inside, other=0.0)
    nearest = tl.load(nearest_ptr + cloud * points + place, mask=inside, other=-1.0)
    chosen = tl.load(picks_ptr)
    for number in range(1, count):
        dx = x - tl.load(x_ptr + chosen)
        dy = y - tl.load(y_ptr + chosen)
        dz = z - tl.load(z_ptr + chosen)
        distance = (dx * dx + dy * dy) + dz * dz
        nearest = tl.minimum(nearest, distance, propagate_nan=tl.PropagateNan.ALL)
        key = (nearest.to(tl.int32, bitcast=True).to(tl.int64) << 32) | (0x7FFFFFFF - place).to(tl.int64)
        chosen = 0x7FFFFFFF - (tl.max(key, axis=0) & 0x7FFFFFFF)
        tl.store(picks_ptr + number, chosen)


def _round(
    x_ptr: tl.tensor, y_ptr: tl.tensor, z_ptr: tl.tensor, nearest_ptr: tl.tensor, keys_ptr: tl.tensor,
    points: tl.tensor, count: tl.tensor, number: tl.tensor, block: tl.constexpr,
) -> None:  # fmt: skip
    """Takes one point per cloud: every program offers the best of its chunk."""
    cloud = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * block + tl.arange(0, block)
    inside = place < points
    x_ptr += cloud * points
    y_ptr += cloud * points
    z_ptr += cloud * points
    nearest_ptr += cloud * points
    keys_ptr += cloud * count + number
    chosen = 0x7FFFFFFF - (tl.load(keys_ptr - 1) & 0x7FFFFFFF)
    dx = tl.load(x_ptr + place, mask=inside, other=0.0) - tl.load(x_ptr + chosen)
    dy = tl.load(y_ptr + place, mask=inside, other=0.0) - tl.load(y_ptr + chosen)
    dz = tl.load(z_ptr + place, mask=inside, other=0.0) - tl.load(z_ptr + chosen)
    distance = (dx * dx + dy * dy) + dz * dz
    nearest = tl.load(nearest_ptr + place, mask=inside, other=-1.0)
    nearest = tl.minimum(nearest, distance, propagate_nan=tl.PropagateNan.ALL)
    tl.store(nearest_ptr + place, nearest, mask=inside)
    key = (nearest.to(tl.int32, bitcast=True).to(tl.int64) << 32) | (0x7FFFFFFF - place).to(tl.int64)
    tl.atomic_max(keys_ptr, tl.max(key, axis=0), sem="relaxed")
