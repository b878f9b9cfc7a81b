"""Packs of meshes: what is read, what may be used, and the recipe of the bundled weights' cache."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from meshpack import PackedMesh, open_pack, read_meshpack, write_meshpack

from crossjepa import PointCloudError
from crossjepa.datasets import concat, open_dataset
from crossjepa.hashing import recipe_hash
from crossjepa.io import Mesh, read
from crossjepa.registry import WEIGHTS_FOLDER
from crossjepa.train.cache import CacheConfig
from crossjepa.train.cache.recipe import make_recipe
from crossjepa.train.cache.teacher import Teacher
from crossjepa.train.render.views import RenderConfig
from tests.conftest import REPOSITORY, SAMPLES
from tests.helpers.teachers import REAL


def packed(name: str, **changes: str) -> PackedMesh:
    """A mesh of the samples, the middle of its box at 0 and its longest side 1."""
    shape = read(SAMPLES / f"{name}.obj")
    assert isinstance(shape, Mesh)
    low_3, high_3 = shape.vertices_V3.min(axis=0), shape.vertices_V3.max(axis=0)
    vertices_V3 = ((shape.vertices_V3 - (low_3 + high_3) / 2) / (high_3 - low_3).max()).astype(np.float32)
    texts = {"category": "any", "source": "mine", "license": "CC0-1.0", "up": "y", "known_as": "", **changes}
    return PackedMesh(name, vertices_V3=vertices_V3, faces_F3=shape.faces_F3.astype(np.int32), **texts)


@pytest.fixture(scope="module")
def games(shared: Path) -> list[PackedMesh]:
    return read_meshpack(shared / "data" / "meshes_games.npz")


def test_packs_hold_what_is_documented(games: list[PackedMesh]) -> None:
    assert len(games) == 4743
    sides = np.array([np.ptp(mesh.vertices_V3, axis=0).max() for mesh in games])
    assert sides.max() < 1.001
    assert np.mean(sides > 0.999) > 0.99  # decimation cut off a little of some
    assert all(mesh.faces_F3.min() >= 0 and mesh.faces_F3.max() < len(mesh.vertices_V3) for mesh in games)


def test_damaged_packs_are_named(tmp_path: Path) -> None:
    (tmp_path / "pack.npz").write_bytes(b"PK\x03\x04 nothing")
    for name in ("pack.npz", "none.npz"):
        with pytest.raises(PointCloudError, match=name):
            read_meshpack(tmp_path / name)
        with pytest.raises(PointCloudError, match=name):
            open_pack(tmp_path / name)


def test_only_open_sources_without_evaluation_data() -> None:
    mesh = packed("horse")
    assert mesh.openly_licensed()
    assert not replace(mesh, known_as="chair_0001").openly_licensed()
    assert not replace(mesh, source="PSB via somebody").openly_licensed()
    assert not replace(mesh, license="no license file").openly_licensed()
    assert not replace(mesh, license="mixed (see repo)").openly_licensed()
    flat_V3 = mesh.vertices_V3 * np.array([1, 0, 0], np.float32)
    assert not replace(mesh, vertices_V3=flat_V3).openly_licensed()


def test_what_is_packed_is_read(tmp_path: Path) -> None:
    meshes = [packed("chair", up="z"), packed("horse", license="mixed")]
    write_meshpack(tmp_path / "mine.npz", meshes)
    found = read_meshpack(tmp_path / "mine.npz")
    assert [mesh.name for mesh in found] == ["chair", "horse"]
    for mesh, expected in zip(found, meshes, strict=True):
        np.testing.assert_allclose(mesh.vertices_V3, expected.vertices_V3, atol=0.5 / 65000 + 1e-7)
        np.testing.assert_array_equal(mesh.faces_F3, expected.faces_F3)
    dataset = open_pack(tmp_path / "mine.npz")
    assert dataset.names == ("mine/any/chair",)
    shape = dataset[0].shape
    assert isinstance(shape, Mesh)
    np.testing.assert_array_equal(shape.vertices_V3, found[0].vertices_V3[:, [0, 2, 1]] * (1, 1, -1))
    everything = open_pack(tmp_path / "mine.npz", "all")
    assert (len(everything), everything.up_axis) == (2, "y")
    assert everything.select([0]).facts() not in (everything.facts(), dataset.facts())
    script = REPOSITORY / "examples" / "reproduce" / "meshpack.py"
    command = [sys.executable, str(script), str(tmp_path / "mine.npz"), "-o", str(tmp_path / "files")]
    subprocess.run(command, check=True, cwd=REPOSITORY)
    files = open_dataset([tmp_path / "files"])
    np.testing.assert_array_equal(files[0].points_N3, dataset[0].points_N3)


@pytest.mark.slow
def test_the_cache_of_the_bundled_weights_has_the_recipe_that_they_name(shared: Path) -> None:
    dataset = concat([open_pack(shared / "data" / f"meshes_{kind}.npz") for kind in ("objects", "games")])
    assert len(dataset) == 10769
    config = CacheConfig("", embedding="layers", render=RenderConfig(rig="orbit8"))
    teacher = Teacher(str(shared / "teacher" / REAL), 224, embedding="layers")
    text = (WEIGHTS_FOLDER / "crossjepa-base" / "config.json").read_text()
    assert f'"cache": "{recipe_hash(make_recipe(dataset, config, teacher))}"' in text
