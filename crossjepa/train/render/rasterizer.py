"""Z-buffer rasterizer in plain torch, without a loop over triangles.

V vertices, F faces, R (triangle, row) pairs, M covered samples, H x W pixels

Two facts make it fast. The part of a triangle on a row of pixels is an interval whose ends are known exactly,
so samples are enumerated without testing any that lie outside. And the inverse depth of a plane is linear in
the image, so a sample costs one multiply-add; the nearest one wins by a maximum over (inverse depth, face).
"""

from __future__ import annotations

import torch
from torch import Tensor


def rasterize(pixel_V2: Tensor, depth_V: Tensor, faces_F3: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Finds the nearest face at every pixel centre, whichever side of it is seen.

    Args:
        pixel_V2: (V, 2) projected vertices, x to the right and y down, in pixels.
        depth_V: (V,) depth of the vertices; faces with a vertex at or behind the camera are left out.
        faces_F3: (F, 3) int64 vertex numbers.
        size: pixels of a side.

    Returns:
        depth_HW: (H, W) float32 depth, inf where there is nothing.
        face_HW: (H, W) int64 face numbers, -1 where there is nothing.
    """
    pixel_V2, depth_V = pixel_V2.double(), depth_V.double()
    number_F, planes_F33, inverse_F3, low_F, high_F = _visible_faces(pixel_V2, depth_V, faces_F3, size)
    rows_F = (high_F - low_F + 1).long()
    face_R, step_R = _ragged_range(rows_F)
    row_R = low_F[face_R] + step_R
    slope_R3, offset_R3 = planes_F33[face_R, :, 0], planes_F33[face_R, :, 1]
    offset_R3 = offset_R3 * (row_R + 0.5)[:, None] + planes_F33[face_R, :, 2]
    first_R, count_R = _spans(slope_R3, offset_R3, size)

    inverse_R3 = inverse_F3[face_R]
    slope_R = (slope_R3 * inverse_R3).sum(dim=1)
    start_R = (offset_R3 * inverse_R3).sum(dim=1) + slope_R * (first_R + 0.5)
    span_M, step_M = _ragged_range(count_R)
    inverse_M = (start_R.float()[span_M] + slope_R.float()[span_M] * step_M).clamp_min_(1e-9)
    index_M = (row_R * size + first_R).long()[span_M] + step_M

    # The bits of positive floats sort like the floats; the low half breaks ties by face number.
    key_M = (inverse_M.view(torch.int32).long() << 32) | number_F[face_R][span_M]
    nearest = torch.zeros(size * size, dtype=torch.int64, device=key_M.device)
    nearest.scatter_reduce_(0, index_M, key_M, "amax")
    face = torch.where(nearest > 0, nearest & 0xFFFFFFFF, -1)
    inverse = (nearest >> 32).int().view(torch.float32)
    depth = torch.where(nearest > 0, 1.0 / inverse, torch.inf)
    return depth.view(size, size), face.view(size, size)


def _visible_faces(
    pixel_V2: Tensor, depth_V: Tensor, faces_F3: Tensor, size: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Keeps the faces that can cover a pixel centre.

    Returns:
        Their numbers (F,), barycentric coordinates as affine functions of the pixel (F, 3, 3), the inverse
        depths of the corners (F, 3), and the first and last row (F,).
    """
    x_F3, y_F3 = pixel_V2[faces_F3].unbind(-1)
    depth_F3 = depth_V[faces_F3]
    area_F = (x_F3[:, 1] - x_F3[:, 0]) * (y_F3[:, 2] - y_F3[:, 0])
    area_F = area_F - (x_F3[:, 2] - x_F3[:, 0]) * (y_F3[:, 1] - y_F3[:, 0])
    low_F = (y_F3.amin(dim=1) - 0.5).ceil().clamp(0, size)
    high_F = (y_F3.amax(dim=1) - 0.5).floor().clamp(-1, size - 1)
    kept_F = (area_F.abs() > 1e-9) & (depth_F3 > 1e-3).all(dim=1) & (high_F >= low_F)
    number_F = kept_F.nonzero()[:, 0]
    x_F3, y_F3, area_F = x_F3[number_F], y_F3[number_F], area_F[number_F]
    after, before = [1, 2, 0], [2, 0, 1]
    planes_F33 = torch.stack(
        [
            y_F3[:, after] - y_F3[:, before],
            x_F3[:, before] - x_F3[:, after],
            x_F3[:, after] * y_F3[:, before] - x_F3[:, before] * y_F3[:, after],
        ],
        dim=-1,
    )
    planes_F33 = planes_F33 / area_F[:, None, None]
    return number_F, planes_F33, 1.0 / depth_F3[number_F], low_F[number_F], high_F[number_F]


def _spans(slope_R3: Tensor, offset_R3: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Where on its row all three barycentric coordinates are non-negative: first pixel and count."""
    crossing_R3 = -offset_R3 / slope_R3
    empty_R3 = (slope_R3 == 0) & (offset_R3 < 0)
    low_R3 = torch.where(slope_R3 > 0, crossing_R3, torch.where(empty_R3, torch.inf, -torch.inf))
    high_R3 = torch.where(slope_R3 < 0, crossing_R3, torch.inf)
    first_R = (low_R3.amax(dim=1) - 0.5).ceil().clamp(0, size)
    last_R = (high_R3.amin(dim=1) - 0.5).floor().clamp(-1, size - 1)
    return first_R, (last_R - first_R + 1).clamp_min(0).long()


def _ragged_range(count_R: Tensor) -> tuple[Tensor, Tensor]:
    """For counts (2, 3): owners (0, 0, 1, 1, 1) and steps (0, 1, 0, 1, 2)."""
    owner_M = torch.repeat_interleave(torch.arange(len(count_R), device=count_R.device), count_R)
    start_R = torch.cumsum(count_R, dim=0) - count_R
    return owner_M, torch.arange(len(owner_M), device=count_R.device) - start_R[owner_M]
