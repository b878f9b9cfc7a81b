"""ModelNet-C: seven corruptions in five levels (Ren et al. 2022, https://arxiv.org/abs/2202.03377).

Written from the definitions of its authors' code, not copied.

N points, K points that are added or deleted
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.corruptions import LEVELS, POINTS, Benchmark, Corruption, Random, measure
from crossjepa.evaluate.features import Points
from crossjepa.evaluate.robustness import rotation_about
from crossjepa.processor import unit_sphere
from crossjepa.result import Outcome

# Accuracy of DGCNN, trained end to end: the authors' constants, which errors are divided by.
DGCNN = {
    "clean": 0.926, "scale": 0.906, "jitter": 0.684, "rotate": 0.785, "dropout_global": 0.752,
    "dropout_local": 0.793, "add_global": 0.705, "add_local": 0.725,
}  # fmt: skip
PUBLISHED = (
    "DGCNN: clean .926, mCE 1.000", "PointNet: clean .907, mCE 1.422", "GDANet: clean .934, mCE .892",
    "Point-MAE, fine-tuned: clean .926, mCE .983", "Uni3D-B, fine-tuned: clean .929, mCE .746",
)  # fmt: skip


def run_modelnet_c(
    context: EvaluationContext,
    corrupted: str | os.PathLike[str] | None = None,
    test_clouds: int | None = None,
) -> Outcome:
    """Tests the default linear SVM, fitted on clean clouds, on seven corruptions in five levels.

    Args:
        context: data and features.
        corrupted: folder of the official files `clean.h5`, `scale_0.h5` and so on; re-created without it.
        test_clouds: evaluate only this many test clouds.

    Returns:
        Metrics `accuracy` (clean), `mCE`, `RmCE` and `mOA`, and one row per corruption.

    Raises:
        ValueError, PointCloudError: as in `measure`.
    """
    found = measure(context, MODELNET_C, corrupted, test_clouds)
    metrics, rows = scores(found.clean, found.corrupted)
    published = [f"{row} (trained end to end: another protocol)" for row in PUBLISHED]
    return Outcome(metrics, rows, {**found.settings, "published": published})


def scores(clean: float, corrupted: dict[str, list[float]]) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Computes errors relative to those of DGCNN, as the authors' code.

    Args:
        clean: accuracy on clean clouds.
        corrupted: accuracy by corruption, for each level.

    Returns:
        The metrics, and a row for clean clouds, each corruption, and the means.
    """
    clean = round(clean, 3)
    rows: list[dict[str, Any]] = []
    for name, accuracies in corrupted.items():
        mean = round(float(np.mean(accuracies)), 3)  # the authors round before they divide
        error = (1 - mean) / (1 - DGCNN[name])
        relative = (clean - mean) / (DGCNN["clean"] - DGCNN[name])
        levels = {str(level + 1): accuracy for level, accuracy in enumerate(accuracies)}
        rows.append({"corruption": name, **levels, "OA": mean, "CE": error, "RCE": relative})
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("OA", "CE", "RCE")}
    blank = {str(level + 1): "" for level in range(LEVELS)}
    table: list[dict[str, Any]] = [{"corruption": "none", **blank, "OA": clean, "CE": "", "RCE": ""}, *rows]
    table.append({"corruption": "mean", **blank, **means})
    metrics = {"accuracy": clean, "mCE": means["CE"], "RmCE": means["RCE"], "mOA": means["OA"]}
    return metrics, table


def scale(points_N3: Points, level: int, rng: Random) -> Points:
    """Stretches each axis by a factor of its own, then normalizes to the unit sphere."""
    most = (1.6, 1.7, 1.8, 1.9, 2.0)[level]
    stretched_N3 = points_N3 * rng.uniform(1 / most, most, 3)
    frame = unit_sphere(stretched_N3)
    return np.asarray((stretched_N3 - frame.centroid_3) / frame.radius)


def jitter(points_N3: Points, level: int, rng: Random) -> Points:
    """Moves every coordinate by normal noise."""
    return points_N3 + 0.01 * (level + 1) * rng.standard_normal(points_N3.shape)


def rotate(points_N3: Points, level: int, rng: Random) -> Points:
    """Turns about each axis by up to 6 to 30 degrees."""
    most = np.pi / 6 * (level + 1) / 5
    about_x, about_y, about_z = map(rotation_about, np.eye(3), rng.uniform(-most, most, 3))
    return np.asarray(points_N3 @ (about_z @ about_y @ about_x))


def dropout_global(points_N3: Points, level: int, rng: Random) -> Points:
    """Deletes 25 to 75 % of the points."""
    share = (0.25, 0.375, 0.5, 0.625, 0.75)[level]
    return _shuffled(points_N3, rng)[: int(len(points_N3) * (1 - share))]


def dropout_local(points_N3: Points, level: int, rng: Random) -> Points:
    """Deletes up to seven clusters: the nearest points of random ones, 100 to 500 in all."""
    for size in _cluster_sizes(level, rng):
        points_N3 = _shuffled(points_N3, rng)
        squared_N = ((points_N3 - points_N3[0]) ** 2).sum(axis=1)
        points_N3 = points_N3[squared_N.argsort()[::-1][: len(points_N3) - size]]
    return points_N3


def add_global(points_N3: Points, level: int, rng: Random) -> Points:
    """Adds 10 to 50 points, uniform in the unit ball."""
    count = 10 * (level + 1)
    radius_K = rng.uniform(size=count) ** (1 / 3)
    height_K, angle_K = rng.uniform(-1, 1, count), rng.uniform(0, 2 * np.pi, count)
    flat_K = np.sqrt(1 - height_K**2)
    unit_K3 = np.stack([flat_K * np.cos(angle_K), flat_K * np.sin(angle_K), height_K], axis=1)
    return np.concatenate([points_N3, radius_K[:, None] * unit_K3])


def add_local(points_N3: Points, level: int, rng: Random) -> Points:
    """Adds up to seven normal clusters around random points, 100 to 500 points in all."""
    sizes = _cluster_sizes(level, rng)
    points_N3 = _shuffled(points_N3, rng)
    added = []
    for center_3, size in zip(points_N3, sizes, strict=False):
        deviation = rng.uniform(0.075, 0.125)
        added.append(center_3 + deviation * rng.standard_normal((size, 3)))
    added_K3 = np.concatenate(added)
    squared_K1 = (added_K3**2).sum(axis=1, keepdims=True)
    # Divided by the squared norm, as in the authors' code, where the norm would have been meant.
    return np.concatenate([points_N3, added_K3 / np.maximum(squared_K1, 1)])


def _shuffled(points_N3: Points, rng: Random) -> Points:
    return points_N3[rng.uniform(size=len(points_N3)).argsort()]


def _cluster_sizes(level: int, rng: Random) -> NDArray[np.int64]:
    """Shares 100 to 500 points among up to seven clusters at random."""
    clusters = rng.randint(1, 8)
    return np.bincount(rng.randint(clusters, size=100 * (level + 1)), minlength=clusters)


MODELNET_C = Benchmark(
    "ModelNet-C",
    [
        Corruption("scale", scale),
        Corruption("jitter", jitter),
        Corruption("rotate", rotate),
        Corruption("dropout_global", dropout_global),
        Corruption("dropout_local", dropout_local),
        Corruption("add_global", add_global),
        Corruption("add_local", add_local),
    ],
    seed=0,
    choose=lambda corruption, count, rng: slice(POINTS),
    rows=f"the first {POINTS:,} stored points",
    file=lambda name, level: f"{name}_{level}.h5" if name else "clean.h5",
)
