"""Cameras around an object that fills the unit sphere, y up.

B views, N points, P vertices
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.datasets.cameras import BLENDER_DISTANCE, BLENDER_FIELD_OF_VIEW

FIELD_OF_VIEW = 40.0
FITTING_DISTANCE = 1 / math.sin(math.radians(FIELD_OF_VIEW / 2))


@dataclass(frozen=True)
class View:
    """A camera that looks at the origin.

    Attributes:
        azimuth: degrees about the y axis; 0 looks from +z, 90 from +x.
        elevation: degrees above the horizon.
        roll: degrees about the line of sight.
        distance: from the origin, in radii of the object.
        fov: full field of view in degrees.
    """

    azimuth: float
    elevation: float
    roll: float = 0.0
    distance: float = FITTING_DISTANCE
    fov: float = FIELD_OF_VIEW

    def position(self) -> NDArray[np.float64]:
        """Returns the (3,) position of the camera."""
        azimuth, elevation = math.radians(self.azimuth), math.radians(self.elevation)
        level = math.cos(elevation)
        direction_3 = [level * math.sin(azimuth), math.sin(elevation), level * math.cos(azimuth)]
        return self.distance * np.array(direction_3)

    def rotation(self) -> NDArray[np.float64]:
        """Returns the (3, 3) rotation from the object's frame to right, up, and back."""
        azimuth, _, roll = (math.radians(angle) for angle in (self.azimuth, self.elevation, self.roll))
        right_3 = np.array([math.cos(azimuth), 0.0, -math.sin(azimuth)])
        back_3 = self.position() / self.distance
        up_3 = np.cross(back_3, right_3)
        cosine, sine = math.cos(roll), math.sin(roll)
        return np.stack([cosine * right_3 + sine * up_3, cosine * up_3 - sine * right_3, back_3])

    def to_camera(self, points_N3: NDArray[np.floating]) -> NDArray[np.float64]:
        """Returns the (N, 3) points in the camera's frame: right, up, back (so visible ones have z < 0)."""
        return np.asarray((points_N3 - self.position()) @ self.rotation().T)


def project(
    points_N3: NDArray[np.floating], view: View, size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Projects points onto the image.

    Args:
        points_N3: (N, 3) points in the object's frame.
        view: the camera.
        size: width and height of the image in pixels.

    Returns:
        pixel_N2: (N, 2) pixel coordinates, x to the right and y down, (0, 0) the upper left corner.
        depth_N: (N,) distance in front of the camera plane, in radii.
    """
    camera_N3 = view.to_camera(points_N3)
    depth_N = -camera_N3[:, 2]
    focal = size / 2 / math.tan(math.radians(view.fov / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        offset_N2 = focal * camera_N3[:, :2] / depth_N[:, None]
    return size / 2 + offset_N2 * (1.0, -1.0), depth_N


@dataclass(frozen=True, eq=False)
class Projection:
    """The vertices of a mesh as some views see them.

    Attributes:
        views: the B cameras.
        samples: samples of a picture's side.
        pixel_BP2: (B, P, 2) float64 places, x to the right and y down, in samples.
        depth_BP: (B, P) float64 distances in front of the camera plane, in radii.
    """

    views: Sequence[View]
    samples: int
    pixel_BP2: Tensor
    depth_BP: Tensor

    @classmethod
    def of(
        cls,
        vertices_P3: NDArray[np.floating],
        views: Sequence[View],
        samples: int,
        device: torch.device | str = "cpu",
    ) -> Projection:
        """Projects vertices."""
        pixels, depths = zip(*(project(vertices_P3, view, samples) for view in views), strict=True)
        pixel_BP2, depth_BP = (torch.from_numpy(np.stack(parts)).to(device) for parts in (pixels, depths))
        return cls(views, samples, pixel_BP2, depth_BP)


def _blender_view(azimuth: float, elevation: float, share: float) -> View:
    return View(azimuth, elevation, 0.0, BLENDER_DISTANCE * share, BLENDER_FIELD_OF_VIEW)


def _r2n2(generator: np.random.Generator) -> list[View]:
    azimuth, elevation = generator.uniform(0, 360, 24), generator.uniform(25, 30, 24)
    return [*map(_blender_view, azimuth, elevation, generator.uniform(0.65, 0.95, 24))]


def _disn(generator: np.random.Generator) -> list[View]:
    azimuth = (10.0 * np.arange(36) + generator.uniform(-5, 5, 36)) % 360
    return [*map(_blender_view, azimuth, generator.uniform(20, 30, 36), generator.uniform(0.65, 1.0, 36))]


def _sphere(generator: np.random.Generator) -> list[View]:
    height = 1 - (2 * np.arange(20) + 1) / 20
    golden_angle = 180 * (3 - math.sqrt(5))
    return [View(golden_angle * n % 360, math.degrees(math.asin(h))) for n, h in enumerate(height)]


def _orbit8(generator: np.random.Generator) -> list[View]:
    azimuth = (45.0 * np.arange(8) + generator.uniform(0, 360) + generator.uniform(-15, 15, 8)) % 360
    elevation = generator.uniform(5, 40, 8)
    distance = FITTING_DISTANCE * generator.uniform(0.95, 1.1, 8)
    return [View(a, e, 0.0, d) for a, e, d in zip(azimuth, elevation, distance, strict=True)]


RIGS: dict[str, Callable[[np.random.Generator], list[View]]] = {
    "r2n2": _r2n2,
    "disn": _disn,
    "mvcnn12": lambda _: [View(30.0 * number, 30.0) for number in range(12)],
    "sphere": _sphere,
    "orbit8": _orbit8,
}


def rig(name: str, seed: int = 0) -> tuple[View, ...]:
    """Returns the cameras of a named rig.

    `r2n2` has 24 views at random azimuths and elevations of 25 to 30 degrees; `disn` has 36 views every
    10 +- 5 degrees at elevations of 20 to 30; both use the distances and the lens of these data sets.
    `mvcnn12` has 12 views every 30 degrees at 30, `sphere` 20 views all around, `orbit8` 8 views about 45
    degrees apart at 5 to 40.

    Args:
        name: one of `RIGS`.
        seed: seed of the random rigs.

    Returns:
        The views.

    Raises:
        ValueError: there is no such rig; the message lists the known ones.
    """
    if name not in RIGS:
        raise ValueError(f"unknown rig {name!r}; known are {sorted(RIGS)}")
    return tuple(RIGS[name](np.random.default_rng(seed)))
