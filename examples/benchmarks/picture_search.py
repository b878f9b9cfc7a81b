"""Finding shapes, and their poses, by pictures of them.

    python examples/benchmarks/picture_search.py FOLDER --teacher FILE [--shapes 100] [--refine N]

FOLDER holds meshes that no part of the model has seen. Two pictures of each are rendered from random
directions, and embedded by the teacher. They are compared with

    predicted views     what the model predicts from the points, of a grid of poses: what an index stores
    rendered views      what the teacher sees in pictures rendered from these poses: the upper bound
    mean predicted      one vector per shape: the mean of its predicted views
    with colors         predicted views, those of the best N shapes predicted again with the colors of the
                        picture (`--refine N`)

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

from crossjepa.index.build import IndexedModel, ViewGrid
from crossjepa.index.pictures import Picture, read_picture
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


def read_back(images_VHW3: NDArray[np.uint8]) -> list[Picture]:
    """Returns pictures as `crossjepa search --image` reads them: from files."""
    with tempfile.TemporaryDirectory() as folder:
        path, found = Path(folder) / "picture.png", []
        for image_HW3 in images_VHW3:
            save_png(path, image_HW3)
            found.append(read_picture(path, SIZE))
    return found


def refine(
    indexed: IndexedModel,
    cosine_mnV: NDArray[np.float32],
    count: int,
    shapes: list[Shape],
    queries_mD: NDArray[np.float32],
    pictures: list[Picture],
) -> NDArray[np.float32]:
    """Returns the cosines with those of the best shapes predicted with the colors of each picture."""
    azimuths, elevations = ViewGrid().poses()
    refined_mnV = cosine_mnV.copy()
    for m, picture in enumerate(pictures):
        for n in np.argsort(-cosine_mnV[m].max(axis=1))[:count]:
            clouds = [shapes[n].prepared]
            predicted_VD = indexed.predict_views(clouds, azimuths, elevations, picture.histogram_H)[0]
            refined_mnV[m, n] = indexed.compare_views(predicted_VD) @ queries_mD[m]
    return refined_mnV


def show(
    name: str,
    seconds: float,
    width: int,
    cosine_mnV: NDArray[np.float32],
    turn_mV: NDArray[np.float64] | None,
) -> None:
    """Prints a row of the table; query m is of shape m // QUERIES."""
    best_mn = cosine_mnV.max(axis=2)
    rows_m = np.arange(len(best_mn))
    right_m = rows_m // QUERIES
    rank_m = (best_mn > best_mn[rows_m, right_m][:, None]).sum(axis=1)
    recalls = " ".join(f"{(rank_m < count).mean():>7.1%}" for count in (1, 5, 10))
    pose = ""
    if turn_mV is not None:
        error_m = turn_mV[rows_m, cosine_mnV[rows_m, right_m].argmax(axis=1)]
        pose = f"{np.median(error_m):>8.0f} {(error_m <= NEAR_DEGREES).mean():>8.0%}"
    size = cosine_mnV.shape[2] * width * 2 / 1024
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
    parser.add_argument(
        "--refine", type=int, default=0, metavar="N", help="shapes predicted again per picture"
    )
    options = parser.parse_args()
    indexed, rng = IndexedModel(options.model), np.random.default_rng(0)
    assert indexed.teacher is not None
    teacher = Teacher(options.teacher, SIZE, embedding=indexed.teacher.embedding)  # type: ignore[arg-type]
    files = find_files(options.folder)
    chosen = np.linspace(0, len(files) - 1, min(options.shapes, len(files))).astype(int)
    meshes = [mesh for mesh in (read(files[row]) for row in chosen) if isinstance(mesh, Mesh)]
    shapes = [Shape(mesh, indexed.encoder.processor.prepare(mesh)) for mesh in meshes]
    views = [random_views(rng) for _ in shapes]
    pictures = [one for shape, of in zip(shapes, views, strict=True) for one in read_back(shape.render(of))]
    queries_mD = indexed.compare_views(
        np.concatenate([teacher.embed(picture.image_SS3[None]).numpy() for picture in pictures])
    )
    azimuths, elevations = ViewGrid().poses()
    grid = [View(*pose) for pose in zip(azimuths, elevations, strict=True)]
    asked_m = np.array([view.azimuth for of in views for view in of])
    turn_mV = np.abs((np.array(azimuths) - asked_m[:, None] + 180) % 360 - 180)
    start = time.perf_counter()
    predicted_nVD = np.concatenate(
        [indexed.predict_views([shape.prepared], azimuths, elevations) for shape in shapes]
    )
    middle = time.perf_counter()
    rendered_nVD = np.stack([teacher.embed(shape.render(grid)).numpy() for shape in shapes])
    seconds = [(middle - start) / len(shapes), (time.perf_counter() - middle) / len(shapes)]
    print(f"{len(shapes)} shapes, {len(pictures)} pictures, {len(grid)} views of each shape")
    titles = ("s/shape", "KiB", "R@1", "R@5", "R@10", "azimuth", f"<= {NEAR_DEGREES}")
    print(f"{'compared with':<18} " + " ".join(f"{title:>{8 - ('R@' in title)}}" for title in titles))

    def cosines(views_nVD: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(
            np.einsum("md,nvd->mnv", queries_mD, indexed.compare_views(views_nVD), optimize=True)
        )

    width = indexed.teacher.width
    predicted_mnV = cosines(predicted_nVD)
    show("predicted views", seconds[0], width, predicted_mnV, turn_mV)
    show("rendered views", seconds[1], width, cosines(rendered_nVD), turn_mV)
    show("mean predicted", seconds[0], width, cosines(predicted_nVD.mean(axis=1, keepdims=True)), None)
    if options.refine:
        refined_mnV = refine(indexed, predicted_mnV, options.refine, shapes, queries_mD, pictures)
        show("with colors", seconds[0], width, refined_mnV, turn_mV)
    chance = " ".join(f"{min(1, count / len(shapes)):>7.1%}" for count in (1, 5, 10))
    print(f"{'chance':<36} {chance} {90:>8} {NEAR_DEGREES / 180:>8.0%}")


if __name__ == "__main__":
    main()
