"""ModelNet in the layouts in which it is distributed, complete and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets import Dataset, detect, load
from crossjepa.datasets.modelnet import MODELNET10
from tests.helpers import dataset_writers as writers
from tests.helpers.io_writers import off

pytest.importorskip("h5py")


@pytest.mark.parametrize("name", ["shape_names.txt", "train_files.txt", "test_files.txt"])
def test_missing_list(tmp_path: Path, name: str) -> None:
    (writers.modelnet_h5(tmp_path) / name).unlink()
    with pytest.raises(PointCloudError, match="no such file") as caught:
        load("modelnet40", tmp_path)
    assert caught.value.source == str(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("modelnet40_test.txt", None, "no such file"),
        ("modelnet40_test.txt", "", "is empty"),
        ("modelnet40_test.txt", "sofa_0001\n", "'sofa_0001' belongs to no class"),
        ("modelnet40_test.txt", "bathtub_0099\n", "no such file; 1 of 7"),
        ("bathtub/bathtub_0003.txt", "1,2\n", r"\(N, 3\)"),
        ("bathtub/bathtub_0003.txt", "1,2,3\n1,2,x\n", "line 2"),
        ("bathtub/bathtub_0003.txt", "1,2,nan\n1,2,nan\n", "finite"),
    ],
)
def test_text(tmp_path: Path, name: str, content: str | None, reason: str) -> None:
    file = writers.modelnet_text(tmp_path) / name
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(PointCloudError, match=reason):
        list(load("modelnet40", tmp_path))


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
