"""Recipes of caches never change: each literal is what version 0.1.0 computed.

Another hash would make every finished cache one "of another recipe".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa.datasets import open_dataset
from crossjepa.hashing import file_digest, recipe_hash
from crossjepa.train.cache import CacheConfig
from crossjepa.train.cache.recipe import fitted, make_recipe, with_contents
from crossjepa.train.cache.teacher import Teacher
from crossjepa.train.render.views import RenderConfig
from tests.helpers import dataset_writers as writers
from tests.helpers.teachers import small_teacher


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same bytes on every machine: files, archives of clouds, and two trees of renderings."""
    root = tmp_path_factory.mktemp("data")
    for name in ("b.xyz", "a/deep.xyz"):
        writers.lines(root / "files" / name, "0 0 0", "1 0 0", f"0 {len(name)} 1")
    split = np.array(["train", "test", "train", "train"])
    points = np.arange(4 * 20 * 3, dtype=np.float32).reshape(4, 20, 3) % 7
    labels = np.array([0, 1, 1, 0])
    np.savez(root / "clouds.npz", points=points, split=split, labels=labels)
    np.savez(root / "named.npz", points=points, names=np.array(["p", "q", "r", "s"]), labels=labels)
    for model in ("02691156/first", "03001627/second"):
        folder = root / "ShapeNetRendering" / model / "rendering"
        table = [f"{10 * view} 25 0 0.7 25" for view in range(3)]
        writers.lines(folder / "rendering_metadata.txt", *table)
        for view in range(3):
            writers.lines(folder / f"{view:02d}.png", "only its size counts here" * view)
        writers.lines(root / "ShapeNet" / f"{model}.xyz", "0 0 0", "1 0 0", "0 1 0")
    pose = {"azimuth": 10.0, "elevation": 20.0, "roll": 0.0, "distance": 3.0, "fov": 40.0, "image": "00.png"}
    writers.lines(root / "own" / "chair" / "views.json", json.dumps({"views": [pose]}))
    writers.lines(root / "own" / "chair" / "00.png", "a picture")
    (root / "own" / "chair" / "points.npy").write_bytes(b"points")
    return root


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Teacher:
    return Teacher(small_teacher(tmp_path_factory.mktemp("teacher")), 64)


@pytest.mark.parametrize(
    ("paths", "options", "started", "finished"),
    [
        (("files",), {}, "9ee13260ff922c9c", "0ae38a4583cc2945"),
        (("files/b.xyz",), {"up_axis": "z"}, "d52da78bb1aa980a", "60ad5a35bcd0ba52"),
        (("named.npz",), {}, "d67bdb0cf6e00fd7", "d67bdb0cf6e00fd7"),
        (("clouds.npz",), {"split": "train", "up_axis": "z"}, "41d662cdaeddeb74", "41d662cdaeddeb74"),
        (("clouds.npz",), {"split": "all"}, "f6ffdf7434d4d52c", "f6ffdf7434d4d52c"),
        (("ShapeNetRendering",), {}, "2c3b7aa8efcf5910", "2abef00ed60a7a8c"),
        (("own",), {}, "cca950e7b580f223", "2c0778ba501ef8c5"),
        (("files", "clouds.npz"), {"split": "train"}, "e5c1d1d519c464e4", "3edcf2c20c51498e"),
    ],
)
def test_caches(
    data: Path,
    teacher: Teacher,
    paths: tuple[str, ...],
    options: dict[str, Any],
    started: str,
    finished: str,
) -> None:
    dataset = open_dataset([data / path for path in paths], **options)
    config = fitted(CacheConfig("", render=RenderConfig(stored_points=256)), dataset)
    recipe = {**make_recipe(dataset, config, teacher), "teacher": "that of this machine"}
    found = [
        recipe_hash(known(recipe, data))
        for recipe in (recipe, with_contents(recipe, dataset, dataset.fingerprints()))
    ]
    assert found == [started, finished]


def known(recipe: dict[str, Any], data: Path) -> dict[str, Any]:
    """Puts a word in place of the checksum of an archive, whose bytes depend on the version of numpy."""
    text = json.dumps(recipe)
    for archive in data.glob("*.npz"):
        text = text.replace(file_digest(archive), archive.name)
    known: dict[str, Any] = json.loads(text)
    return known
