"""Which face every sample of a picture shows: the one question that renderers of meshes answer differently.

B views, P vertices, F faces, H x W samples
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, Protocol, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.train.render.camera import View, project
from crossjepa.train.render.rasterizer import rasterize_views

Renderer: TypeAlias = Literal["zbuffer", "embree"]
RENDERERS: tuple[Renderer, ...] = get_args(Renderer)


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


class Surface(Protocol):
    """A mesh that knows which of its faces are seen."""

    def nearest(self, seen: Projection, behind_BHW: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Finds the nearest face at the center of every sample, whichever side of it is seen.

        Of faces with the same corners the last one is seen. Faces with a vertex at or behind the camera are
        left out.

        Args:
            seen: the vertices of the mesh as the views see them.
            behind_BHW: (B, H, W) depth at and before which nothing is seen.

        Returns:
            depth_BHW: (B, H, W) float32 depth, inf where there is nothing.
            face_BHW: (B, H, W) int64 face numbers, -1 where there is nothing.
        """


def open_surface(renderer: Renderer, vertices_P3: NDArray[np.floating], faces_F3: Tensor) -> Surface:
    """Prepares a mesh for a renderer.

    Args:
        renderer: "zbuffer", our own on any device, or "embree", rays that Embree casts on the CPU.
        vertices_P3: (P, 3) vertices.
        faces_F3: (F, 3) int64 vertex numbers, on the device where the answers shall be.

    Returns:
        The surface.

    Raises:
        ImportError: embreex is missing; install `crossjepa[embree]`.
        ValueError: there is no such renderer.
    """
    check_renderer(renderer)
    if renderer == "zbuffer":
        return ZBuffer(faces_F3)
    from crossjepa.train.render.embree import RayCaster

    return RayCaster(vertices_P3, faces_F3)


def check_renderer(renderer: Renderer) -> None:
    """Raises where a renderer cannot be used, as `open_surface` does."""
    if renderer not in RENDERERS:
        raise ValueError(f"unknown renderer {renderer!r}; known are {', '.join(RENDERERS)}")
    if renderer == "embree" and find_spec("embreex") is None:
        raise ImportError("the renderer embree needs embreex: pip install 'crossjepa[embree]'")


class ZBuffer:
    """Projected faces that are drawn into a buffer of depths; see `Surface`."""

    def __init__(self, faces_F3: Tensor) -> None:
        self.faces_F3 = faces_F3

    def nearest(self, seen: Projection, behind_BHW: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """See `Surface`."""
        return rasterize_views(seen.pixel_BP2, seen.depth_BP, self.faces_F3, seen.samples, behind_BHW)
