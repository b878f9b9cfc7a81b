"""ShapeNetPart in the layouts in which it is distributed, complete and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets import detect, load
from tests.helpers import dataset_writers as writers

pytest.importorskip("h5py")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("synsetoffset2category.txt", "Airplane\n", "line 1"),
        ("train_test_split/shuffled_val_file_list.json", None, "no such file"),
        ("train_test_split/shuffled_val_file_list.json", "[1", "not JSON"),
        ("train_test_split/shuffled_val_file_list.json", '["a"]', "expected a list"),
        ("train_test_split/shuffled_val_file_list.json", '["shape_data/1/a"]', "belongs to no class"),
        ("03797390/object1.txt", None, "object1.txt: no such file"),
        ("03797390/object1.txt", "1 2 3 4 5 6\n", "6 numbers per line"),
        ("03797390/object1.txt", "1 2 3 4 5 6 50\n", "part label 50"),
    ],
)
def test_shapenetpart(tmp_path: Path, name: str, content: str | None, reason: str) -> None:
    file = writers.shapenetpart_text(tmp_path) / name
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(PointCloudError, match=reason):
        list(load("shapenetpart", tmp_path))


def test_shapenetpart_h5_part_labels(tmp_path: Path) -> None:
    writers.shapenetpart_h5(tmp_path)
    labels = np.arange(16, dtype=np.uint8)[:, None]
    parts = np.full((16, 16), 50, np.uint8)
    writers.h5(tmp_path / "ply_data_val0.h5", data=writers.clouds(16), label=labels, pid=parts)
    with pytest.raises(PointCloudError, match=r"val0.h5\[0\]: part label 50"):
        list(load("shapenetpart", tmp_path))
    writers.h5(tmp_path / "ply_data_val0.h5", data=writers.clouds(16), label=labels, pid=parts[:, :9])
    with pytest.raises(PointCloudError, match="9 part labels for 16 points"):
        list(load("shapenetpart", tmp_path))


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
