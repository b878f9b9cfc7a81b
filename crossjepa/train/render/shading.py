"""Shaded pictures of meshes.

V views, F faces, H x W pixels
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.train.render.camera import View, project
from crossjepa.train.render.rasterizer import rasterize

AMBIENT, HEAD_LIGHT, KEY_LIGHT = 0.28, 0.38, 0.34
KEY_DIRECTION = (-0.45, 0.75, 0.5)


def render_mesh(
    vertices_P3: NDArray[np.floating],
    faces_F3: NDArray[np.integer],
    views: Sequence[View],
    *,
    size: int = 224,
    supersample: int = 2,
    colors_F3: NDArray[np.floating] | None = None,
    background: float = 1.0,
) -> NDArray[np.uint8]:
    """Renders a mesh with flat shading from both sides: ambient, head light, and a key light from above.

    Args:
        vertices_P3: (P, 3) vertices, y up, inside the unit sphere.
        faces_F3: (F, 3) vertex numbers; their winding does not matter.
        views: the cameras.
        size: pixels of a side.
        supersample: samples of a pixel's side, averaged against jagged edges.
        colors_F3: (F, 3) colour of each face, 0 to 1; white by default.
        background: grey value of the background, 0 to 1.

    Returns:
        (V, size, size, 3) uint8 RGB.
    """
    faces = torch.from_numpy(np.asarray(faces_F3, np.int64))
    colors = None if colors_F3 is None else torch.from_numpy(np.asarray(colors_F3, np.float32))
    images = []
    for view in views:
        pixel_P2, depth_P = project(vertices_P3, view, size * supersample)
        _, face_HW = rasterize(
            torch.from_numpy(pixel_P2), torch.from_numpy(depth_P), faces, size * supersample
        )
        camera_P3 = torch.from_numpy(view.to_camera(vertices_P3)).float()
        light_F1 = shade(face_normals(camera_P3[faces])).unsqueeze(1)
        shade_FX = light_F1 if colors is None else light_F1 * colors
        pixels = torch.where(face_HW.unsqueeze(-1) >= 0, shade_FX[face_HW.clamp_min(0)], background)
        images.append(_average(pixels, supersample).expand(-1, -1, 3))
    return np.asarray((torch.stack(images) * 255).round().byte().numpy())


def face_normals(corners_F33: Tensor) -> Tensor:
    """Returns (F, 3) unit normals, in the camera's frame, turned towards the camera at the origin."""
    normal_F3 = torch.linalg.cross(
        corners_F33[:, 1] - corners_F33[:, 0], corners_F33[:, 2] - corners_F33[:, 0]
    )
    away_F = (normal_F3 * corners_F33.mean(dim=1)).sum(dim=1, keepdim=True) > 0
    return torch.nn.functional.normalize(torch.where(away_F, -normal_F3, normal_F3), dim=1)


def shade(normal_F3: Tensor) -> Tensor:
    """Returns (F,) brightness, 0 to 1, of surfaces with (F, 3) normals in the camera's frame."""
    key_3 = torch.nn.functional.normalize(torch.tensor(KEY_DIRECTION, device=normal_F3.device), dim=0)
    head_F, key_F = normal_F3[:, 2].clamp_min(0), (normal_F3 @ key_3).clamp_min(0)
    return (AMBIENT + HEAD_LIGHT * head_F + KEY_LIGHT * key_F).clamp_max(1)


def color_histogram(images_VHW3: NDArray[np.uint8], bins: int = 16) -> NDArray[np.float32]:
    """Returns the (V, 3 * bins) share of pixels in each of `bins` equal bins of red, green, and blue."""
    views, pixels = len(images_VHW3), images_VHW3.shape[1] * images_VHW3.shape[2]
    level = images_VHW3.reshape(views, pixels, 3).astype(np.int64) * bins // 256
    bin_number = level + bins * np.arange(3) + 3 * bins * np.arange(views)[:, None, None]
    counts = np.bincount(bin_number.ravel(), minlength=views * 3 * bins)
    return np.asarray(counts.reshape(views, 3 * bins) / pixels, np.float32)


def _average(pixels_HWX: Tensor, block: int) -> Tensor:
    height, width, channels = pixels_HWX.shape
    return pixels_HWX.view(height // block, block, width // block, block, channels).mean(dim=(1, 3))
