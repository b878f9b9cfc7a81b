"""Shaded pictures of bare clouds: every point becomes a small disc in the plane of its neighbors.

N points, K neighbors, S sides of a disc, V views, H x W pixels

Four things make scattered discs look like one surface. A disc ends, in every direction, no farther out than
its neighbors do, so edges and thin parts do not bloat. Neighbors of one orientation share their normal and
their light, so that noise does not show and creases stay. If the neighbors lie on a line, no normal is
known: the disc then faces the camera, as the side of a rod does. And medians of the picture remove the
slivers of discs that cut through others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.train.render.camera import View, project
from crossjepa.train.render.normals import ALIKE, estimate_normals, neighbors
from crossjepa.train.render.rasterizer import rasterize_views
from crossjepa.train.render.shading import Drawn, shade

SIDES = 6
SPACING_NEIGHBOR, RADIUS_PER_SPACING = 5, 1.25
# In radii of the object; the diameter, in samples, keeps single points from falling between the samples.
SMALLEST_RADIUS, LARGEST_RADIUS, SMALLEST_DIAMETER = 0.012, 0.15, 3.0
# Smallest share of its radius that a disc keeps in directions without a neighbor.
SMALLEST_REACH = 0.35
# Distance, in samples, between the three samples whose median each round of cleaning takes.
CLEANING_STEPS = (1, 2, 3, 2)
EMPTY = -1.0


@dataclass(frozen=True, eq=False)
class Splats:
    """A cloud with what its discs need.

    Attributes:
        points_N3: (N, 3) points.
        normals_N3: (N, 3) unit normals of either sign.
        axes_N3: (N, 3) unit directions along which the neighbors spread most, 0 where they do not spread.
        on_line_N: (N,) bool, True if the neighbors lie on a line or coincide: the normal is undefined.
        radius_N: (N,) radius of the discs.
        index_NK: (N, K) int64 nearest points, itself first.
    """

    points_N3: Tensor
    normals_N3: Tensor
    axes_N3: Tensor
    on_line_N: Tensor
    radius_N: Tensor
    index_NK: Tensor


def render_cloud(
    points_N3: NDArray[np.floating],
    views: Sequence[View],
    *,
    size: int = 224,
    supersample: int = 2,
    normals_N3: NDArray[np.floating] | None = None,
    colors_N3: NDArray[np.floating] | None = None,
    background: float = 1.0,
    device: str | torch.device = "cpu",
) -> NDArray[np.uint8]:
    """Renders a bare cloud with the light of `render_mesh`.

    Args:
        points_N3: (N, 3) points, y up, inside the unit sphere.
        views: the cameras.
        size: width and height in pixels.
        supersample: samples along each side of a pixel, averaged against jagged edges.
        normals_N3: (N, 3) normals of either sign; estimated from the neighbors by default.
        colors_N3: (N, 3) colors, 0 to 1; white by default.
        background: gray value of the background, 0 to 1.
        device: where to render.

    Returns:
        (V, size, size, 3) uint8 RGB.
    """
    return draw_cloud(
        points_N3, views, size=size, supersample=supersample, normals_N3=normals_N3, colors_N3=colors_N3,
        background=background, device=device,
    ).images_VHW3  # fmt: skip


def draw_cloud(
    points_N3: NDArray[np.floating],
    views: Sequence[View],
    *,
    size: int,
    supersample: int,
    normals_N3: NDArray[np.floating] | None = None,
    colors_N3: NDArray[np.floating] | None = None,
    background: float = 1.0,
    device: str | torch.device = "cpu",
) -> Drawn:
    """Renders a cloud as `render_cloud` does, and keeps the depth of the discs."""
    splats = make_splats(points_N3, normals_N3, device)
    colors = None if colors_N3 is None else _tensor(colors_N3, device)
    rendered = [_render_view(splats, colors, view, size * supersample, background) for view in views]
    images_VXHW = torch.stack(
        [torch.nn.functional.avg_pool2d(image_XHW, supersample) for image_XHW, _ in rendered]
    )
    images_VHW3 = (images_VXHW * 255).round().byte().expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    depth_VSS = torch.stack([depth_SS for _, depth_SS in rendered])
    return Drawn(images_VHW3.contiguous().cpu().numpy(), depth_VSS.cpu().numpy())


def make_splats(
    points_N3: NDArray[np.floating],
    normals_N3: NDArray[np.floating] | None = None,
    device: str | torch.device = "cpu",
) -> Splats:
    """Estimates spacing and, unless they are given, normals.

    Args:
        points_N3: (N, 3) points, N >= 1.
        normals_N3: (N, 3) normals of either sign and any length.
        device: where to keep the discs.

    Returns:
        The discs.

    Raises:
        ValueError: there are no points.
    """
    if not len(points_N3):
        raise ValueError("a cloud without points cannot be rendered")
    points = _tensor(points_N3, device)
    distance_NK, index_NK = neighbors(points)
    spacing_N = distance_NK[:, min(SPACING_NEIGHBOR, distance_NK.shape[1] - 1)]
    # The median over neighbors evens out the chances of single points.
    spacing_N = spacing_N[index_NK].median(dim=1).values
    radius_N = (RADIUS_PER_SPACING * spacing_N).clamp(SMALLEST_RADIUS, LARGEST_RADIUS)
    normals, axes, on_line_N = estimate_normals(points, index_NK)
    if normals_N3 is not None:
        normals = torch.nn.functional.normalize(_tensor(normals_N3, device), dim=1)
        on_line_N = torch.zeros_like(on_line_N)
    return Splats(points, normals, axes, on_line_N, radius_N, index_NK)


def _tensor(values_N3: NDArray[np.floating], device: str | torch.device) -> Tensor:
    return torch.from_numpy(np.asarray(values_N3, np.float32)).to(device)


def _render_view(
    splats: Splats, colors_N3: Tensor | None, view: View, samples: int, background: float
) -> tuple[Tensor, Tensor]:
    """Returns (3, H, W) colors, or (1, H, W) brightness, and (H, W) depth, one value per sample."""
    device = splats.points_N3.device
    toward_N3 = torch.from_numpy(view.position()).float().to(device) - splats.points_N3
    normals_N3 = turned_normals(splats, toward_N3)
    rim_NS3 = rims(splats, normals_N3, max(SMALLEST_RADIUS, SMALLEST_DIAMETER / samples))
    vertices_P3 = torch.cat([splats.points_N3, rim_NS3.flatten(0, 1)]).cpu().numpy()
    pixel_P2, depth_P = (torch.from_numpy(part).to(device) for part in project(vertices_P3, view, samples))
    depth_1HW, face_1HW = rasterize_views(pixel_P2[None], depth_P[None], fans(len(rim_NS3), device), samples)
    face_HW = face_1HW[0]
    light_N = shade(normals_N3 @ torch.from_numpy(view.rotation().T).float().to(device))
    light_N = shared_light(light_N, normals_N3, splats.index_NK)
    light_XN = light_N[None] if colors_N3 is None else light_N * colors_N3.T
    disc_HW = face_HW.clamp_min(0) // SIDES
    image_XHW = torch.stack(
        [cleaned(torch.where(face_HW >= 0, light_N[disc_HW], EMPTY), background) for light_N in light_XN]
    )
    return image_XHW, depth_1HW[0]


def cleaned(light_HW: Tensor, background: float) -> Tensor:
    """Removes slivers, closes gaps and fills in the background."""
    for step in CLEANING_STEPS:
        light_HW = _without_slivers(_without_slivers(light_HW, step).T, step).T
    return torch.where(light_HW == EMPTY, background, light_HW)


def turned_normals(splats: Splats, toward_N3: Tensor) -> Tensor:
    """Returns the (N, 3) normals turned to the camera, given the (N, 3) directions to it."""
    along_N1 = (toward_N3 * splats.axes_N3).sum(dim=1, keepdim=True)
    # Just short of 1: a line seen end on leaves something to normalize.
    across_N3 = torch.nn.functional.normalize(toward_N3 - 0.999 * along_N1 * splats.axes_N3, dim=1)
    normals_N3 = torch.where(splats.on_line_N[:, None], across_N3, splats.normals_N3)
    away_N1 = (normals_N3 * toward_N3).sum(dim=1, keepdim=True) < 0
    return torch.where(away_N1, -normals_N3, normals_N3)


def rims(splats: Splats, normals_N3: Tensor, smallest: float) -> Tensor:
    """Returns the (N, S, 3) corners of the discs, none much farther out than its neighbors there."""
    first_N3 = torch.linalg.cross(normals_N3, splats.axes_N3)
    # Without an axis, or with one along a given normal, any direction across the normal will do.
    least_N3 = torch.nn.functional.one_hot(normals_N3.abs().argmin(dim=1), 3).float()
    spare_N3 = torch.linalg.cross(normals_N3, least_N3)
    first_N3 = torch.where(first_N3.norm(dim=1, keepdim=True) > 0.1, first_N3, spare_N3)
    first_N3 = torch.nn.functional.normalize(first_N3, dim=1)
    second_N3 = torch.linalg.cross(normals_N3, first_N3)
    angle_S1 = (torch.arange(SIDES, device=normals_N3.device) * (2 * torch.pi / SIDES)).unsqueeze(1)
    direction_NS3 = angle_S1.cos() * first_N3[:, None] + angle_S1.sin() * second_N3[:, None]
    offset_NK3 = splats.points_N3[splats.index_NK] - splats.points_N3[:, None]
    reach_NS = (direction_NS3 @ offset_NK3.mT).amax(dim=2)
    radius_N1 = splats.radius_N[:, None]
    least_N1 = (SMALLEST_REACH * radius_N1).clamp_min(smallest)
    reach_NS = torch.maximum(torch.minimum(reach_NS, radius_N1), least_N1)
    reach_NS = (reach_NS.roll(1, dims=1) + 2 * reach_NS + reach_NS.roll(-1, dims=1)) / 4
    rim_NS3: Tensor = splats.points_N3[:, None] + reach_NS.unsqueeze(2) * direction_NS3
    return rim_NS3


def fans(count: int, device: torch.device) -> Tensor:
    """Returns the (N * S, 3) triangles of the discs: the point and two neighboring corners of its rim."""
    side_S = torch.arange(SIDES, device=device)
    disc_N1 = torch.arange(count, device=device).unsqueeze(1)
    rim_NS = count + disc_N1 * SIDES + side_S
    return torch.stack([disc_N1.expand(-1, SIDES), rim_NS, rim_NS.roll(-1, dims=1)], dim=2).flatten(0, 1)


def shared_light(light_N: Tensor, normals_N3: Tensor, index_NK: Tensor) -> Tensor:
    """Returns the (N,) brightness averaged over the neighbors of similar orientation."""
    alike_NK = (normals_N3[index_NK] @ normals_N3.unsqueeze(2))[..., 0].clamp_min(0) ** (ALIKE[-1] + 1)
    alike_NK = alike_NK / alike_NK.sum(dim=1, keepdim=True)
    for _ in ALIKE:
        light_N = (alike_NK * light_N[index_NK]).sum(dim=1)
    return light_N


def _without_slivers(light_HW: Tensor, step: int) -> Tensor:
    """Replaces samples by the median of themselves and those `step` above and below, and closes gaps."""
    padded_PW = torch.nn.functional.pad(light_HW, (0, 0, step, step), value=EMPTY)
    above_HW, below_HW = padded_PW[: -2 * step], padded_PW[2 * step :]
    low_HW, high_HW = torch.minimum(above_HW, below_HW), torch.maximum(above_HW, below_HW)
    median_HW = torch.clamp(light_HW, low_HW, high_HW)
    # The outline may grow into gaps but nothing thin may vanish.
    return torch.where(low_HW == EMPTY, light_HW, median_HW)
