"""Z-buffer rasterizer in plain torch, without a loop over triangles or views.

B views, V vertices, F faces, T (view, face) pairs, R (triangle, row) pairs, M covered samples, H x W pixels

Two facts make it fast. The part of a triangle on a row of pixels is an interval whose ends are known exactly,
so samples are enumerated without testing any that lie outside. And the inverse depth of a plane is linear in
the image, so a sample costs one multiply-add; the nearest one wins by a maximum over (inverse depth, face).
"""

import torch
from torch import Tensor

# Faces closer together than this share of their depth count as one plane, so that they do not flicker.
COPLANAR_BITS = 7
# What is seen behind a surface is farther away than it by this share.
BEHIND = 1e-4
# Faces with a vertex nearer than this are not drawn.
NEAREST_DEPTH = 1e-3


def rasterize_views(
    pixel_BV2: Tensor, depth_BV: Tensor, faces_F3: Tensor, size: int, behind_BHW: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Finds the nearest face at every pixel center, whichever side of it is seen.

    Args:
        pixel_BV2: (B, V, 2) projected vertices, x to the right and y down, in pixels.
        depth_BV: (B, V) depth of the vertices; faces with a vertex at or behind the camera are left out.
        faces_F3: (F, 3) int64 vertex numbers.
        size: width and height in pixels.
        behind_BHW: (B, H, W) depth up to which nothing is seen.

    Returns:
        depth_BHW: (B, H, W) float32 depth, inf for the background.
        face_BHW: (B, H, W) int64 face numbers, -1 for the background.
    """
    view_T, number_T, planes_T33, inverse_T3, low_T, high_T = _visible_faces(
        pixel_BV2.double(), depth_BV.double(), faces_F3, size
    )
    rows_T = (high_T - low_T + 1).long()
    triangle_R, step_R = _ragged_range(rows_T)
    row_R = low_T[triangle_R] + step_R
    slope_R3, offset_R3 = planes_T33[triangle_R, :, 0], planes_T33[triangle_R, :, 1]
    offset_R3 = offset_R3 * (row_R + 0.5)[:, None] + planes_T33[triangle_R, :, 2]
    first_R, count_R = _spans(slope_R3, offset_R3, size)

    inverse_R3 = inverse_T3[triangle_R]
    slope_R = (slope_R3 * inverse_R3).sum(dim=1)
    start_R = (offset_R3 * inverse_R3).sum(dim=1) + slope_R * (first_R + 0.5)
    span_M, step_M = _ragged_range(count_R)
    inverse_M = (start_R.float()[span_M] + slope_R.float()[span_M] * step_M).clamp_min_(1e-9)
    index_M = ((view_T[triangle_R] * size + row_R) * size + first_R).long()[span_M] + step_M
    number_M = number_T[triangle_R][span_M]
    if behind_BHW is not None:
        seen_M = inverse_M < (1 - BEHIND) / behind_BHW.flatten()[index_M]
        inverse_M, index_M, number_M = inverse_M[seen_M], index_M[seen_M], number_M[seen_M]

    # The bits of positive floats sort like the floats; the low half breaks ties by face number.
    depth_key_M = inverse_M.view(torch.int32) >> COPLANAR_BITS << COPLANAR_BITS
    key_M = (depth_key_M.long() << 32) | number_M
    nearest = torch.zeros(len(pixel_BV2) * size * size, dtype=torch.int64, device=key_M.device)
    nearest.scatter_reduce_(0, index_M, key_M, "amax")
    face = torch.where(nearest > 0, nearest & 0xFFFFFFFF, -1)
    inverse = (nearest >> 32).int().view(torch.float32)
    depth = torch.where(nearest > 0, 1.0 / inverse, torch.inf)
    shape = (len(pixel_BV2), size, size)
    return depth.view(shape), face.view(shape)


def interpolation_weights(
    pixel_BV2: Tensor, depth_BV: Tensor, faces_F3: Tensor, face_BHW: Tensor
) -> tuple[Tensor, Tensor]:
    """Locates the covered pixel centers on their faces, correct in perspective.

    Args:
        pixel_BV2: (B, V, 2) projected vertices.
        depth_BV: (B, V) their depth.
        faces_F3: (F, 3) int64 vertex numbers.
        face_BHW: (B, H, W) faces seen, -1 for the background.

    Returns:
        index_M3: (M, 3) int64 view, row and column of the covered pixels.
        weights_M3: (M, 3) float32 weights of the corners of the face, summing to 1.
    """
    index_M3 = (face_BHW >= 0).nonzero()
    view_M, row_M, column_M = index_M3.unbind(1)
    corner_M3 = faces_F3[face_BHW[view_M, row_M, column_M]]
    corner_M32 = pixel_BV2[view_M[:, None], corner_M3].double()
    center_M12 = torch.stack([column_M, row_M], dim=1).double().unsqueeze(1) + 0.5
    x_M3, y_M3 = (corner_M32 - center_M12).unbind(2)
    after, before = [1, 2, 0], [2, 0, 1]
    area_M3 = x_M3[:, after] * y_M3[:, before] - x_M3[:, before] * y_M3[:, after]
    weights_M3 = area_M3 / depth_BV[view_M[:, None], corner_M3].double()
    return index_M3, (weights_M3 / weights_M3.sum(dim=1, keepdim=True)).float().clamp(0, 1)


def _visible_faces(
    pixel_BV2: Tensor, depth_BV: Tensor, faces_F3: Tensor, size: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Keeps the faces that can cover a pixel center.

    Returns:
        Their views and numbers (T,), barycentric coordinates as affine functions of the pixel (T, 3, 3), the
        inverse depths of the corners (T, 3), and the first and last row (T,).
    """
    x_BF3, y_BF3 = pixel_BV2[:, faces_F3].unbind(-1)
    depth_BF3 = depth_BV[:, faces_F3]
    area_BF = (x_BF3[..., 1] - x_BF3[..., 0]) * (y_BF3[..., 2] - y_BF3[..., 0])
    area_BF = area_BF - (x_BF3[..., 2] - x_BF3[..., 0]) * (y_BF3[..., 1] - y_BF3[..., 0])
    low_BF = (y_BF3.amin(dim=2) - 0.5).ceil().clamp(0, size)
    high_BF = (y_BF3.amax(dim=2) - 0.5).floor().clamp(-1, size - 1)
    kept_BF = (area_BF.abs() > 1e-9) & (depth_BF3 > NEAREST_DEPTH).all(dim=2) & (high_BF >= low_BF)
    view_T, number_T = kept_BF.nonzero().unbind(1)
    x_T3, y_T3, area_T = x_BF3[view_T, number_T], y_BF3[view_T, number_T], area_BF[view_T, number_T]
    after, before = [1, 2, 0], [2, 0, 1]
    planes_T33 = torch.stack(
        [
            y_T3[:, after] - y_T3[:, before],
            x_T3[:, before] - x_T3[:, after],
            x_T3[:, after] * y_T3[:, before] - x_T3[:, before] * y_T3[:, after],
        ],
        dim=-1,
    )
    planes_T33 = planes_T33 / area_T[:, None, None]
    low_T, high_T = low_BF[view_T, number_T], high_BF[view_T, number_T]
    return view_T, number_T, planes_T33, 1.0 / depth_BF3[view_T, number_T], low_T, high_T


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
