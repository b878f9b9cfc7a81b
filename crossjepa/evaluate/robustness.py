"""Robustness: the accuracy of a probe that was fitted on clean clouds, on rotated, noisy and cut test clouds.

N points
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from crossjepa.config import Axis
from crossjepa.evaluate.context import EvaluationContext
from crossjepa.evaluate.features import Points, Transform
from crossjepa.evaluate.linear import fit_linear_svm
from crossjepa.evaluate.probes import folds_of
from crossjepa.processor import unit_sphere
from crossjepa.result import Outcome

Change = Callable[[Points, np.random.Generator], Points]


@dataclass(frozen=True)
class Disturbance:
    """One row of the table.

    Attributes:
        kind: what is disturbed.
        amount: how much, in words.
        change: returns the changed points of a cloud in the unit sphere.
    """

    kind: str
    amount: str
    change: Change


def run_robustness(context: EvaluationContext) -> Outcome:
    """Fits the default linear SVM on clean training clouds and tests it on disturbed test clouds.

    Disturbances act on the cloud as stored, scaled to the unit sphere, before the preprocessing of the
    weights; their random numbers depend only on the seed and the place of the cloud.
    """
    partition = context.learnable()[0]
    train_n, test_m = context.labels(partition.train_n), context.labels(partition.test_m)
    train_nE = context.features(partition.train_n)
    machine = fit_linear_svm(train_nE, train_n, folds=folds_of(train_n), seed=context.seed, jobs=context.jobs)
    clean = machine.score(context.features(partition.test_m), test_m)
    rows: list[dict[str, Any]] = [{"disturbance": "none", "amount": "", "accuracy": clean, "change": 0.0}]
    for disturbance in disturbances(context.dataset.up_axis):
        transform = as_transform(disturbance, context.seed)
        accuracy = machine.score(context.features(partition.test_m, transform=transform), test_m)
        rows.append(
            {
                "disturbance": disturbance.kind,
                "amount": disturbance.amount,
                "accuracy": accuracy,
                "change": accuracy - clean,
            }
        )
    kinds = sorted({row["disturbance"] for row in rows[1:]})
    means = {
        f"accuracy_{kind.replace(' ', '_')}": float(
            np.mean([row["accuracy"] for row in rows if row["disturbance"] == kind])
        )
        for kind in kinds
    }
    settings = {
        "classifier": "linear SVM fitted on clean clouds",
        "scaling": machine.scaling,
        "C": machine.cost,
        "test": f"{len(test_m)} clouds of {partition.name}",
    }
    return Outcome({"accuracy": clean, **means}, rows, settings)


def as_transform(disturbance: Disturbance, seed: int) -> Transform:
    """Returns a disturbance with the random numbers of a seed."""

    def apply(points_N3: Points, place: int) -> Points:
        frame = unit_sphere(points_N3)
        return disturbance.change(
            (points_N3 - frame.centroid_3) / frame.radius, np.random.default_rng([seed, place])
        )

    return Transform(f"{disturbance.kind} {disturbance.amount}, seed {seed}", apply)


def disturbances(up_axis: Axis) -> list[Disturbance]:
    """Lists the rows of the table for clouds whose up axis is known."""
    up = "xyz".index(up_axis)
    rows = [Disturbance("rotation", "any angle about the vertical", partial(_turn_about, up=up))]
    for degrees in (15, 30):
        rows += [
            Disturbance("rotation", f"tilt of {degrees} degrees", partial(_tilt, degrees=degrees, up=up))
        ]
    rows += [Disturbance("rotation", "any", turn_any)]
    for sigma in (0.01, 0.02, 0.05):
        rows += [Disturbance("jitter", f"deviation {sigma}", partial(_jitter, sigma=sigma))]
    for share in (0.25, 0.5, 0.75):
        rows += [Disturbance("dropout", f"{share:.0%} of the points", partial(_drop, share=share))]
    for share in (0.25, 0.5):
        rows += [Disturbance("occlusion", f"{share:.0%} cut off one side", partial(_cut, share=share))]
    for count in (64, 128, 256, 512):
        rows += [Disturbance("point count", f"{count}", partial(_keep, count=count))]
    return rows


def turn_any(points_N3: Points, generator: np.random.Generator) -> Points:
    """Turns a cloud by a uniformly random rotation."""
    q_w, q_x, q_y, q_z = _unit(generator.normal(size=4))
    rotation_33 = np.array(
        [
            [1 - 2 * (q_y**2 + q_z**2), 2 * (q_x * q_y - q_w * q_z), 2 * (q_x * q_z + q_w * q_y)],
            [2 * (q_x * q_y + q_w * q_z), 1 - 2 * (q_x**2 + q_z**2), 2 * (q_y * q_z - q_w * q_x)],
            [2 * (q_x * q_z - q_w * q_y), 2 * (q_y * q_z + q_w * q_x), 1 - 2 * (q_x**2 + q_y**2)],
        ]
    )
    return np.asarray(points_N3 @ rotation_33.T)


def rotation_about(axis_3: Points, angle: float) -> Points:
    """Returns the (3, 3) rotation by an angle in radians about a unit vector (Rodrigues' formula)."""
    x, y, z = axis_3
    cross_33 = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross_33 + (1 - np.cos(angle)) * cross_33 @ cross_33)


def _turn_about(points_N3: Points, generator: np.random.Generator, up: int) -> Points:
    return np.asarray(points_N3 @ rotation_about(np.eye(3)[up], generator.uniform(0, 2 * np.pi)).T)


def _tilt(points_N3: Points, generator: np.random.Generator, degrees: float, up: int) -> Points:
    """Turns by a fixed angle about a random horizontal axis."""
    axis_3 = generator.normal(size=3)
    axis_3[up] = 0
    return np.asarray(points_N3 @ rotation_about(_unit(axis_3), np.deg2rad(degrees)).T)


def _jitter(points_N3: Points, generator: np.random.Generator, sigma: float) -> Points:
    """Moves every point by normal noise, as a share of the cloud's radius."""
    return points_N3 + generator.normal(scale=sigma, size=points_N3.shape)


def _drop(points_N3: Points, generator: np.random.Generator, share: float) -> Points:
    return _keep(points_N3, generator, round(len(points_N3) * (1 - share)))


def _cut(points_N3: Points, generator: np.random.Generator, share: float) -> Points:
    """Removes the points that are farthest in a random direction."""
    depth_N = points_N3 @ _unit(generator.normal(size=3))
    kept = max(1, round(len(points_N3) * (1 - share)))
    return points_N3[np.sort(np.argsort(depth_N, kind="stable")[:kept])]


def _keep(points_N3: Points, generator: np.random.Generator, count: int) -> Points:
    kept = min(max(1, count), len(points_N3))
    return points_N3[np.sort(generator.choice(len(points_N3), kept, replace=False))]


def _unit(vector: Points) -> Points:
    return np.asarray(vector / np.linalg.norm(vector))
