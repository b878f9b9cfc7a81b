"""What each scan-like augmentation of pretraining brings, on clean and corrupted clouds of a training split.

    python examples/benchmarks/augmentations.py CACHE RUNS CLOUDS.npz --up-axis z [--only NAME ...]

Short, equal runs at half size start from released weights and differ in the options of `augment` alone. A
linear SVM is fitted on clean clouds and scored on others that are clean, or corrupted in the seven ways of
ModelNet-C at its third level of five, or cut in half. Only rows of the training split of CLOUDS.npz are read.
RUNS/NAME holds each run; finished ones are not repeated.

N points, K extra points
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa import CrossJEPAEncoder
from crossjepa.config import ProcessorConfig
from crossjepa.datasets.npz import load_arrays
from crossjepa.evaluate.linear import fit_fixed_svm
from crossjepa.evaluate.robustness import rotation_about
from crossjepa.processor import PointCloudProcessor, rotate_up_axis, unit_sphere
from crossjepa.train.pretrain import PretrainConfig, RunOptions, load_config, pretrain
from crossjepa.train.pretrain.augment_config import AugmentSection
from crossjepa.train.pretrain.export import export

Points = NDArray[np.float64]
Generator = np.random.Generator

# One augmentation alone acts on this share of the clouds.
ALONE = 0.5
BEFORE, CLEAN, ALL = "before", "clean", "all"
VARIANTS = [BEFORE, CLEAN, ALL, *AugmentSection().probabilities]


def recipe_of(variant: str, cache: str, source: str, steps: int) -> PretrainConfig:
    """The recipe `scans` at half size, with all, one or none of its augmentations."""
    names = AugmentSection().probabilities
    shares = {name: ALONE if name == variant else 0.0 for name in names}
    options = {} if variant == ALL else {f"{name}_probability": share for name, share in shares.items()}
    # Readouts of the losses are new, so they learn before their gradients reach the encoder.
    return load_config("scans").change(
        cache=cache,
        init_from=source,
        steps=steps,
        few_share=1.0,
        frozen_steps=steps // 5,
        warmup_steps=steps // 5,
        learning_rate=1e-3,
        **options,
    )


def scale(points_N3: Points, rng: Generator) -> Points:
    """Scales each axis by a factor from 1 / 1.8 to 1.8."""
    return points_N3 * rng.uniform(1 / 1.8, 1.8, 3)


def jitter(points_N3: Points, rng: Generator) -> Points:
    """Adds noise of 0.03."""
    return points_N3 + rng.normal(0, 0.03, points_N3.shape)


def rotate(points_N3: Points, rng: Generator) -> Points:
    """Turns by up to 18 degrees about each axis."""
    turn_33 = np.eye(3)
    for axis_3, angle in zip(np.eye(3), rng.uniform(-math.pi / 10, math.pi / 10, 3), strict=True):
        turn_33 = turn_33 @ rotation_about(axis_3, angle).T
    return np.asarray(points_N3 @ turn_33)


def dropout_global(points_N3: Points, rng: Generator) -> Points:
    """Drops half of the points."""
    return rng.permutation(points_N3)[: len(points_N3) // 2]


def dropout_local(points_N3: Points, rng: Generator) -> Points:
    """Cuts 29 % of the points out, in one to seven holes."""
    for size in cluster_sizes(points_N3, rng):
        center_3 = points_N3[rng.integers(len(points_N3))]
        order_N = np.argsort(np.linalg.norm(points_N3 - center_3, axis=1))
        points_N3 = points_N3[order_N[size:]]
    return points_N3


def add_global(points_N3: Points, rng: Generator) -> Points:
    """Adds 3 % of points that are uniform in the ball."""
    direction_K3 = rng.normal(size=(round(len(points_N3) * 30 / 1024), 3))
    direction_K3 /= np.linalg.norm(direction_K3, axis=1, keepdims=True)
    return np.concatenate([points_N3, direction_K3 * rng.uniform(size=(len(direction_K3), 1)) ** (1 / 3)])


def add_local(points_N3: Points, rng: Generator) -> Points:
    """Adds 29 % of points in one to seven clusters."""
    parts = [points_N3]
    for size in cluster_sizes(points_N3, rng):
        center_3 = points_N3[rng.integers(len(points_N3))]
        cluster_K3 = rng.normal(center_3, rng.uniform(0.075, 0.125), (size, 3))
        parts.append(cluster_K3 / np.maximum(1, np.square(cluster_K3).sum(axis=1, keepdims=True)))
    return np.concatenate(parts)


def half(points_N3: Points, rng: Generator) -> Points:
    """Keeps the half that is nearest to a random direction, as of what is seen from one side."""
    height_N = points_N3 @ rng.normal(size=3)
    return points_N3[np.argsort(height_N)[len(points_N3) // 2 :]]


def cluster_sizes(points_N3: Points, rng: Generator) -> NDArray[np.int64]:
    """Sizes of one to seven clusters of together 300 of 1,024 points."""
    count, total = rng.integers(1, 8), round(len(points_N3) * 300 / 1024)
    return np.bincount(rng.integers(count, size=total), minlength=count)


KINDS: dict[str, Callable[[Points, Generator], Points]] = {
    change.__name__: change
    for change in (scale, jitter, rotate, dropout_global, dropout_local, add_global, add_local, half)
}


def read_clouds(path: Path, up_axis: str, limit: int, points: int) -> tuple[list[Points], NDArray[np.int64]]:
    """Reads clouds of the training split, y up, normalized, in random order."""
    data = load_arrays("probe", path, up_axis)  # type: ignore[arg-type]
    allowed = [row for row, split in enumerate(data.splits) if split == "train"]
    rows = np.random.default_rng(0).permutation(allowed)[:limit]
    clouds = []
    for row in rows:
        cloud_N3 = rotate_up_axis(np.asarray(data[row].points_N3, np.float64), up_axis, "y")[:points]  # type: ignore[arg-type]
        frame = unit_sphere(cloud_N3)
        clouds.append((cloud_N3 - frame.centroid_3) / frame.radius)
    return clouds, data.labels_n[rows]


def score(
    encoder: CrossJEPAEncoder, clouds: list[Points], labels_n: NDArray[np.int64], fit: int
) -> dict[str, float]:
    """Fits an SVM on the features of the first clouds; scores the others, clean and corrupted."""
    machine = fit_fixed_svm(np.asarray(encoder.encode(clouds[:fit])), labels_n[:fit], "standardized", 0.003)
    scores = {"clean": machine.score(np.asarray(encoder.encode(clouds[fit:])), labels_n[fit:])}
    for number, (kind, change) in enumerate(KINDS.items()):
        changed = [
            change(cloud_N3, np.random.default_rng([number, place]))
            for place, cloud_N3 in enumerate(clouds[fit:])
        ]
        scores[kind] = machine.score(np.asarray(encoder.encode(changed)), labels_n[fit:])
    scores["mean"] = float(np.mean([scores[kind] for kind in KINDS]))
    return scores


def main() -> None:
    """Prints one row for each variant."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cache", help="folder of a finished cache")
    parser.add_argument("runs", type=Path, help="folder for the runs")
    parser.add_argument("clouds", type=Path, help="npz with labeled clouds of a training split")
    parser.add_argument("--up-axis", default="y", choices=("x", "y", "z"))
    parser.add_argument("--init-from", default="crossjepa-base")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--fit", type=int, default=2000, help="clouds to fit the SVM on")
    parser.add_argument("--held-out", type=int, default=500, help="clouds to score")
    parser.add_argument("--only", nargs="*", choices=VARIANTS, help="variants to run")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    few = load_config("scans").encoder_at(0)
    clouds, labels_n = read_clouds(
        options.clouds, options.up_axis, options.fit + options.held_out, few.num_points
    )
    print(f"{'variant':<16}" + "".join(f"{name:>15}" for name in ("clean", *KINDS, "mean")), flush=True)
    for variant in options.only or VARIANTS:
        run = options.runs / variant
        if not (run / "scores.json").is_file():
            if variant == BEFORE:
                encoder = CrossJEPAEncoder.from_pretrained(options.init_from)
                run.mkdir(parents=True, exist_ok=True)
            else:
                recipe = recipe_of(variant, options.cache, options.init_from, options.steps)
                pretrain(recipe, run, RunOptions(save_every=50, probe_every=0, keep=1, progress=False))
                encoder = export(run, run / "weights")
            encoder.network.config = few
            encoder.processor = PointCloudProcessor(ProcessorConfig(num_points=few.num_points))
            scores = score(encoder, clouds, labels_n, options.fit)
            (run / "scores.json").write_text(json.dumps(scores, indent=2))
        scores = json.loads((run / "scores.json").read_text())
        print(f"{variant:<16}" + "".join(f"{value:>15.1%}" for value in scores.values()), flush=True)


if __name__ == "__main__":
    main()
