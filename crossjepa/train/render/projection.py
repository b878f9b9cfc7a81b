"""The vertices of a mesh as several cameras see them.

B views, P vertices
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.train.render.camera import View, project


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
