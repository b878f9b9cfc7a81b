"""Shaded pictures of meshes.

B views at once, V views, P vertices, F faces, H x W pixels
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.io import Appearance
from crossjepa.train.render.camera import Projection, View
from crossjepa.train.render.rasterizer import rasterize_views
from crossjepa.train.render.textures import Paint

AMBIENT, HEAD_LIGHT, KEY_LIGHT = 0.28, 0.38, 0.34
KEY_DIRECTION = (-0.45, 0.75, 0.5)
# On a CPU one view at a time is faster, since it stays in the processor's cache.
VIEWS_AT_ONCE_ON_GPU = 8
# Largest number of surfaces with holes, one behind the other, to see through.
LAYERS = 6


class Drawn(NamedTuple):
    """Pictures and how far away what they show is.

    Attributes:
        images_VHW3: (V, H, W, 3) uint8 RGB.
        depth_VSS: (V, S, S) float32 distance in front of the camera plane at every sample of the pictures, S
            along each side; inf for the background.
    """

    images_VHW3: NDArray[np.uint8]
    depth_VSS: NDArray[np.float32]


def render_mesh(
    vertices_P3: NDArray[np.floating],
    faces_F3: NDArray[np.integer],
    views: Sequence[View],
    *,
    size: int = 224,
    supersample: int = 2,
    colors_F3: NDArray[np.floating] | None = None,
    appearance: Appearance | None = None,
    background: float = 1.0,
    device: str | torch.device = "cpu",
) -> NDArray[np.uint8]:
    """Renders a mesh with flat shading from both sides: ambient, head light, and a key light from above.

    Args:
        vertices_P3: (P, 3) vertices, y up, inside the unit sphere.
        faces_F3: (F, 3) vertex numbers; their winding does not matter.
        views: the cameras.
        size: width and height in pixels.
        supersample: samples along each side of a pixel, averaged against jagged edges.
        colors_F3: (F, 3) color of each face, 0 to 1; white by default.
        appearance: colors and textures instead of that.
        background: gray value of the background, 0 to 1.
        device: where to render; several views at once on a GPU.

    Returns:
        (V, size, size, 3) uint8 RGB.

    Raises:
        ValueError: there are no faces, or the number of colors differs from the number of faces.
    """
    if colors_F3 is not None:
        appearance = Appearance.of_faces(colors_F3)
    return draw_mesh(
        vertices_P3, faces_F3, views, size=size, supersample=supersample, appearance=appearance,
        background=background, device=device,
    ).images_VHW3  # fmt: skip


def draw_mesh(
    vertices_P3: NDArray[np.floating],
    faces_F3: NDArray[np.integer],
    views: Sequence[View],
    *,
    size: int,
    supersample: int,
    appearance: Appearance | None = None,
    background: float = 1.0,
    device: str | torch.device = "cpu",
) -> Drawn:
    """Renders a mesh as `render_mesh` does, and keeps the depth."""
    if not len(faces_F3):
        raise ValueError("a mesh without faces cannot be rendered")
    if appearance is not None and len(appearance.colors_F33) != len(faces_F3):
        raise ValueError(f"colors of {len(appearance.colors_F33)} faces for a mesh of {len(faces_F3)}")
    device = torch.device(device)
    faces = torch.from_numpy(np.asarray(faces_F3, np.int64)).to(device)
    paint = None if appearance is None else Paint(appearance, device)
    at_once = 1 if device.type == "cpu" else VIEWS_AT_ONCE_ON_GPU
    images, depths = [], []
    for first in range(0, len(views), at_once):
        seen = Projection.of(vertices_P3, views[first : first + at_once], size * supersample, device)
        pixels, depth = _render_views(vertices_P3, faces, seen, paint, background)
        blocks = pixels.view(len(pixels), size, supersample, size, supersample, -1)
        image = blocks.mean(dim=(2, 4)).expand(-1, -1, -1, 3)
        images.append((image * 255).round().byte().cpu())
        depths.append(depth.cpu())
    return Drawn(torch.cat(images).numpy(), torch.cat(depths).numpy())


def _render_views(
    vertices_P3: NDArray[np.floating],
    faces_F3: Tensor,
    seen: Projection,
    paint: Paint | None,
    background: float,
) -> tuple[Tensor, Tensor]:
    """Returns (B, H, W, 3) colors, or (B, H, W, 1) brightness, and (B, H, W) depth, one value per sample."""
    camera_BP3 = torch.from_numpy(np.stack([view.to_camera(vertices_P3) for view in seen.views])).float()
    light_BF = shade(face_normals(camera_BP3.to(faces_F3.device)[:, faces_F3]))
    depth_BHW, face_BHW = rasterize_views(seen.pixel_BP2, seen.depth_BP, faces_F3, seen.samples)
    color_BHW3 = None
    if paint is not None:
        color_BHW3, face_BHW, depth_BHW = _paint_layers(paint, faces_F3, seen, depth_BHW, face_BHW)
    light_BHW = light_BF.gather(1, face_BHW.clamp_min(0).flatten(1)).view(face_BHW.shape)
    pixels_BHWX = light_BHW.unsqueeze(-1) if color_BHW3 is None else light_BHW.unsqueeze(-1) * color_BHW3
    depth_BHW = torch.where(face_BHW >= 0, depth_BHW, torch.inf)
    return torch.where(face_BHW.unsqueeze(-1) >= 0, pixels_BHWX, background), depth_BHW


def _paint_layers(
    paint: Paint, faces_F3: Tensor, seen: Projection, depth_BHW: Tensor, face_BHW: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Paints the nearest faces, and through their holes what lies behind.

    Returns:
        color_BHW3: (B, H, W, 3) colors.
        face_BHW: (B, H, W) the faces seen in the end, -1 if none.
        depth_BHW: (B, H, W) their depth.
    """
    color_BHW3, hole_BHW = paint(seen.pixel_BP2, seen.depth_BP, faces_F3, face_BHW)
    for _ in range(LAYERS if paint.has_holes else 0):
        if not hole_BHW.any():
            break
        behind_BHW = torch.where(hole_BHW, depth_BHW, 0.0)
        next_depth_BHW, next_face_BHW = rasterize_views(
            seen.pixel_BP2, seen.depth_BP, faces_F3, seen.samples, behind_BHW
        )
        depth_BHW = torch.where(hole_BHW, next_depth_BHW, depth_BHW)
        face_BHW = torch.where(hole_BHW, next_face_BHW, face_BHW)
        seen_BHW = torch.where(hole_BHW, face_BHW, -1)
        next_color_BHW3, next_hole_BHW = paint(seen.pixel_BP2, seen.depth_BP, faces_F3, seen_BHW)
        color_BHW3 = torch.where(hole_BHW.unsqueeze(-1), next_color_BHW3, color_BHW3)
        hole_BHW = next_hole_BHW
    return color_BHW3, torch.where(hole_BHW, -1, face_BHW), depth_BHW


def face_normals(corners_XF33: Tensor) -> Tensor:
    """Returns (..., F, 3) unit normals, in the camera's frame, turned toward the camera at the origin."""
    edge_XF23 = corners_XF33[..., 1:, :] - corners_XF33[..., :1, :]
    normal_XF3 = torch.linalg.cross(edge_XF23[..., 0, :], edge_XF23[..., 1, :])
    away_XF1 = (normal_XF3 * corners_XF33.mean(dim=-2)).sum(dim=-1, keepdim=True) > 0
    return torch.nn.functional.normalize(torch.where(away_XF1, -normal_XF3, normal_XF3), dim=-1)


def shade(normal_X3: Tensor) -> Tensor:
    """Returns (...) brightness, 0 to 1, of surfaces with (..., 3) normals in the camera's frame."""
    key_3 = torch.nn.functional.normalize(torch.tensor(KEY_DIRECTION, device=normal_X3.device), dim=0)
    head_X, key_X = normal_X3[..., 2].clamp_min(0), (normal_X3 @ key_3).clamp_min(0)
    return (AMBIENT + HEAD_LIGHT * head_X + KEY_LIGHT * key_X).clamp_max(1)
