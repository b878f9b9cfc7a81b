"""ShapeNet-55 in the layout in which it is distributed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import detect, load
from tests.helpers import dataset_writers as writers

pytest.importorskip("h5py")


def test_shapenet55(tmp_path: Path) -> None:
    dataset = load("shapenet55", writers.shapenet55(tmp_path))
    assert dataset.classes == ("02691156", "04379243")
    assert dataset.labels_n.tolist() == [0, 0, 1, 1] * 2
    np.testing.assert_array_equal(dataset[5].points_N3, writers.clouds(4, seed=1)[1])
    assert detect(tmp_path) == "shapenet55"
