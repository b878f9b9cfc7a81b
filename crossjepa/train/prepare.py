"""From meshes to a cache: choose, sample, render, embed. Run as `python -m crossjepa.train.prepare`.

V views, P stored points, D teacher width
"""

from __future__ import annotations

import argparse
import logging
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.multiprocessing.spawn import spawn

from crossjepa.datasets.meshpack import PackedMesh, read_meshpack
from crossjepa.processor import rotate_up_axis, unit_sphere
from crossjepa.surface import face_areas, sample_surface
from crossjepa.train.cache import Cache, finish_cache, open_cache, partial_folder, start_cache
from crossjepa.train.render import View, color_histogram, render_mesh, rig
from crossjepa.train.teacher import Teacher

logger = logging.getLogger(__name__)

# Sources of the evaluation sets, and licences that are absent or not the same for all of a source.
EVALUATION_SOURCES = r"PSB|INFOMR|Labeled"
UNCLEAR_LICENCES = r"no licence|mixed|see repo"
MIN_FACES = 12


@dataclass(frozen=True)
class PrepareConfig:
    """Everything that decides what a cache holds, apart from the files.

    Attributes:
        rig: name of the camera rig.
        image_size: pixels of a side.
        supersample: samples of a pixel's side.
        stored_points: points kept of an object, from which training draws (P).
        teacher: timm name or local safetensors file.
        seed: seed of the rigs and of the surface sampling.
    """

    teacher: str
    rig: str = "orbit8"
    image_size: int = 224
    supersample: int = 2
    stored_points: int = 4096
    seed: int = 0


def openly_licensed(mesh: PackedMesh) -> bool:
    """Whether a mesh may be used for weights that are free to use and have seen no evaluation data."""
    evaluation = bool(mesh.known_as) or re.search(EVALUATION_SOURCES, mesh.source)
    return not evaluation and not re.search(UNCLEAR_LICENCES, mesh.licence) and has_form(mesh)


def has_form(mesh: PackedMesh) -> bool:
    """Whether a mesh is more than a tile or a rod: faces enough, and some extent in two directions."""
    extents_3 = np.sort(np.ptp(mesh.vertices_V3, axis=0))
    return (
        len(mesh.faces_F3) >= MIN_FACES
        and bool(extents_3[1] > 0.02)
        and bool(face_areas(mesh.vertices_V3, mesh.faces_F3).sum() > 0)
    )


def prepare_row(cache: Cache, row: int, mesh: PackedMesh, teacher: Teacher, config: PrepareConfig) -> None:
    """Samples, renders and embeds one object and stores it."""
    generator = np.random.default_rng([config.seed, row])
    vertices_V3 = rotate_up_axis(mesh.vertices_V3.astype(np.float64), "z" if mesh.up == "z" else "y", "y")
    points_P3, _ = sample_surface(vertices_V3, mesh.faces_F3, config.stored_points, generator)
    frame = unit_sphere(points_P3)
    views = rig(config.rig, seed=int(generator.integers(2**31)))
    images_VHW3 = render_mesh(
        frame.apply(vertices_V3), mesh.faces_F3, views, size=config.image_size, supersample=config.supersample
    )
    poses_V5 = np.array([_pose(view) for view in views], np.float32)
    cache.write_row(
        row,
        teacher.embed(images_VHW3).numpy(),
        poses_V5,
        color_histogram(images_VHW3),
        frame.apply(points_P3),
    )


def _pose(view: View) -> tuple[float, ...]:
    return view.azimuth, view.elevation, view.roll, view.distance, view.fov


def _work(part: int, parts: int, folder: str, meshes: Sequence[PackedMesh], config: PrepareConfig) -> None:
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cache = open_cache(folder, writable=True)
    teacher = Teacher(config.teacher, config.image_size)
    rows, start = list(cache.missing_rows(part, parts)), time.monotonic()
    for number, row in enumerate(rows, 1):
        prepare_row(cache, row, meshes[row], teacher, config)
        if number % 50 == 0 or number == len(rows):
            left = (time.monotonic() - start) / number * (len(rows) - number)
            logger.info("worker %d: %d of %d objects, %.1f minutes left", part, number, len(rows), left / 60)


def prepare(packs: Sequence[str], folder: str, config: PrepareConfig, workers: int) -> Cache:
    """Makes a cache of the openly licensed meshes of some packs, or finishes an unfinished one.

    Args:
        packs: files as read by `read_meshpack`.
        folder: where the cache shall be.
        config: renderer, teacher and seed.
        workers: processes, one thread each.

    Returns:
        The finished cache.
    """
    meshes = [mesh for pack in packs for mesh in read_meshpack(pack) if openly_licensed(mesh)]
    names = [f"{mesh.source}/{mesh.category}/{mesh.name}" for mesh in meshes]
    recipe = {
        **asdict(config),
        "teacher": Path(config.teacher).name,
        "packs": [Path(pack).name for pack in packs],
    }
    views = len(rig(config.rig))
    width = Teacher(config.teacher, config.image_size).width
    partial = start_cache(folder, names, recipe, views=views, points=config.stored_points, width=width)
    logger.info("%d objects, %d views each, into %s", len(meshes), views, partial)
    spawn(_work, (workers, str(partial_folder(folder)), meshes, config), nprocs=workers)  # type: ignore[no-untyped-call]
    return finish_cache(folder)


def main() -> None:
    """Parses the command line and makes the cache."""
    parser = argparse.ArgumentParser(
        description="Render meshes and cache the teacher's embeddings of the views."
    )
    parser.add_argument("packs", nargs="+", help="packed mesh collections (.npz)")
    parser.add_argument("-o", "--output", required=True, help="folder of the cache")
    parser.add_argument("--teacher", required=True, help="timm name or ARCHITECTURE.safetensors")
    parser.add_argument("--rig", default="orbit8", help="camera rig")
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    config = PrepareConfig(teacher=arguments.teacher, rig=arguments.rig)
    prepare(arguments.packs, arguments.output, config, arguments.workers)


if __name__ == "__main__":
    main()
