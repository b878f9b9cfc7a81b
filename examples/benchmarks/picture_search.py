"""Finding shapes, and their poses, by pictures of them.

    python examples/benchmarks/picture_search.py FOLDER --teacher FILE [--shapes 100] [--up-axis z]

FOLDER holds meshes that no part of the model has seen. Two pictures of each are rendered from random
directions and embedded by the teacher. They are compared with

    predicted views     what the model predicts from the points, of a grid of poses: what an index stores
    rendered views      what the teacher sees in pictures rendered from the same poses: the upper bound
    mean predicted      one vector per shape, the mean of its predicted views

The second and third column of a row are what it costs to make and to store a shape.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossjepa.index.build import AZIMUTHS, ELEVATIONS, IndexedModel, ViewGrid
from crossjepa.index.pictures import read_picture
from crossjepa.io import Mesh, find_files, read
from crossjepa.processor import Prepared
from crossjepa.train.cache.teacher import Teacher
from crossjepa.train.render import View, render_mesh, save_png
from crossjepa.train.render.camera import FITTING_DISTANCE

SIZE, QUERIES = 224, 2
NEAR_DEGREES = 30


class Shape(NamedTuple):
    """A mesh, and what the network sees of it."""

    mesh: Mesh
    prepared: Prepared

    def render(self, views: list[View]) -> NDArray[np.uint8]:
        """Returns (V, SIZE, SIZE, 3) pictures."""
        return render_mesh(self.prepared.queries.numpy(), self.mesh.faces_F3, views, size=SIZE)


def random_views(rng: np.random.Generator) -> list[View]:
    """Returns cameras as those of the pictures of pretraining."""
    return [
        View(
            rng.uniform(0, 360),
            rng.uniform(5, 40),
            distance=FITTING_DISTANCE * rng.uniform(0.95, 1.1),
        )
        for _ in range(QUERIES)
    ]


def embed_pictures(teacher: Teacher, images_VHW3: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embeds pictures as `crossjepa search --image` does: by way of files."""
    with tempfile.TemporaryDirectory() as folder:
        read_back = []
        for image_HW3 in images_VHW3:
            save_png(Path(folder) / "picture.png", image_HW3)
            read_back.append(read_picture(Path(folder) / "picture.png", SIZE).image_SS3)
    return np.asarray(teacher.embed(np.stack(read_back)).numpy())


def show(
    name: str,
    seconds: float,
    gallery_nVD: NDArray[np.float32],
    queries_mD: NDArray[np.float32],
    turn_mV: NDArray[np.float64] | None,
) -> None:
    """Prints a row of the table; query m is of shape m // QUERIES."""
    cosine_mnV = np.einsum("md,nvd->mnv", queries_mD, gallery_nVD, optimize=True)
    best_mn = cosine_mnV.max(axis=2)
    right_m = np.arange(len(queries_mD)) // QUERIES
    rows_m = np.arange(len(queries_mD))
    rank_m = (best_mn > best_mn[rows_m, right_m][:, None]).sum(axis=1)
    recalls = " ".join(f"{(rank_m < count).mean():>7.1%}" for count in (1, 5, 10))
    pose = ""
    if turn_mV is not None:
        error_m = turn_mV[rows_m, cosine_mnV[rows_m, right_m].argmax(axis=1)]
        pose = f"{np.median(error_m):>8.0f} {(error_m <= NEAR_DEGREES).mean():>8.0%}"
    size = gallery_nVD[0].size * 2 / 1024
    print(f"{name:<18} {seconds:>8.2f} {size:>8.1f} {recalls} {pose}", flush=True)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="FOLDER")
    parser.add_argument("--teacher", required=True, metavar="NAME-or-FILE")
    parser.add_argument("--model", default="crossjepa-base")
    parser.add_argument("--shapes", type=int, default=100)
    parser.add_argument("--up-axis", choices=("x", "y", "z"), default="y")
    options = parser.parse_args()
    indexed = IndexedModel(options.model)
    assert indexed.teacher is not None
    teacher = Teacher(options.teacher, SIZE, embedding=indexed.teacher.embedding)  # type: ignore[arg-type]
    files = find_files(options.folder)
    chosen = [
        files[row] for row in np.linspace(0, len(files) - 1, min(options.shapes, len(files))).astype(int)
    ]
    prepare = indexed.encoder.processor.prepare
    meshes = [mesh for mesh in map(read, chosen) if isinstance(mesh, Mesh)]
    shapes = [Shape(mesh, prepare(mesh, up_axis=options.up_axis)) for mesh in meshes]
    rng = np.random.default_rng(0)
    views = [random_views(rng) for _ in shapes]
    azimuths, elevations = ViewGrid(AZIMUTHS, ELEVATIONS).poses()
    grid = [View(*pose) for pose in zip(azimuths, elevations, strict=True)]
    queries_mD = np.concatenate(
        [embed_pictures(teacher, shape.render(of)) for shape, of in zip(shapes, views, strict=True)]
    )
    start = time.perf_counter()
    predicted_nVD = np.concatenate(
        [indexed.predict_views([shape.prepared], azimuths, elevations) for shape in shapes]
    )
    middle = time.perf_counter()
    rendered_nVD = np.stack([teacher.embed(shape.render(grid)).numpy() for shape in shapes])
    seconds = [(middle - start) / len(shapes), (time.perf_counter() - middle) / len(shapes)]
    asked_m = np.array([view.azimuth for of in views for view in of])
    turn_mV = np.abs((np.array(azimuths) - asked_m[:, None] + 180) % 360 - 180)
    predicted_nVD, rendered_nVD, queries_mD = map(
        indexed.compare_views, (predicted_nVD, rendered_nVD, queries_mD)
    )
    print(f"{len(shapes)} shapes, {len(queries_mD)} pictures, {len(azimuths)} views of each shape")
    print(
        f"{'compared with':<18} {'s/shape':>8} {'KiB':>8} {'R@1':>7} {'R@5':>7} {'R@10':>7} {'azimuth':>8} "
        f"{f'<= {NEAR_DEGREES}':>8}"
    )
    show("predicted views", seconds[0], predicted_nVD, queries_mD, turn_mV)
    show("rendered views", seconds[1], rendered_nVD, queries_mD, turn_mV)
    mean_n1D = indexed.compare_views(predicted_nVD.mean(axis=1, keepdims=True))
    show("mean predicted", seconds[0], mean_n1D, queries_mD, None)
    chance = [min(1, count / len(shapes)) for count in (1, 5, 10)]
    print(
        f"{'chance':<36} {' '.join(f'{share:>7.1%}' for share in chance)} {90:>8} {NEAR_DEGREES / 180:>8.0%}"
    )


if __name__ == "__main__":
    main()
