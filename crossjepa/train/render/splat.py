"""Shaded pictures of bare clouds: every point becomes a small disc in the plane of its neighbors.

N points, K neighbors, S sides of a disc, V views, H x W pixels

Four things make scattered discs look like one surface. A disc ends, in every direction, no farther out than
its neighbors do, so edges and thin parts do not bloat. Neighbors of one orientation share their normal and
their light, so that noise does not show and creases stay. Where the neighbors lie on a line no normal is
known: there the disc turns to the camera, as the side of a rod does. And medians of the picture take away the
slivers of discs that cut through others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.ops import nearest_neighbors
from crossjepa.train.render.camera import View, project
from crossjepa.train.render.rasterizer import rasterize
from crossjepa.train.render.shading import shade

NEIGHBORS, SIDES = 16, 6
SPACING_NEIGHBOR, RADIUS_PER_SPACING = 5, 1.25
# In radii of the object; the diameter, in samples, keeps single points from falling between the samples.
SMALLEST_RADIUS, LARGEST_RADIUS, SMALLEST_DIAMETER = 0.012, 0.15, 3.0
# What a disc has at least of its radius where it has no neighbor.
SMALLEST_REACH = 0.35
# Second to largest variance of neighbors that lie on a line; variance of those in one place.
LINE_RATIO, NO_SPREAD = 0.08, 1e-12
# Repeats of the plane fit, in which only neighbors within this share of the farthest one's distance count.
REFITS, SHEET = 2, 0.25
# Rounds of smoothing: odd powers of the cosine between normals by which neighbors are weighted.
ALIKE = (3, 3, 5, 7)
# Samples between the three of which each round of cleaning takes the median.
CLEANING_STEPS = (1, 2, 3, 2)
EMPTY = -1.0
QUERIES_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class Splats:
    """A cloud with what its discs need.

    Attributes:
        points_N3: (N, 3) points.
        normals_N3: (N, 3) unit normals of either sign.
        axes_N3: (N, 3) unit directions along which the neighbors spread most, 0 where they do not spread.
        on_line_N: (N,) bool, where the neighbors lie along the axis or in one place and the normal is void.
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
        size: pixels of a side.
        supersample: samples of a pixel's side, averaged against jagged edges.
        normals_N3: (N, 3) normals of either sign; estimated from the neighbors by default.
        colors_N3: (N, 3) colors, 0 to 1; white by default.
        background: gray value of the background, 0 to 1.
        device: where to render.

    Returns:
        (V, size, size, 3) uint8 RGB.
    """
    splats = make_splats(points_N3, normals_N3, device)
    colors = None if colors_N3 is None else _tensor(colors_N3, device)
    images_VXHW = torch.stack(
        [
            torch.nn.functional.avg_pool2d(
                _render_view(splats, colors, view, size * supersample, background), supersample
            )
            for view in views
        ]
    )
    images_VHW3 = (images_VXHW * 255).round().byte().expand(-1, 3, -1, -1).permute(0, 2, 3, 1)
    return np.asarray(images_VHW3.contiguous().cpu().numpy())


def make_splats(
    points_N3: NDArray[np.floating],
    normals_N3: NDArray[np.floating] | None = None,
    device: str | torch.device = "cpu",
) -> Splats:
    """Estimates spacing and, unless they are given, normals.

    Args:
        points_N3: (N, 3) points, N >= 1.
        normals_N3: (N, 3) normals of either sign and any length.
        device: where the discs shall be.

    Returns:
        The discs.

    Raises:
        ValueError: there are no points.
    """
    if not len(points_N3):
        raise ValueError("a cloud without points cannot be rendered")
    points = _tensor(points_N3, device)
    distance_NK, index_NK = _neighbors(points)
    spacing_N = distance_NK[:, min(SPACING_NEIGHBOR, distance_NK.shape[1] - 1)]
    # The median over neighbors evens out the chances of single points.
    spacing_N = spacing_N[index_NK].median(dim=1).values
    radius_N = (RADIUS_PER_SPACING * spacing_N).clamp(SMALLEST_RADIUS, LARGEST_RADIUS)
    normals, axes, on_line_N = estimate_normals(points, index_NK)
    if normals_N3 is not None:
        normals = torch.nn.functional.normalize(_tensor(normals_N3, device), dim=1)
        on_line_N = torch.zeros_like(on_line_N)
    return Splats(points, normals, axes, on_line_N, radius_N, index_NK)


def estimate_normals(points_N3: Tensor, index_NK: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fits a plane to the neighbors of every point.

    Args:
        points_N3: (N, 3) points.
        index_NK: (N, K) int64 nearest points.

    Returns:
        normals_N3: (N, 3) unit normals of either sign, smoothed over neighbors.
        axes_N3: (N, 3) unit directions of the largest spread, 0 where all neighbors are in one place.
        on_line_N: (N,) bool, True where the spread has at most one direction, so that the normal is void.
    """
    offset_NK3 = points_N3[index_NK] - points_N3[:, None]
    weight_NK = torch.ones_like(offset_NK3[..., 0])
    spread_N3, frame_N33 = _principal_axes(offset_NK3, weight_NK)
    axes_N3 = torch.where(spread_N3[:, 2:] > NO_SPREAD, frame_N33[:, :, 2], 0.0)
    on_line_N = spread_N3[:, 1] <= LINE_RATIO * spread_N3[:, 2] + NO_SPREAD
    for _ in range(REFITS):
        height_NK = (offset_NK3 @ frame_N33[:, :, :1])[..., 0]
        scale_N1 = SHEET * offset_NK3.norm(dim=2).amax(dim=1, keepdim=True).clamp_min(1e-6)
        _, frame_N33 = _principal_axes(offset_NK3, torch.exp(-((height_NK / scale_N1) ** 2)))
    normals_N3 = frame_N33[:, :, 0]
    for power in ALIKE:
        near_NK3 = normals_N3[index_NK]
        alike_NK1 = near_NK3 @ normals_N3.unsqueeze(2)
        # An odd power of the cosine turns the neighbor's normal to this side and lets creases stand.
        normals_N3 = torch.nn.functional.normalize((alike_NK1**power * near_NK3).sum(dim=1), dim=1)
    return normals_N3, axes_N3, on_line_N


def _tensor(values_N3: NDArray[np.floating], device: str | torch.device) -> Tensor:
    return torch.from_numpy(np.asarray(values_N3, np.float32)).to(device)


def _principal_axes(offset_NK3: Tensor, weight_NK: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the spreads (N, 3), ascending, and as columns (N, 3, 3) their directions."""
    weight_NK1 = (weight_NK / weight_NK.sum(dim=1, keepdim=True)).unsqueeze(2)
    centered_NK3 = offset_NK3 - (weight_NK1 * offset_NK3).sum(dim=1, keepdim=True)
    spread_N3, frame_N33 = torch.linalg.eigh(centered_NK3.mT @ (weight_NK1 * centered_NK3))
    return spread_N3, frame_N33


def _neighbors(points_N3: Tensor) -> tuple[Tensor, Tensor]:
    parts = [
        nearest_neighbors(part_Q3[None], points_N3[None], NEIGHBORS)
        for part_Q3 in torch.split(points_N3, QUERIES_AT_ONCE)
    ]
    distance_NK, index_NK = (torch.cat(part, dim=1)[0] for part in zip(*parts, strict=True))
    return distance_NK, index_NK


def _render_view(
    splats: Splats, colors_N3: Tensor | None, view: View, samples: int, background: float
) -> Tensor:
    """Returns (3, H, W) colors, or (1, H, W) brightness, one value a sample."""
    device = splats.points_N3.device
    toward_N3 = torch.from_numpy(view.position()).float().to(device) - splats.points_N3
    normals_N3 = _turned_normals(splats, toward_N3)
    rim_NS3 = _rims(splats, normals_N3, max(SMALLEST_RADIUS, SMALLEST_DIAMETER / samples))
    vertices_P3 = torch.cat([splats.points_N3, rim_NS3.flatten(0, 1)]).cpu().numpy()
    pixel_P2, depth_P = (torch.from_numpy(part).to(device) for part in project(vertices_P3, view, samples))
    _, face_HW = rasterize(pixel_P2, depth_P, _fans(len(rim_NS3), device), samples)
    light_N = shade(normals_N3 @ torch.from_numpy(view.rotation().T).float().to(device))
    light_N = _shared_light(light_N, normals_N3, splats.index_NK)
    light_XN = light_N[None] if colors_N3 is None else light_N * colors_N3.T
    disc_HW = face_HW.clamp_min(0) // SIDES
    return torch.stack(
        [_cleaned(torch.where(face_HW >= 0, light_N[disc_HW], EMPTY), background) for light_N in light_XN]
    )


def _cleaned(light_HW: Tensor, background: float) -> Tensor:
    """Takes away slivers and closes gaps."""
    for step in CLEANING_STEPS:
        light_HW = _without_slivers(_without_slivers(light_HW, step).T, step).T
    return torch.where(light_HW == EMPTY, background, light_HW)


def _turned_normals(splats: Splats, toward_N3: Tensor) -> Tensor:
    """Returns the (N, 3) normals turned to the camera, given the (N, 3) directions to it."""
    along_N1 = (toward_N3 * splats.axes_N3).sum(dim=1, keepdim=True)
    # Just short of the whole: a line seen end on leaves something to normalize.
    across_N3 = torch.nn.functional.normalize(toward_N3 - 0.999 * along_N1 * splats.axes_N3, dim=1)
    normals_N3 = torch.where(splats.on_line_N[:, None], across_N3, splats.normals_N3)
    away_N1 = (normals_N3 * toward_N3).sum(dim=1, keepdim=True) < 0
    return torch.where(away_N1, -normals_N3, normals_N3)


def _rims(splats: Splats, normals_N3: Tensor, smallest: float) -> Tensor:
    """Returns the (N, S, 3) corners of the discs, none much farther out than the neighbors that way."""
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


def _fans(count: int, device: torch.device) -> Tensor:
    """Returns the (N * S, 3) triangles of the discs: the point and two neighboring corners of its rim."""
    side_S = torch.arange(SIDES, device=device)
    disc_N1 = torch.arange(count, device=device).unsqueeze(1)
    rim_NS = count + disc_N1 * SIDES + side_S
    return torch.stack([disc_N1.expand(-1, SIDES), rim_NS, rim_NS.roll(-1, dims=1)], dim=2).flatten(0, 1)


def _shared_light(light_N: Tensor, normals_N3: Tensor, index_NK: Tensor) -> Tensor:
    """Returns the (N,) brightness averaged over those neighbors that are turned alike."""
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
