"""A cache in which embeddings depend on the shapes, small enough to train on in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from crossjepa.train.cache import Cache, finish_cache, open_cache, partial_folder, start_cache
from crossjepa.train.cache.cache import BASIS
from crossjepa.train.pretrain.config import PretrainConfig

OBJECTS, VIEWS, WIDTH = 28, 4, 16
TEACHER = {"name": "blobs", "weights_sha256": "0", "embedding": "cls"}
# Two teachers whose embeddings lie side by side, for `make_cache(teacher=TEACHERS, parts=PARTS)`.
TEACHERS = [TEACHER, {"name": "lumps", "weights_sha256": "1", "embedding": "layers"}]
PARTS = {"blobs": (0, 10), "lumps": (10, 16)}
CONFIG = PretrainConfig.of(
    size="crossjepa-test",
    steps=12,
    batch_size=8,
    views_per_step=2,
    learning_rate=3e-3,
    warmup_steps=2,
    predictor_depth=1,
    few_points=32,
    held_out=4,
)


def make_cache(
    folder: Path,
    *,
    objects: int = OBJECTS,
    points: int = 256,
    views: int = VIEWS,
    teacher: object = TEACHER,
    parts: Mapping[str, tuple[int, int]] | None = None,
    seed: int = 0,
    dense: tuple[int, int] | None = None,
) -> Cache:
    """Makes a cache whose embeddings are the stretches of Gaussian blobs, with a little noise a view.

    Dense targets, if any, are the coordinates of their points, of which every fourth is not seen.
    """
    generator = np.random.default_rng(seed)
    names = [f"object {number}" for number in range(objects)]
    recipe = {"made": "by a test", "teacher": teacher, "seed": seed}
    start_cache(folder, names, recipe, views=views, points=points, width=WIDTH, parts=parts, dense=dense)
    if dense:
        np.save(partial_folder(folder) / f"{BASIS}.npy", np.zeros((dense[1] + 1, 7), np.float32))
    cache = open_cache(partial_folder(folder), writable=True)
    for row in range(objects):
        stretch = generator.uniform(0.2, 1, 3)
        cloud = generator.normal(size=(points, 3)) * stretch
        angles = generator.uniform(0, [[360, 40]], (views, 2))
        poses = np.concatenate([angles, np.zeros((views, 1)), np.full((views, 2), 3.0)], axis=1)
        noise = 0.01 * generator.normal(size=(views, WIDTH))
        embeddings = np.tile(np.resize(stretch, WIDTH), (views, 1)) + noise
        histograms = np.full((views, 48), 1 / 16)
        cloud /= np.linalg.norm(cloud, axis=1).max()
        targets = None
        if dense:
            seen_K = np.arange(dense[0], dtype=np.uint8) % 4
            target_KC = np.stack([np.resize(point_3, dense[1]) for point_3 in cloud[: dense[0]]])
            targets = (32 * target_KC * (seen_K > 0)[:, None]).round().astype(np.int8), seen_K
        cache.write_row(row, embeddings, poses, histograms, cloud, 0, targets)
    return finish_cache(folder)


def fill_cache(folder: Path, rows: int = 3, filled: int | None = None) -> Cache:
    """Starts a cache of three tiny objects and stores all of them, or the first `filled` missing ones."""
    generator = np.random.default_rng(0)
    start_cache(
        folder, [f"object {row}" for row in range(rows)], {"made": "here"}, views=2, points=5, width=4
    )
    cache = open_cache(partial_folder(folder), writable=True)
    for row in list(cache.missing_rows(0, 1))[:filled]:
        histograms = np.full((2, 48), 1 / 16)
        points = generator.uniform(-0.5, 0.5, (5, 3))
        cache.write_row(row, generator.normal(size=(2, 4)), np.ones((2, 5)), histograms, points)
    return cache
