"""Packed meshes, archives of clouds, and folders of files as collections of one kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets.meshpack import PackedMesh, read_meshpack
from crossjepa.datasets.open import open_collection
from crossjepa.datasets.packs import openly_licensed
from crossjepa.io import Mesh, PointCloud
from tests.conftest import SAMPLES


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
            open_collection([tmp_path / name])


def test_only_open_sources_without_evaluation_data(games: list[PackedMesh]) -> None:
    mesh = next(mesh for mesh in games if openly_licensed(mesh))
    assert not openly_licensed(replace(mesh, known_as="chair_0001"))
    assert not openly_licensed(replace(mesh, source="PSB via somebody"))
    assert not openly_licensed(replace(mesh, license="no license file"))
    assert not openly_licensed(replace(mesh, license="mixed (see repo)"))
    assert not openly_licensed(replace(mesh, vertices_V3=mesh.vertices_V3 * np.array([1, 0, 0], np.float32)))


def write_archive(path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(6, 20, 3)).astype(np.float16)
    split, names = np.array(["train", "test"] * 3), np.array([f"object {row}" for row in range(6)])
    np.savez(path, points=points, split=split, names=names)


def test_clouds_of_a_split(tmp_path: Path) -> None:
    path = tmp_path / "clouds.npz"
    write_archive(path)
    with pytest.raises(ValueError, match="has the splits test, train: say which one"):
        open_collection([path])
    with pytest.raises(ValueError, match="no split 'val', only test, train"):
        open_collection([path], split="val")
    train = open_collection([path], split="train", up_axis="z")
    assert (list(train.names), train.points) == (["object 0", "object 2", "object 4"], 20)
    sample = train[1]
    assert sample.up_axis == "z"
    assert isinstance(sample.shape, PointCloud)
    with np.load(path) as archive:
        np.testing.assert_array_equal(sample.shape.points_N3, archive["points"][2])
    everything = open_collection([path, path], split="all")
    assert len(everything) == 12
    assert everything[11].shape.points_N3[0].tolist() == everything[5].shape.points_N3[0].tolist()  # type: ignore[union-attr]
    assert train.facts != everything.facts


def test_one_cloud_is_no_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", points=np.eye(3))
    assert list(open_collection([tmp_path / "one.npz"]).names) == ["one.npz"]


def test_folders_of_files(tmp_path: Path) -> None:
    collection = open_collection([SAMPLES])
    assert list(collection.names) == sorted(path.name for path in SAMPLES.glob("*.obj"))
    assert isinstance(collection[0].shape, Mesh)
    with pytest.raises(PointCloudError, match="no point cloud or mesh file"):
        open_collection([tmp_path])
    with pytest.raises(PointCloudError, match="no such file or folder"):
        open_collection([tmp_path / "none"])
    changed = tmp_path / "chair.obj"
    changed.write_bytes((SAMPLES / "chair.obj").read_bytes())
    horse = SAMPLES / "horse.obj"
    before, both = open_collection([tmp_path]), open_collection([horse, tmp_path])
    seen = [(part.contents(part.fingerprints()), part.fingerprints()[-1]) for part in (before, both)]
    changed.write_bytes(changed.read_bytes() + b"\n")
    # What the objects are stays, so that a cache can be gone on with; what is in them does not.
    assert open_collection([tmp_path]).facts == before.facts
    assert open_collection([horse, tmp_path]).facts == both.facts
    for part, (contents, fingerprint) in zip((before, both), seen, strict=True):
        assert part.contents(part.fingerprints()) != contents
        assert part.fingerprint(len(part) - 1) == part.fingerprints()[-1] == fingerprint + 1
    assert both.fingerprint(0) == horse.stat().st_size
