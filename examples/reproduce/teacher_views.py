"""What a frozen teacher knows of objects from views of their meshes, of their bare points, and what we know.

    python examples/reproduce/teacher_views.py LABELS.csv MESHES.npz --teacher FILE [--model crossjepa-base]

LABELS.csv has `mesh_index` and `class` for a pack of meshes. Of the largest classes an equal number of
objects is drawn with a fixed seed. Every object is rendered twice, by eight cameras: from its mesh, and as
the 1,024 points that the encoders get. Scores as in teacher_probe.py: cross-validation and leaving one out.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from meshpack import mesh_sample, read_meshpack
from numpy.typing import NDArray

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import Sample
from crossjepa.datasets.folder import read_table
from crossjepa.evaluate import untrained_encoder
from crossjepa.io import PointCloud
from crossjepa.train.cache.teacher import Teacher
from crossjepa.train.render.views import RenderConfig, make_views

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from teacher_probe import show

CONFIG = RenderConfig(stored_points=1024)
WORKERS = 2


class Seen(NamedTuple):
    """One object: the mean embedding of its views from mesh and points, and the points."""

    mesh_D: NDArray[np.float32]
    cloud_D: NDArray[np.float32]
    points_N3: NDArray[np.float64]


def draw(table: Path, classes: int, per_class: int) -> tuple[list[int], NDArray[np.int64]]:
    """Returns indices of meshes, the same number of each of the largest classes, and their classes."""
    rows = read_table(table, ("mesh_index", "class"))
    largest = [name for name, _ in Counter(row["class"] for row in rows).most_common(classes)]
    generator = np.random.default_rng(0)
    meshes: list[int] = []
    labels: list[int] = []
    for label, name in enumerate(largest):
        members = [int(row["mesh_index"]) for row in rows if row["class"] == name]
        kept = generator.permutation(members)[:per_class]
        meshes.extend(int(index) for index in kept)
        labels.extend([label] * len(kept))
    return meshes, np.array(labels)


def see(part: list[tuple[int, Sample]], name: str, embedding: str) -> list[Seen]:
    """Renders and embeds some objects."""
    torch.set_num_threads(1)
    teacher = Teacher(name, CONFIG.image_size, embedding=embedding)  # type: ignore[arg-type]
    seen = []
    for row, sample in part:
        of_mesh = make_views(sample, row, CONFIG)
        points_N3 = of_mesh.points_P3.astype(np.float64)
        of_cloud = make_views(Sample(PointCloud(points_N3)), row, CONFIG)
        pair = [teacher.embed(views.images_VHW3).mean(dim=0).numpy() for views in (of_mesh, of_cloud)]
        seen.append(Seen(pair[0], pair[1], points_N3))
    return seen


def main() -> None:
    """Prints a row for each kind of view, and one for each model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("labels", type=Path, metavar="LABELS.csv")
    parser.add_argument("meshes", metavar="MESHES.npz")
    parser.add_argument("--teacher", required=True, help="timm name or ARCHITECTURE.safetensors")
    parser.add_argument("--embedding", default="cls", choices=("cls", "patch", "both", "layers"))
    parser.add_argument("--classes", type=int, default=25)
    parser.add_argument("--per-class", type=int, default=20)
    parser.add_argument("--model", nargs="*", default=["crossjepa-base"], help="encoders to compare")
    options = parser.parse_args()
    indices, labels_n = draw(options.labels, options.classes, options.per_class)
    pack = read_meshpack(options.meshes)
    items = [(row, mesh_sample(pack[index], pack[index].name)) for row, index in enumerate(indices)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        parts = [items[worker::WORKERS] for worker in range(WORKERS)]
        count = len(parts)
        ended = list(pool.map(see, parts, [options.teacher] * count, [options.embedding] * count))
    seen = [ended[row % WORKERS][row // WORKERS] for row in range(len(items))]
    print(f"{len(seen)} objects of {options.classes} classes")
    print(f"{'features':<24} {'width':>5} {'SVM, CV':>8} {'scaling':>12} {'C':>7} {'1-NN':>8}")
    show("teacher, 8 of meshes", np.stack([one.mesh_D for one in seen]), labels_n)
    show("teacher, 8 of points", np.stack([one.cloud_D for one in seen]), labels_n)
    points_nN3 = np.stack([one.points_N3 for one in seen])
    for name in options.model:
        show(name, CrossJEPAEncoder.from_pretrained(name).encode(points_nN3), labels_n)
    show("untrained", untrained_encoder(list(points_nN3), seed=0).encode(points_nN3), labels_n)


if __name__ == "__main__":
    main()
