"""From an object to its pictures, the cameras that took them, and its points.

V views, P stored points, H x W pixels
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis
from crossjepa.datasets.sample import Sample
from crossjepa.io import Mesh, PointCloud
from crossjepa.ops.mesh_sampling import sample_surface
from crossjepa.processor import Frame, rotate_up_axis, unit_sphere
from crossjepa.train.render import View, color_histogram, resize_images, rig
from crossjepa.train.render.shading import Drawn, draw_mesh
from crossjepa.train.render.splat import draw_cloud
from crossjepa.train.render.visibility import CLOUD_TOLERANCE, TOLERANCE


@dataclass(frozen=True)
class RenderConfig:
    """Everything but the object itself that determines its pictures and points.

    Attributes:
        rig: name of the camera rig.
        image_size: width and height of the pictures in pixels.
        supersample: samples along each side of a pixel.
        stored_points: points kept of each object, from which training draws (P).
        seed: seed of the rigs and of the surface sampling.
    """

    rig: str = "orbit8"
    image_size: int = 224
    supersample: int = 2
    stored_points: int = 4096
    seed: int = 0

    def facts(self) -> dict[str, Any]:
        """Returns the fields as plain values, for the recipes of caches and renderings."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class ObjectViews:
    """Pictures of an object, and its points in the frame of the cameras.

    Attributes:
        images_VHW3: (V, H, W, 3) uint8 RGB.
        poses_V5: (V, 5) float32 azimuth, elevation, roll, distance, field of view; degrees and radii.
        histograms_VH: (V, 48) float32 color histograms.
        points_P3: (P, 3) float32 points uniform by area, centroid 0, largest radius 1, y up.
        frame: centroid and radius of the points before they were normalized.
        depth_VSS: (V, S, S) float32 depth at the samples of the pictures, see `Drawn`; None for pictures that
            the object comes with.
        tolerance: how far behind this depth a point may lie that is seen, see `see_points`.
    """

    images_VHW3: NDArray[np.uint8]
    poses_V5: NDArray[np.float32]
    histograms_VH: NDArray[np.float32]
    points_P3: NDArray[np.float32]
    frame: Frame
    depth_VSS: NDArray[np.float32] | None = None
    tolerance: float = TOLERANCE


def make_views(sample: Sample, row: int, config: RenderConfig, device: str = "cpu") -> ObjectViews:
    """Samples the points of an object and renders it, or takes the pictures it comes with.

    Args:
        sample: the object.
        row: its number, which together with the seed determines everything random.
        config: points and cameras.
        device: where to render.

    Returns:
        Its pictures and points.

    Raises:
        ValueError: it cannot be rendered.
    """
    generator = np.random.default_rng([config.seed, row])
    points_P3 = _stored_points(sample.shape, sample.up_axis, config.stored_points, generator)
    frame = unit_sphere(points_P3)
    if sample.renderings is None:
        views = rig(config.rig, seed=int(generator.integers(2**31)))
        images_VHW3, depth_VSS = _render(sample, frame, views, config, device)
        poses_V5 = np.array([pose_of(view) for view in views], np.float32)
    else:
        images_VHW3 = resize_images(sample.renderings.images_VHW3, config.image_size)
        poses_V5, depth_VSS = sample.renderings.poses_V5, None
    histograms_VH = color_histogram(images_VHW3)
    tolerance = TOLERANCE if isinstance(sample.shape, Mesh) else CLOUD_TOLERANCE
    placed_P3 = frame.apply(points_P3)
    return ObjectViews(images_VHW3, poses_V5, histograms_VH, placed_P3, frame, depth_VSS, tolerance)


def pose_of(view: View) -> tuple[float, float, float, float, float]:
    """Returns azimuth, elevation, roll, distance and field of view."""
    return view.azimuth, view.elevation, view.roll, view.distance, view.fov


def _stored_points(
    shape: Mesh | PointCloud, up_axis: Axis, count: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Returns (P, 3) points, y up; a cloud of fewer points repeats them, in random order."""
    if isinstance(shape, Mesh):
        points_P3, _ = sample_surface(_upright(shape.vertices_V3, up_axis), shape.faces_F3, count, generator)
        return points_P3
    order_N = generator.permutation(len(shape.points_N3))
    return _upright(shape.points_N3, up_axis)[np.resize(order_N, count)]


def _render(sample: Sample, frame: Frame, views: Sequence[View], config: RenderConfig, device: str) -> Drawn:
    shape, size, supersample = sample.shape, config.image_size, config.supersample
    if isinstance(shape, Mesh):
        vertices_V3 = frame.apply(_upright(shape.vertices_V3, sample.up_axis))
        return draw_mesh(
            vertices_V3,
            shape.faces_F3,
            views,
            size=size,
            supersample=supersample,
            appearance=shape.appearance,
            device=device,
        )
    # More points would be finer than the pixels.
    most = (size * supersample) ** 2 // 8
    chosen_M = np.linspace(0, len(shape.points_N3) - 1, min(most, len(shape.points_N3))).astype(np.int64)
    return draw_cloud(
        frame.apply(_upright(shape.points_N3[chosen_M], sample.up_axis)),
        views,
        size=size,
        supersample=supersample,
        colors_N3=None if shape.colors_N3 is None else shape.colors_N3[chosen_M],
        device=device,
    )


def _upright(points_N3: NDArray[np.float64], up_axis: Axis) -> NDArray[np.float64]:
    return rotate_up_axis(points_N3, up_axis, "y")
