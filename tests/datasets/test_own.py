"""Own files, and the arrays that the evaluations use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets import Dataset, detect, load
from tests.helpers import dataset_writers as writers


def fill(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / name, writers.clouds(1, seed=number)[0])
    return folder


@pytest.mark.parametrize(
    ("names", "layout", "splits"),
    [
        (("a/1.npy", "b/2.npy", "b/deep/3.npy"), "class/file", ("all", "all", "all")),
        (("a/train/1.npy", "b/train/2.npy", "b/test/3.npy"), "class/split/file", ("train", "test", "train")),
        (("train/a/1.npy", "valid/b/2.npy", "test/b/3.npy"), "split/class/file", ("test", "train", "val")),
    ],
)
def test_folders(tmp_path: Path, names: tuple[str, ...], layout: str, splits: tuple[str, ...]) -> None:
    dataset = load("folder", fill(tmp_path, *names))
    assert (dataset.layout, dataset.splits) == (layout, splits)
    assert dataset.classes == ("a", "b")
    assert sorted(dataset.labels_n.tolist()) == [0, 1, 1]
    for sample in dataset:
        np.testing.assert_array_equal(
            sample.points_N3, writers.clouds(1, seed=names.index(sample.name))[0].astype(np.float64)
        )
    assert detect(tmp_path) == "folder"


def test_table(tmp_path: Path) -> None:
    fill(tmp_path / "clouds", "1.npy", "2.npy", "3.npy")
    table = writers.lines(
        tmp_path / "t.csv",
        "path,label,split",
        "clouds/1.npy,b,train",
        "clouds/2.npy,a,test",
        "clouds/3.npy,b,",
    )
    dataset = load("table", table)
    assert (dataset.classes, dataset.splits) == (("a", "b"), ("train", "test", "all"))
    assert dataset.labels_n.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(dataset[1].points_N3, writers.clouds(1, seed=1)[0])
    assert detect(table) == "table"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (("path,class", "1.npy,a"), "no column"),
        (("path,label", "1.npy,"), "line 2"),
        (("path,label", "1.npy,a,train"), "line 2"),
        (("path,label",), "no rows"),
        (("path,label", "9.npy,a"), "9.npy: no such file"),
    ],
)
def test_damaged_tables(tmp_path: Path, rows: tuple[str, ...], reason: str) -> None:
    fill(tmp_path, "1.npy")
    with pytest.raises(PointCloudError, match=reason):
        load("table", writers.lines(tmp_path / "t.csv", *rows))


def test_splits_by_any_of_their_names(tmp_path: Path) -> None:
    fill(tmp_path, "1.npy", "2.npy", "3.npy", "4.npy", "5.npy")
    rows = (
        f"{number}.npy,a,{split}"
        for number, split in enumerate(("Train", " test", "Validation", "fold3", ""), 1)
    )
    dataset = load("table", writers.lines(tmp_path / "t.csv", "path,label,split", *rows))
    assert dataset.splits == ("train", "test", "val", "fold3", "all")
    table = writers.lines(tmp_path / "t.csv", "path,label,split", "1.npy,a,train", "2.npy,a,tset")
    with pytest.raises(PointCloudError, match=r"t\.csv: split 'tset' is none of train, val, test"):
        load("table", table)
    np.savez(
        tmp_path / "c.npz",
        points=writers.clouds(2),
        labels=np.array([0, 0]),
        split=np.array(["valid", "TEST"]),
    )
    assert load("clouds", tmp_path / "c.npz").splits == ("val", "test")
    fill(tmp_path / "folder", "Train/a/1.npy", "Test/a/2.npy")
    dataset = load("folder", tmp_path / "folder")
    assert (dataset.classes, dataset.splits) == (("a",), ("test", "train"))


def test_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(PointCloudError, match="no folders"):
        load("folder", tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(PointCloudError, match="no point cloud or mesh"):
        load("folder", tmp_path)
    fill(tmp_path, "b/1.npy")
    with pytest.raises(PointCloudError, match="a: no point cloud or mesh file in this class"):
        load("folder", tmp_path)


def test_arrays_with_parts(tmp_path: Path) -> None:
    path = tmp_path / "clouds.npz"
    parts = np.tile(np.arange(16, dtype=np.int16) % 3, (2, 1))
    classes, part_names = np.array(["Cup", "Table"]), np.array(["Cup/a", "Cup/b", "Table/a"])
    points, labels = writers.clouds(2), np.array([1, 0])
    np.savez(path, points=points, labels=labels, part_labels=parts, classes=classes, part_names=part_names)
    dataset = load("clouds", path, up_axis="z")
    assert dataset.class_parts == {0: (0, 1), 1: (2,)}
    assert (dataset.splits, dataset.up_axis) == (("all", "all"), "z")
    np.testing.assert_array_equal(dataset[0].parts_N, parts[0])


def test_subsets_and_checksums(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.npy", "a/2.npy", "b/3.npy")
    dataset = load("folder", tmp_path)
    subset = dataset.select([2, 0]).select([1])
    assert (subset.names, subset.indices_n.tolist()) == (("a/1.npy",), [0])
    np.testing.assert_array_equal(subset[-1].points_N3, dataset[0].points_N3)
    assert subset.checksum() == dataset.checksum() == load("folder", tmp_path).checksum()
    with pytest.raises(IndexError):
        subset[1]
    with pytest.raises(ValueError, match="no split"):
        dataset.subset("train")
    moved = tmp_path / "b" / "2.npy"
    (tmp_path / "a" / "2.npy").rename(moved)
    assert load("folder", tmp_path).checksum() != dataset.checksum()


@pytest.fixture(scope="module")
def modelnet(shared: Path) -> Dataset:
    return load("modelnet40", shared / "data" / "modelnet40_clouds_1024.npz")


def test_real_modelnet(modelnet: Dataset) -> None:
    assert len(modelnet.classes) == 40
    assert (len(modelnet.subset("train")), len(modelnet.subset("test"))) == (9843, 2468)
    sample = modelnet[0]
    assert sample.points_N3.shape == (1024, 3)
    assert sample.label is not None
    assert (modelnet.classes[sample.label], sample.name) == ("airplane", "airplane_0001")


@pytest.mark.parametrize(
    ("file", "count", "classes"),
    [("psb_clouds_1024.npz", 1814, 161), ("labeledpsb_parts_2048.npz", 380, 19)],
)
def test_real_arrays(shared: Path, file: str, count: int, classes: int) -> None:
    path = shared / "data" / file
    dataset = load("clouds", path)
    assert (len(dataset), len(dataset.classes), detect(path)) == (count, classes, "clouds")
    sample = dataset[-1]
    assert np.isfinite(sample.points_N3).all()
    if dataset.part_names:
        assert sample.parts_N is not None
        assert sample.label is not None
        assert set(sample.parts_N.tolist()) <= set(dataset.class_parts[sample.label])
