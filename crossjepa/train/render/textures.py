"""Colors of the faces that are seen: interpolated between corners, or taken from textures.

B views, V vertices, F faces, M covered pixels, L levels, T texels, H x W pixels

A texture is kept at all sizes from its own down to one texel (a mip map) and is read at the level whose
texels are as large as the pixels, so that fine patterns become their mean instead of noise.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.io import Appearance
from crossjepa.train.render.rasterizer import interpolation_weights

# Opacity below which a texel is a hole.
HOLE = 0.5


class Paint:
    """The appearance of a mesh on a device.

    Args:
        appearance: colors and textures of F faces.
        device: where to render.
    """

    def __init__(self, appearance: Appearance, device: torch.device) -> None:
        self.colors_F33 = torch.from_numpy(appearance.colors_F33).to(device)
        self.plain = bool((self.colors_F33 == self.colors_F33[:, :1]).all()) and not appearance.textures
        self.has_holes = any(bool((texels[..., 3] < 255 * HOLE).any()) for texels in appearance.textures)
        self.atlas = Atlas(appearance.textures, device) if appearance.textures else None
        self.texture_F = torch.from_numpy(appearance.texture_F).to(device)
        self.uv_F32 = torch.from_numpy(appearance.uv_F32).to(device)

    def __call__(
        self, pixel_BV2: Tensor, depth_BV: Tensor, faces_F3: Tensor, face_BHW: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Paints the faces that are seen.

        Args:
            pixel_BV2: (B, V, 2) projected vertices.
            depth_BV: (B, V) their depth.
            faces_F3: (F, 3) int64 vertex numbers.
            face_BHW: (B, H, W) faces seen, -1 for the background.

        Returns:
            color_BHW3: (B, H, W, 3) float32 colors, 0 to 1.
            hole_BHW: (B, H, W) bool, True in the holes of a face.
        """
        hole_BHW = torch.zeros_like(face_BHW, dtype=torch.bool)
        if self.plain:
            return self.colors_F33[:, 0][face_BHW.clamp_min(0)], hole_BHW
        index_M3, weights_M3 = interpolation_weights(pixel_BV2, depth_BV, faces_F3, face_BHW)
        place = index_M3.unbind(1)
        face_M = face_BHW[place]
        color_M3 = (weights_M3.unsqueeze(2) * self.colors_F33[face_M]).sum(dim=1)
        if self.atlas is not None:
            texel_BF = _doubled_area(pixel_BV2.float()[:, faces_F3])
            color_M4 = self._textured(self.atlas, face_M, weights_M3, texel_BF[place[0], face_M])
            color_M3 = color_M3 * color_M4[:, :3]
            hole_BHW[place] = color_M4[:, 3] < HOLE
        color_BHW3 = torch.zeros(*face_BHW.shape, 3, device=face_BHW.device)
        color_BHW3[place] = color_M3
        return color_BHW3, hole_BHW

    def _textured(self, atlas: Atlas, face_M: Tensor, weights_M3: Tensor, area_M: Tensor) -> Tensor:
        """Returns (M, 4) red, green, blue and opacity of the textures, white for faces without one."""
        number_M = self.texture_F[face_M]
        color_M4 = torch.ones(len(face_M), 4, device=face_M.device)
        chosen = (number_M >= 0).nonzero()[:, 0]
        number_M, uv_M32 = number_M[chosen], self.uv_F32[face_M[chosen]]
        uv_M2 = (weights_M3[chosen].unsqueeze(2) * uv_M32).sum(dim=1)
        texels_M = _doubled_area(uv_M32) * atlas.sizes_NL2[number_M, 0].prod(dim=1)
        level_M = 0.5 * torch.log2((texels_M / area_M[chosen].clamp_min(1e-6)).clamp_min(1e-6))
        color_M4[chosen] = atlas.sample(number_M, uv_M2, level_M.round().long())
        return color_M4


class Atlas:
    """All levels of N textures in one row of texels.

    Args:
        textures: (H, W, 4) uint8 images.
        device: where to keep them.

    Attributes:
        texels_T4: (T, 4) uint8.
        starts_NL: (N, L) first texel of each level.
        sizes_NL2: (N, L, 2) width and height of each level; the last one repeats.
    """

    def __init__(self, textures: tuple[NDArray[np.uint8], ...], device: torch.device) -> None:
        pyramids = [_pyramid(texels_HW4) for texels_HW4 in textures]
        deepest = max(map(len, pyramids))
        parts: list[NDArray[np.uint8]] = []
        starts = np.zeros((len(textures), deepest), np.int64)
        sizes = np.zeros((len(textures), deepest, 2), np.int64)
        count = 0
        for number, pyramid in enumerate(pyramids):
            for level in range(deepest):
                if level < len(pyramid):
                    parts.append(pyramid[level].reshape(-1, 4))
                    starts[number, level], count = count, count + len(parts[-1])
                    sizes[number, level] = pyramid[level].shape[1::-1]
                else:
                    starts[number, level], sizes[number, level] = starts[number, level - 1], (1, 1)
        self.texels_T4 = torch.from_numpy(np.concatenate(parts)).to(device)
        self.starts_NL = torch.from_numpy(starts).to(device)
        self.sizes_NL2 = torch.from_numpy(sizes).to(device)

    def sample(self, number_M: Tensor, uv_M2: Tensor, level_M: Tensor) -> Tensor:
        """Samples textures bilinearly; beyond their edges they repeat.

        Args:
            number_M: (M,) textures.
            uv_M2: (M, 2) texture coordinates, (0, 0) the upper left corner.
            level_M: (M,) levels, any integers; they are clamped to those that exist.

        Returns:
            (M, 4) float32, 0 to 1.
        """
        level_M = level_M.clamp(0, self.starts_NL.shape[1] - 1)
        start_M, size_M2 = self.starts_NL[number_M, level_M], self.sizes_NL2[number_M, level_M]
        place_M2 = (uv_M2 - uv_M2.floor()) * size_M2 - 0.5
        low_M2 = place_M2.floor()
        share_M2 = place_M2 - low_M2
        color_M4 = torch.zeros(len(number_M), 4, device=uv_M2.device)
        for right in (0, 1):
            for down in (0, 1):
                x_M = (low_M2[:, 0].long() + right) % size_M2[:, 0]
                y_M = (low_M2[:, 1].long() + down) % size_M2[:, 1]
                weight_M = share_M2[:, 0] if right else 1 - share_M2[:, 0]
                weight_M = weight_M * (share_M2[:, 1] if down else 1 - share_M2[:, 1])
                texel_M4 = self.texels_T4[start_M + y_M * size_M2[:, 0] + x_M]
                color_M4 += weight_M.unsqueeze(1) * texel_M4.float()
        return color_M4 / 255


def _pyramid(texels_HW4: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Returns the image and its halvings down to one texel; transparent texels contribute no color."""
    levels = [np.ascontiguousarray(texels_HW4)]
    image_4HW = torch.from_numpy(levels[0]).permute(2, 0, 1).float()
    opacity_1HW = image_4HW[3:] / 255
    image_4HW = torch.cat([image_4HW[:3] * opacity_1HW, image_4HW[3:]])
    while max(image_4HW.shape[1:]) > 1:
        smaller = (max(image_4HW.shape[1] // 2, 1), max(image_4HW.shape[2] // 2, 1))
        image_4HW = torch.nn.functional.adaptive_avg_pool2d(image_4HW, smaller)
        color_3HW = image_4HW[:3] / (image_4HW[3:] / 255).clamp_min(1e-3)
        level_4HW = torch.cat([color_3HW, image_4HW[3:]]).round().clamp(0, 255).byte()
        levels.append(level_4HW.permute(1, 2, 0).contiguous().numpy())
    return levels


def _doubled_area(corners_X32: Tensor) -> Tensor:
    """Returns twice the area of triangles in a plane, (...) from (..., 3, 2)."""
    edge_X22 = corners_X32[..., 1:, :] - corners_X32[..., :1, :]
    return (edge_X22[..., 0, 0] * edge_X22[..., 1, 1] - edge_X22[..., 0, 1] * edge_X22[..., 1, 0]).abs()
