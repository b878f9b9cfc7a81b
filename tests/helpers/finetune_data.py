"""Small real files, and a small model with trained weights, for the tests of fine-tuning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crossjepa.io import Mesh, read
from crossjepa.ops.mesh_sampling import sample_surface
from tests.conftest import SAMPLES

NAMES = ("desk_lamp", "horse", "table")


def surface(name: str, seed: int, count: int = 96) -> NDArray[np.float64]:
    """Points of one of the examples, stretched by up to a tenth: another object of its class."""
    shape = read(SAMPLES / f"{name}.obj")
    assert isinstance(shape, Mesh)
    generator = np.random.default_rng(seed)
    points_N3, _ = sample_surface(shape.vertices_V3, shape.faces_F3, count, generator)
    return points_N3 * generator.uniform(0.9, 1.1, 3)


def write_folder(folder: Path, a_class: int = 10, names: tuple[str, ...] = NAMES) -> Path:
    """Writes class/file with several formats."""
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(a_class):
            points_N3 = surface(name, number)
            path = folder / name / f"{number:02d}"
            if number % 2:
                np.save(path.with_suffix(".npy"), points_N3)
            else:
                np.savetxt(path.with_suffix(".xyz"), points_N3)
    return folder


def write_parts(path: Path, a_class: int = 8) -> Path:
    """Writes an npz of clouds whose lower third is one part and the rest another."""
    clouds, labels, parts = [], [], []
    for label, name in enumerate(NAMES[:2]):
        for number in range(a_class):
            points_N3 = surface(name, number, 128)
            height_N = points_N3[:, 1]
            upper_N = height_N > np.quantile(height_N, 0.33)
            clouds.append(points_N3)
            labels.append(label)
            parts.append(2 * label + upper_N)
    np.savez(
        path,
        points=np.array(clouds, np.float32),
        labels=np.array(labels),
        classes=np.array(NAMES[:2]),
        part_labels=np.array(parts),
        part_names=np.array([f"{name}/{part}" for name in NAMES[:2] for part in ("low", "high")]),
    )
    return path
