"""Random numbers that depend on the cloud alone, and clouds in the unit sphere.

B clouds, N points
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class Draws:
    """Random numbers for a batch, a generator a cloud, so that they do not depend on who else is in it.

    Args:
        generators: one a cloud.
        device: where the numbers are wanted. They are drawn on the CPU, so that they are the same everywhere.
    """

    def __init__(self, generators: Sequence[np.random.Generator], device: torch.device | str = "cpu") -> None:
        self.generators, self.device = generators, device

    def on(self, device: torch.device | str) -> Draws:
        """Returns further numbers of the same generators on another device."""
        return Draws(self.generators, device)

    def uniform(self, *shape: int) -> Tensor:
        """Returns (B, *shape) float32 in [0, 1)."""
        return self._stack([generator.random(shape, np.float32) for generator in self.generators])

    def normal(self, *shape: int) -> Tensor:
        """Returns (B, *shape) float32 with mean 0 and deviation 1."""
        return self._stack([generator.standard_normal(shape, np.float32) for generator in self.generators])

    def _stack(self, parts: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(parts)).to(self.device)


def normalize_batch(points_BN3: Tensor) -> Tensor:
    """Moves each centroid to the origin and scales each largest radius to 1."""
    points_BN3 = points_BN3 - points_BN3.mean(dim=1, keepdim=True)
    radius_B11 = points_BN3.norm(dim=-1).amax(dim=1)[:, None, None].clamp_min(1e-6)
    return torch.div(points_BN3, radius_B11)
