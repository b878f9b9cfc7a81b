"""Random numbers that depend only on the cloud, and clouds in the unit sphere.

B clouds, N points
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class CloudRng:
    """Random numbers for a batch, from one generator per cloud, so that clouds do not depend on each other.

    Args:
        generators: one per cloud.
        device: where the numbers are needed. They are made on the CPU, so that they are the same everywhere.
    """

    def __init__(self, generators: Sequence[np.random.Generator], device: torch.device | str = "cpu") -> None:
        self.generators, self.device = generators, device

    def on(self, device: torch.device | str) -> CloudRng:
        """Returns a source of further numbers from the same generators on another device."""
        return CloudRng(self.generators, device)

    def of(self, clouds: Sequence[int]) -> CloudRng:
        """Returns a source of further numbers for some of the clouds, by their places in the batch."""
        return CloudRng([self.generators[cloud] for cloud in clouds], self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Returns (B, *shape) float32 in [0, 1)."""
        return self._stack([generator.random(shape, np.float32) for generator in self.generators])

    def normal(self, *shape: int) -> Tensor:
        """Returns (B, *shape) float32 with mean 0 and standard deviation 1."""
        return self._stack([generator.standard_normal(shape, np.float32) for generator in self.generators])

    def _stack(self, parts: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(parts)).to(self.device)


def unit_spheres(points_BN3: Tensor, mask_BN: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Returns the (B, 1, 3) centroids of clouds and their (B, 1, 1) largest radii.

    Args:
        points_BN3: (B, N, 3) points.
        mask_BN: (B, N) bool, True for points that count; None if all do.
    """
    if mask_BN is None:
        centroid_B13 = points_BN3.mean(dim=1, keepdim=True)
    else:
        share_BN = mask_BN / mask_BN.sum(dim=1, keepdim=True)
        centroid_B13 = (points_BN3 * share_BN[..., None]).sum(dim=1, keepdim=True)
    radius_BN = (points_BN3 - centroid_B13).norm(dim=-1)
    if mask_BN is not None:
        radius_BN = radius_BN * mask_BN
    return centroid_B13, radius_BN.amax(dim=1)[:, None, None].clamp_min(1e-6)


def normalize_batch(points_BN3: Tensor) -> Tensor:
    """Moves the centroid of each cloud to the origin and scales its largest radius to 1."""
    centroid_B13, radius_B11 = unit_spheres(points_BN3)
    return (points_BN3 - centroid_B13) / radius_B11
