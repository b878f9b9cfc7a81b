"""Data sets in the layouts in which they are distributed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import DatasetNotFoundError, check, detect, find_folds, list_datasets, load, load_fold
from crossjepa.datasets.modelnet import MODELNET10
from tests.helpers import dataset_writers as writers
from tests.helpers.io_writers import off

pytest.importorskip("h5py")


def test_modelnet40_h5(tmp_path: Path) -> None:
    dataset = load("modelnet40", writers.modelnet_h5(tmp_path))
    assert (dataset.layout, dataset.up_axis) == ("ply_hdf5_2048", "y")
    assert dataset.classes == writers.MODELNET
    assert [len(dataset.subset(split)) for split in ("train", "test")] == [12, 6]
    assert dataset.labels_n.tolist() == [0, 1, 2] * 6
    sample = dataset[7]  # the second file's second shape
    np.testing.assert_array_equal(sample.points_N3, writers.clouds(6, seed=1)[1])
    assert sample.normals_N3 is not None
    np.testing.assert_array_equal(sample.normals_N3, -sample.points_N3)
    assert (sample.label, sample.split, sample.parts_N) == (1, "train", None)
    assert (dataset[2].name, dataset[7].name) == ("airplane_0002", "ply_data_train1#1")
    assert detect(tmp_path) == "modelnet40"


def test_modelnet10_is_taken_out_of_modelnet40(tmp_path: Path) -> None:
    classes = ("airplane", *MODELNET10)
    dataset = load("modelnet10", writers.modelnet_h5(tmp_path, classes))
    assert dataset.classes == MODELNET10
    assert len(dataset) == 3 * 20
    original = load("modelnet40", tmp_path)
    for index in (0, 13, 59):
        place = int(dataset.indices_n[index])
        np.testing.assert_array_equal(dataset[index].points_N3, original[place].points_N3)
        labels = dataset[index].label, original[place].label
        assert labels[0] is not None
        assert labels[1] is not None
        assert dataset.classes[labels[0]] == original.classes[labels[1]]


@pytest.mark.parametrize("ten", [False, True])
def test_modelnet_text(tmp_path: Path, ten: bool) -> None:
    name = "modelnet10" if ten else "modelnet40"
    dataset = load(name, writers.modelnet_text(tmp_path, ten))
    assert dataset.layout == "normal_resampled"
    assert dataset.split_names == ("test", "train")
    assert len(dataset) == 9
    sample = dataset.subset("test")[2]
    assert sample.label is not None
    assert (sample.name, dataset.classes[sample.label]) == ("night_stand_0003", "night_stand")
    np.testing.assert_allclose(sample.points_N3, writers.clouds(1, seed=2)[0], atol=1e-6)
    assert sample.normals_N3 is not None
    np.testing.assert_allclose(np.linalg.norm(sample.normals_N3, axis=1), 1, atol=1e-5)
    assert detect(tmp_path) == name


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_modelnet_pickles(tmp_path: Path, protocol: int) -> None:
    dataset = load("modelnet40", writers.modelnet_dat(tmp_path, protocol))
    assert dataset.labels_n.tolist() == [0, 0, 1, 1, 2, 2, 0, 1, 2]
    assert dataset.names[3] == "bathtub_0001"
    np.testing.assert_array_equal(dataset[3].points_N3, writers.clouds(6)[3])
    np.testing.assert_array_equal(dataset[3].normals_N3, writers.clouds(6)[3])


def test_modelnet_meshes(tmp_path: Path) -> None:
    vertices, faces = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0]]), np.array([[0, 1, 2]])
    for shape in writers.MODELNET:
        for split in ("train", "test"):
            file = tmp_path / shape / split / f"{shape}_0001.off"
            file.parent.mkdir(parents=True)
            file.write_bytes(off(vertices, faces, glued=True))
    dataset = load("modelnet40", tmp_path, num_points=50)
    assert (dataset.layout, dataset.up_axis, len(dataset)) == ("class/split/file", "z", 6)
    assert dataset.names[0] == "airplane/test/airplane_0001.off"
    assert dataset[0].points_N3.shape == (50, 3)
    np.testing.assert_array_equal(
        dataset[0].points_N3, load("modelnet40", tmp_path, num_points=50)[0].points_N3
    )
    assert dataset.checksum() != load("modelnet40", tmp_path).checksum()


def test_scanobjectnn(tmp_path: Path) -> None:
    root = writers.scanobjectnn(tmp_path / "h5_files")
    for seed, variant in enumerate(("obj-bg", "obj-only", "pb-t50-rs")):
        for path in (root, tmp_path):
            dataset = load(f"scanobjectnn-{variant}", path)
            assert len(dataset.subset("train")) == len(dataset.subset("test")) == 15
            np.testing.assert_array_equal(dataset[4].points_N3, writers.clouds(15, seed=seed)[4])
    assert dataset.classes[4] == "chair"
    with pytest.raises(ValueError, match="scanobjectnn-obj-only"):
        detect(root)


def test_shapenetpart_h5(tmp_path: Path) -> None:
    dataset = load("shapenetpart", writers.shapenetpart_h5(tmp_path / "hdf5_data").parent)
    assert dataset.split_names == ("test", "train", "val")
    assert (len(dataset.part_names), len(dataset.class_parts)) == (50, 16)
    assert dataset.class_parts[dataset.classes.index("Motorbike")] == (30, 31, 32, 33, 34, 35)
    assert dataset.class_parts[15] == (47, 48, 49)
    sample = dataset.subset("val")[15]
    assert sample.parts_N is not None
    assert set(sample.parts_N.tolist()) == {47}
    assert dataset.part_names[47] == "Table/0"


def test_shapenetpart_text(tmp_path: Path) -> None:
    dataset = load("shapenetpart", writers.shapenetpart_text(tmp_path))
    assert len(dataset) == 6
    sample = dataset.subset("test")[1]
    assert sample.label is not None
    assert (dataset.classes[sample.label], sample.name) == ("Mug", "03797390/object2")
    np.testing.assert_allclose(sample.points_N3, writers.clouds(1, seed=2)[0], atol=1e-6)
    assert sample.parts_N is not None
    assert set(sample.parts_N.tolist()) == {36}
    assert detect(tmp_path) == "shapenetpart"


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_fewshot(tmp_path: Path, protocol: int) -> None:
    for number in (10, 2):
        writers.fewshot_fold(tmp_path / "2way_3shot" / f"{number}.pkl", protocol=protocol)
    writers.fewshot_fold(tmp_path / "3way3shot" / "0.pkl", way=3, protocol=protocol)
    folds = find_folds(tmp_path)
    assert [file.stem for file in folds[2, 3]] == ["2", "10"]
    assert list(folds) == [(2, 3), (3, 3)]
    fold = load_fold(folds[2, 3][0])
    assert fold.subset("train").labels_n.tolist() == [0, 0, 0, 1, 1, 1]
    assert fold.subset("test").labels_n.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(fold[4].points_N3, writers.clouds(6)[4])
    assert len(check("modelnet40-fewshot", tmp_path)) == 3


def test_shapenet55(tmp_path: Path) -> None:
    dataset = load("shapenet55", writers.shapenet55(tmp_path))
    assert dataset.classes == ("02691156", "04379243")
    assert dataset.labels_n.tolist() == [0, 0, 1, 1] * 2
    np.testing.assert_array_equal(dataset[5].points_N3, writers.clouds(4, seed=1)[1])
    assert detect(tmp_path) == "shapenet55"


@pytest.mark.parametrize("name", list_datasets())
def test_what_is_missing_is_explained(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetNotFoundError) as caught:
        load(name, tmp_path / "nowhere")
    message = str(caught.value)
    for part in ("nowhere", name, "get it: ", "expected layout:", "nothing is downloaded"):
        assert part in message


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match="scanobjectnn-obj-bg"):
        load("modelnet", "x")
