"""Pictures of scenes, and PLY as other readers see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from crossjepa import CrossJEPAEncoder
from crossjepa.train.render import View
from crossjepa.view import Scene, draw_scene, make_scene, write_picture, write_ply


def test_a_picture_shows_every_shape_in_its_colors(scene: Scene, tmp_path: Path) -> None:
    write_picture(tmp_path / "picture.png", scene, size=90, views=[View(0, 0), View(90, 0)])
    with Image.open(tmp_path / "picture.png") as file:
        image = np.asarray(file)
    assert (image == draw_scene(scene, size=90, views=[View(0, 0), View(90, 0)])).all()
    assert image.shape[1] > 4 * 90, "two views of two shapes side by side"
    colorful = np.ptp(image.astype(int), axis=2) > 40
    for part in np.array_split(colorful, 4, axis=1):
        assert part.mean() > 0.02


def test_ply_is_what_trimesh_reads(scene: Scene, tmp_path: Path) -> None:
    files = write_ply(tmp_path / "clouds", scene, color="within")
    assert [file.name for file in files] == ["chair.obj.ply", "horse.obj.ply"]
    for file, shape in zip(files, scene.shapes, strict=True):
        cloud: Any = trimesh.load(file)
        np.testing.assert_allclose(cloud.vertices, shape.original_N3)
        assert (np.asarray(cloud.colors)[:, :3] == shape.within_N3).all()
    with pytest.raises(ValueError, match="name a folder"):
        write_ply(tmp_path / "both.ply", scene)


def test_files_of_one_name_keep_apart(base: CrossJEPAEncoder, tmp_path: Path) -> None:
    clouds = [np.random.default_rng(seed).normal(size=(40, 3)) for seed in range(2)]
    scene = make_scene(base, clouds, names=["a b", "a/b"])
    assert [file.name for file in write_ply(tmp_path, scene)] == ["a_b.ply", "a_b_.ply"]
