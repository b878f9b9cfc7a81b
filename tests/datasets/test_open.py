"""Archives of clouds and folders of files, opened without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets import load, open_dataset
from crossjepa.io import Mesh, PointCloud, read
from tests.conftest import SAMPLES
from tests.helpers import dataset_writers as writers


def write_archive(path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(6, 20, 3)).astype(np.float16)
    split, names = np.array(["train", "test"] * 3), np.array([f"object {row}" for row in range(6)])
    np.savez(path, points=points, split=split, names=names)


def test_clouds_of_a_split(tmp_path: Path) -> None:
    path = tmp_path / "clouds.npz"
    write_archive(path)
    with pytest.raises(ValueError, match="has the splits test, train: say which one"):
        open_dataset([path])
    with pytest.raises(ValueError, match="no split 'val', only test, train"):
        open_dataset([path], split="val")
    train = open_dataset([path], split="train", up_axis="z")
    assert (train.names, train.num_points) == (("object 0", "object 2", "object 4"), 20)
    sample = train[1]
    assert (sample.up_axis, sample.label, sample.split) == ("z", None, "train")
    assert isinstance(sample.shape, PointCloud)
    with np.load(path) as archive:
        np.testing.assert_array_equal(sample.shape.points_N3, archive["points"][2])
    everything = open_dataset([path, path], split="all")
    assert (len(everything), everything.num_points) == (12, 20)
    np.testing.assert_array_equal(everything[11].points_N3, everything[5].points_N3)
    assert train.facts() != everything.facts()
    # However the samples are chosen, their recipe says which ones they are.
    assert train.facts() == open_dataset([path], split="all", up_axis="z").subset("train").facts()
    assert train.select([0, 1, 2]).facts() != train.facts()


def test_splits_of_unlabeled_clouds_have_any_name(tmp_path: Path) -> None:
    path, points = tmp_path / "clouds.npz", writers.clouds(3)
    np.savez(path, points=points, split=np.array([b"mine", b"training", b"mine"]))
    assert open_dataset([path], split="mine").names == ("0", "2")
    assert open_dataset([path], split="training").facts()["split"] == "training"
    np.savez(path, points=points)
    with pytest.raises(ValueError, match=r"clouds.npz has no splits, so it has no split 'train'"):
        open_dataset([path], split="train")


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"points": np.zeros((2, 4))[:, :, None]}, r"\(n, N, 3\)"),
        ({"points": np.zeros((0, 4, 3))}, "no points"),
        ({"points": np.array(1.0)}, r"\(n, N, 3\)"),
        ({"points": np.array([[["x", "y", "z"]]])}, "wrong type"),
        ({"points": np.zeros((2, 4, 3)), "names": np.array(["a"])}, "1 names for 2 shapes"),
        ({"points": np.zeros((2, 4, 3)), "split": np.array(["a"])}, "1 splits for 2 shapes"),
        ({"points": np.zeros((2, 1 << 20, 3), np.float32)}, "claim to hold"),
    ],
)
def test_damaged_archives(tmp_path: Path, arrays: dict[str, np.ndarray], reason: str) -> None:
    path = tmp_path / "clouds.npz"
    np.savez_compressed(path, allow_pickle=False, **arrays)
    with pytest.raises(PointCloudError, match=reason) as caught:
        open_dataset([path])
    assert caught.value.source == str(path)


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "pack.npz").write_bytes(b"PK\x03\x04 nothing")
    for name in ("pack.npz", "none.npz"):
        with pytest.raises(PointCloudError, match=name):
            open_dataset([tmp_path / name])


def test_a_bad_cloud_is_named(tmp_path: Path) -> None:
    points = writers.clouds(3)
    points[1] = np.nan
    np.savez(tmp_path / "clouds.npz", points=points)
    dataset = open_dataset([tmp_path / "clouds.npz"])
    with pytest.raises(PointCloudError, match=r"clouds.npz\[1\]: none of its 16 points is finite"):
        dataset[1]


def test_one_cloud_is_no_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", points=np.eye(3))
    assert open_dataset([tmp_path / "one.npz"]).names == ("one.npz",)


def test_folders_of_files(tmp_path: Path) -> None:
    dataset = open_dataset([SAMPLES])
    assert list(dataset.names) == sorted(path.name for path in SAMPLES.glob("*.obj"))
    assert isinstance(dataset[0].shape, Mesh)
    with pytest.raises(PointCloudError, match="no point cloud or mesh file"):
        open_dataset([tmp_path])
    with pytest.raises(PointCloudError, match="no such file or folder"):
        open_dataset([tmp_path / "none"])
    changed = tmp_path / "chair.obj"
    changed.write_bytes((SAMPLES / "chair.obj").read_bytes())
    horse = SAMPLES / "horse.obj"
    before, both = open_dataset([tmp_path]), open_dataset([horse, tmp_path])
    seen = [(part.contents(part.fingerprints()), part.fingerprints()[-1]) for part in (before, both)]
    changed.write_bytes(changed.read_bytes() + b"\n")
    # What the objects are stays, so that a cache can be resumed; what is in them does not.
    assert open_dataset([tmp_path]).facts() == before.facts()
    assert open_dataset([horse, tmp_path]).facts() == both.facts()
    for part, (contents, fingerprint) in zip((before, both), seen, strict=True):
        assert part.contents(part.fingerprints()) != contents
        assert part.fingerprint(len(part) - 1) == part.fingerprints()[-1] == fingerprint + 1
    assert both.fingerprint(0) == horse.stat().st_size
    assert both.select([1]).contents([1]) != both.select([1]).contents([2]) != both.contents([1, 2])


def test_a_labeled_folder_is_read_without_colors_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "animal"
    folder.mkdir(parents=True)
    (folder / "horse.obj").write_bytes((SAMPLES / "horse.obj").read_bytes())
    labeled, unlabeled = load("folder", tmp_path / "data"), open_dataset([tmp_path / "data"])
    assert labeled.names == unlabeled.names
    np.testing.assert_array_equal(labeled[0].points_N3, unlabeled[0].points_N3)
    assert labeled.facts() == {**unlabeled.facts(), "color": False}
    shape = unlabeled[0].shape
    assert isinstance(shape, Mesh)
    expected = read(SAMPLES / "horse.obj", color=True)
    assert isinstance(expected, Mesh)
    assert (shape.appearance is None) == (expected.appearance is None)
