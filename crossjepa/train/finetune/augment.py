"""Augmentation of labeled clouds: stretch, turn, move, and noise; each cloud has its own random numbers.

B clouds, N points
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from crossjepa.config import Axis
from crossjepa.train.common.rng import CloudRng
from crossjepa.train.finetune.config import AugmentConfig

# Purposes of random numbers; no two of them share their numbers.
ORDER, COPY, PICK, SHAPE, QUERY, DROPOUT = range(6)
# Up, and the two axes that a rotation about it turns into each other.
_PLANES: dict[str, tuple[int, int]] = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}


def generators(seed: int, purpose: int, number: int, rows: Iterable[int]) -> list[np.random.Generator]:
    """Returns one generator per cloud, which does not depend on the other clouds of the batch.

    Args:
        seed: seed of the run.
        purpose: `SHAPE`, `QUERY` and so on.
        number: number of the epoch, or of the frozen copy.
        rows: places of the clouds.
    """
    return [np.random.default_rng([seed, purpose, number, row]) for row in rows]


@dataclass(frozen=True, eq=False)
class Augmentation:
    """One random map per cloud of a batch, the same for all sets of points of a cloud.

    Attributes:
        matrix_B33: (B, 3, 3) map of row vectors.
        shift_B13: (B, 1, 3) what is added after it.
        rng: random numbers for the noise.
        jitter: standard deviation of the noise.
    """

    matrix_B33: Tensor
    shift_B13: Tensor
    rng: CloudRng
    jitter: float

    def with_noise_of(self, generators: Sequence[np.random.Generator]) -> Augmentation:
        """Returns the same maps with noise from other generators."""
        return replace(self, rng=CloudRng(generators))

    def __call__(self, points_BN3: Tensor) -> Tensor:
        """Returns (B, N, 3) augmented points with fresh noise."""
        moved_BN3 = points_BN3 @ self.matrix_B33 + self.shift_B13
        if self.jitter:
            moved_BN3 = moved_BN3 + self.jitter * self.rng.normal(*points_BN3.shape[1:])
        return moved_BN3


def draw_augmentation(
    config: AugmentConfig, up_axis: Axis, generators: Sequence[np.random.Generator]
) -> Augmentation:
    """Draws an augmentation for each cloud.

    Args:
        config: the ranges.
        up_axis: the axis that points up for the weights.
        generators: one per cloud.
    """
    rng = CloudRng(generators)
    stretch_B3 = 1 + config.scale_range * (2 * rng.uniform(3) - 1)
    matrix_B33 = torch.diag_embed(stretch_B3)
    angle_B = 2 * math.pi * rng.uniform(1)[:, 0]
    if config.rotate == "up":
        first, second = _PLANES[up_axis]
        rotation_B33 = torch.eye(3).repeat(len(angle_B), 1, 1)
        rotation_B33[:, first, first] = rotation_B33[:, second, second] = angle_B.cos()
        rotation_B33[:, first, second], rotation_B33[:, second, first] = angle_B.sin(), -angle_B.sin()
        matrix_B33 = matrix_B33 @ rotation_B33
    shift_B13 = config.translate * (2 * rng.uniform(1, 3) - 1)
    return Augmentation(matrix_B33, shift_B13, rng, config.jitter)
