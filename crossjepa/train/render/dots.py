"""Pictures of clouds for people: every point is a small ball, and what is far away is pale.

The pictures for teachers are those of `splat`, which make one surface of the points. Here each point is seen.

N points, V views, M samples around a point, H x W pixels
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from crossjepa.train.render.camera import View, project
from crossjepa.train.render.normals import neighbors
from crossjepa.train.render.shading import shade

# In radii of the object; of the usual distance between neighbors, the radius is this share.
SMALLEST_RADIUS, LARGEST_RADIUS, RADIUS_PER_SPACING = 0.009, 0.035, 0.8
# Of points without colors, 0 to 1.
DOT_COLOR = (0.16, 0.33, 0.56)
# How much of the background the farthest points take on.
PALEST = 0.62


def render_dots(
    points_N3: NDArray[np.floating],
    views: Sequence[View],
    *,
    size: int = 224,
    supersample: int = 2,
    colors_N3: NDArray[np.floating] | None = None,
    background: float = 1.0,
    palest: float = PALEST,
) -> NDArray[np.uint8]:
    """Renders a cloud as round points with depth shading.

    Args:
        points_N3: (N, 3) points, y up, inside the unit sphere.
        views: the cameras.
        size: width and height in pixels.
        supersample: samples along each side of a pixel, averaged against jagged edges.
        colors_N3: (N, 3) colors, 0 to 1; one blue for all by default.
        background: gray value of the background, 0 to 1.
        palest: share of the background in the color of the farthest points, 0 for no depth shading.

    Returns:
        (V, size, size, 3) uint8 RGB.

    Raises:
        ValueError: there are no points.

    Example:
        >>> render_dots(np.random.default_rng(0).normal(size=(50, 3)) / 4, [View(30, 20)], size=64).shape
        (1, 64, 64, 3)
    """
    if not len(points_N3):
        raise ValueError("a cloud without points cannot be rendered")
    placed_N3 = np.asarray(points_N3, np.float64)
    if colors_N3 is None:
        colors_N3 = np.tile(DOT_COLOR, (len(points_N3), 1))
    radius, samples = dot_radius(placed_N3), size * supersample
    pictures = []
    for view in views:
        image_SS3 = _draw(placed_N3, np.asarray(colors_N3), view, samples, radius, background, palest)
        blocks = image_SS3.reshape(size, supersample, size, supersample, 3)
        pictures.append((blocks.mean(axis=(1, 3)) * 255).round().astype(np.uint8))
    return np.stack(pictures)


def framed(points_N3: NDArray[np.floating], view: View) -> tuple[NDArray[np.float64], View]:
    """Moves a cloud to the middle of a picture and chooses the field of view that it fills.

    Args:
        points_N3: (N, 3) points inside the unit sphere.
        view: the camera.

    Returns:
        The (N, 3) moved points, and the camera with another field of view.
    """
    camera_N3 = view.to_camera(points_N3)
    middle_3 = (camera_N3.min(axis=0) + camera_N3.max(axis=0)) / 2 + (0, 0, view.distance)
    moved_N3 = np.asarray(points_N3 - middle_3 @ view.rotation())
    camera_N3 = view.to_camera(moved_N3)
    reach = float(np.abs(camera_N3[:, :2] / -camera_N3[:, 2:]).max()) + LARGEST_RADIUS / view.distance
    return moved_N3, replace(view, fov=2 * math.degrees(math.atan(max(reach, 0.02))))


def dot_radius(points_N3: NDArray[np.floating]) -> float:
    """Returns the radius of the balls, from the median distance to the nearest other point."""
    some_N3 = points_N3[:: max(1, len(points_N3) // 8192)]
    distance_NK, _ = neighbors(torch.from_numpy(np.asarray(some_N3, np.float32)))
    spacing = float(distance_NK[:, min(2, distance_NK.shape[1] - 1)].median())
    spacing *= math.sqrt(len(some_N3) / len(points_N3))
    if spacing == 0:  # one point, or copies of it
        return LARGEST_RADIUS
    return float(np.clip(RADIUS_PER_SPACING * spacing, SMALLEST_RADIUS, LARGEST_RADIUS))


def _draw(
    points_N3: NDArray[np.float64],
    colors_N3: NDArray[np.floating],
    view: View,
    samples: int,
    radius: float,
    background: float,
    palest: float,
) -> NDArray[np.float64]:
    """Returns the (H, W, 3) colors, 0 to 1, at the samples of a picture."""
    pixel_N2, depth_N = project(points_N3, view, samples)
    reach_N = radius * samples / 2 / math.tan(math.radians(view.fov / 2)) / np.maximum(depth_N, 1e-3)
    reach_N = np.clip(reach_N, 0.71, samples / 8)
    steps = np.arange(-math.ceil(reach_N.max()), math.ceil(reach_N.max()) + 1)
    step_M2 = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    place_NM2 = np.floor(pixel_N2).astype(np.int64)[:, None] + step_M2
    offset_NM2 = (place_NM2 + 0.5 - pixel_N2[:, None]) / reach_N[:, None, None]
    square_NM = (offset_NM2**2).sum(axis=2)
    seen_NM = (square_NM <= 1) & ((place_NM2 >= 0) & (place_NM2 < samples)).all(axis=2)
    row_P, step_P = np.nonzero(seen_NM & (depth_N > 0)[:, None])
    height_P = np.sqrt(1 - square_NM[row_P, step_P])
    normal_P3 = np.concatenate([offset_NM2[row_P, step_P] * (1, -1), height_P[:, None]], axis=1)
    light_P = shade(torch.from_numpy(normal_P3).float()).double().numpy() ** 0.6
    near, far = depth_N.min(), depth_N.max()
    pale_P = palest * (depth_N[row_P] - near) / max(far - near, 1e-9)
    color_P3 = colors_N3[row_P] * light_P[:, None]
    color_P3 = color_P3 * (1 - pale_P[:, None]) + background * pale_P[:, None]
    # The nearest ball is drawn last: of several values for one place, NumPy keeps the last.
    order_P = np.argsort(-(depth_N[row_P] - radius * height_P), kind="stable")
    column_P, line_P = place_NM2[row_P, step_P].T
    image_SS3 = np.full((samples, samples, 3), background)
    image_SS3[line_P[order_P], column_P[order_P]] = color_P3[order_P]
    return image_SS3
