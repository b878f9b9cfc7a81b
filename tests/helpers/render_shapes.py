"""Shapes whose pictures are known, and what a picture shows of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def sphere_mesh(radius: float = 0.8, rows: int = 48) -> tuple[Floats, Integers]:
    """A sphere of quads cut in two; its poles are on the y axis."""
    polar, azimuth = np.meshgrid(
        np.linspace(0, np.pi, rows + 1), np.linspace(0, 2 * np.pi, 2 * rows + 1), indexing="ij"
    )
    vertices_RC3 = np.stack(
        [np.sin(polar) * np.sin(azimuth), np.cos(polar), np.sin(polar) * np.cos(azimuth)], axis=-1
    )
    number_RC = np.arange(polar.size).reshape(polar.shape)
    a, b, c, d = number_RC[:-1, :-1], number_RC[1:, :-1], number_RC[1:, 1:], number_RC[:-1, 1:]
    faces_F3 = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    )
    return radius * vertices_RC3.reshape(-1, 3), faces_F3


def sphere_points(count: int, radius: float = 0.8, seed: int = 0) -> Floats:
    direction_N3 = np.random.default_rng(seed).normal(size=(count, 3))
    return np.asarray(radius * direction_N3 / np.linalg.norm(direction_N3, axis=1, keepdims=True))


def covered(images_VHW3: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((images_VHW3 < 250).all(axis=-1))
