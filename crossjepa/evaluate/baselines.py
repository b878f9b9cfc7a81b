"""Baselines that any claim must beat: the same network untrained, and histograms of distances.

n clouds, N points, E embedding width
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crossjepa.batching import with_progress
from crossjepa.config import Axis, ModelConfig, Pooling
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.evaluate.features import Features, Points
from crossjepa.processor import PointCloudProcessor

CALIBRATION_CLOUDS, CALIBRATION_BATCH = 256, 64
BINS, TRIPLES = 64, 8192


def untrained_encoder(
    clouds: Sequence[Points], seed: int, *, config: ModelConfig | None = None, up_axis: Axis | None = None
) -> CrossJEPAEncoder:
    """Makes a random encoder whose batch norms have seen training clouds, which makes it a stronger baseline.

    Args:
        clouds: (N_i, 3) training clouds without labels; the first 256 are used.
        seed: seed of the weights.
        config: its size, `crossjepa-base` by default.
        up_axis: the axis that points up in the clouds.

    Returns:
        The encoder in evaluation mode.
    """
    torch.manual_seed(seed)
    encoder = CrossJEPAEncoder(config)
    norms = [module for module in encoder.modules() if isinstance(module, torch.nn.BatchNorm1d)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # the mean over all batches
    encoder.train()
    with torch.no_grad():
        for start in range(0, min(CALIBRATION_CLOUDS, len(clouds)), CALIBRATION_BATCH):
            batch = clouds[start : min(start + CALIBRATION_BATCH, CALIBRATION_CLOUDS)]
            ready = [encoder.preprocess(cloud, up_axis=up_axis) for cloud in batch]
            for size in sorted(set(map(len, ready))):
                encoder(torch.stack([cloud_N3 for cloud_N3 in ready if len(cloud_N3) == size]))
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
    return encoder.eval()


@dataclass(frozen=True, eq=False)
class ShapeDistributions:
    """Shape distributions: histograms of distances, angles and areas of random points of a shape.

    D2 is the histogram of all distances between two points; the longer feature appends the histograms of the
    distance from the centroid (D1), and of the angle (A3) and the root of the area (D3) of random triangles.

    R. Osada et al., Shape Distributions, ACM Transactions on Graphics 21(4), 2002.

    Attributes:
        name: "d2", or "shape-distributions" for the longer one.
        pooling: "", since there are no tokens.
    """

    name: str = "d2"
    pooling: str = ""

    def describe(self) -> dict[str, Any]:
        """Returns its parameters."""
        return {"kind": self.name, "bins": BINS, "triples": TRIPLES, "points": 1024}

    def extract(
        self, clouds: Iterable[Points], up_axis: Axis, *, batch_size: int = 32, progress: bool | None = None
    ) -> Features:
        """Returns the (n, 64) or (n, 256) histograms of (N_i, 3) clouds."""
        processor = PointCloudProcessor()
        parts: list[Callable[[Points], NDArray[np.float64]]] = [distances]
        if self.name != "d2":
            parts += [radii, angles, areas]
        rows = []
        for cloud in with_progress(clouds, 4 * batch_size, progress, self.name, unit="input"):
            ready_N3 = processor(cloud, up_axis=up_axis).double().numpy()
            rows.append(np.concatenate([part(ready_N3) for part in parts]))
        return np.stack(rows).astype(np.float32)

    def select(self, features_nA: Features) -> Features:
        """Returns all columns."""
        return features_nA

    def pooled(self, pool: Pooling) -> ShapeDistributions:
        """Returns itself: there are no tokens to pool."""
        return self


def distances(points_N3: Points) -> NDArray[np.float64]:
    """D2: the histogram of the distances of all pairs of points in the unit sphere, which sums to 1."""
    squares_N = (points_N3**2).sum(axis=1)
    squared_NN = squares_N[:, None] + squares_N[None] - 2 * points_N3 @ points_N3.T
    counts = _counts(np.sqrt(np.maximum(squared_NN, 0)), 2.0)
    counts[0] -= len(points_N3)  # every point with itself; every pair is counted twice
    return np.asarray(counts / max(counts.sum(), 1))


def radii(points_N3: Points) -> NDArray[np.float64]:
    """D1: the histogram of the distances from the centroid."""
    return _histogram(np.linalg.norm(points_N3, axis=1), 1.0)


def angles(points_N3: Points) -> NDArray[np.float64]:
    """A3: the histogram of the angles at one corner of random triangles."""
    corners = _triangles(points_N3)
    first, second = corners[1] - corners[0], corners[2] - corners[0]
    across = np.linalg.norm(np.cross(first, second), axis=1)
    return _histogram(np.arctan2(across, (first * second).sum(axis=1)), np.pi)


def areas(points_N3: Points) -> NDArray[np.float64]:
    """D3: the histogram of the roots of the areas of random triangles."""
    corners = _triangles(points_N3)
    across = np.linalg.norm(np.cross(corners[1] - corners[0], corners[2] - corners[0]), axis=1)
    return _histogram(np.sqrt(across / 2), 1.2)  # the largest triangle in the unit sphere has a root of 1.14


def _triangles(points_N3: Points) -> NDArray[np.float64]:
    """Returns (3, T, 3) corners, the same choice for all clouds of a size."""
    generator = np.random.default_rng(0)
    return np.asarray(points_N3[generator.integers(0, len(points_N3), (3, TRIPLES))])


def _histogram(values: NDArray[np.float64], highest: float) -> NDArray[np.float64]:
    counts = _counts(values, highest)
    return np.asarray(counts / counts.sum())


def _counts(values: NDArray[np.float64], highest: float) -> NDArray[np.float64]:
    """Counts values in equal bins from 0; larger values than the highest go into the last one."""
    bins = np.minimum((values.ravel() * (BINS / highest)).astype(np.int64), BINS - 1)
    return np.bincount(bins, minlength=BINS).astype(np.float64)
