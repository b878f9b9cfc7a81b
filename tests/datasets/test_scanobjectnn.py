"""ScanObjectNN in the layout in which it is distributed, complete and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets import detect, load
from tests.helpers import dataset_writers as writers

pytest.importorskip("h5py")


def test_scanobjectnn_variant_is_told_by_its_folder(tmp_path: Path) -> None:
    root = writers.scanobjectnn(tmp_path)
    with pytest.raises(PointCloudError, match="no folder main_split_nobg"):
        load("scanobjectnn-obj-only", root / "main_split")
    (root / "main_split" / "test_objectdataset.h5").unlink()
    with pytest.raises(PointCloudError, match=r"test_objectdataset.h5: no such file"):
        load("scanobjectnn-obj-bg", root)


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
