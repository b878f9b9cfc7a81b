"""Official files of corrupted clouds, complete and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.evaluate.corrupted_files import CorruptedFiles

CLASSES = [f"class {number:02d}" for number in range(40)]
CLOUDS = np.random.default_rng(0).normal(size=(4, 20, 3)).astype(np.float32)
LABELS = np.array([[3], [0], [39], [7]])


def test_arrays_and_their_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "data_shear_1.npy", CLOUDS)
    np.save(tmp_path / "label.npy", LABELS)
    clouds, labels = CorruptedFiles(tmp_path, CLASSES).read(tmp_path / "data_shear_1.npy")
    np.testing.assert_array_equal(clouds, CLOUDS)
    assert labels.tolist() == [3, 0, 39, 7]
    reverse = CorruptedFiles(tmp_path, CLASSES[::-1]).read(tmp_path / "data_shear_1.npy")[1]
    assert reverse.tolist() == [36, 39, 0, 32]


def test_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "scale_0.h5", "w") as file:
        file["data"], file["label"] = CLOUDS, LABELS
    clouds, labels = CorruptedFiles(tmp_path, CLASSES).read(tmp_path / "scale_0.h5")
    np.testing.assert_array_equal(clouds, CLOUDS)
    assert labels.tolist() == [3, 0, 39, 7]


@pytest.mark.parametrize(
    ("clouds", "labels", "word"),
    [
        (CLOUDS[0], LABELS, r"shape \(n, N, 3\), not \(20, 3\)"),
        (CLOUDS, LABELS[:3], "3 labels for 4 clouds"),
        (CLOUDS, LABELS + 1, "label 40"),
        (np.full_like(CLOUDS, np.nan), LABELS, "not finite"),
        (CLOUDS.astype(object), LABELS, "not a readable npy array"),
        (CLOUDS.astype(str), LABELS, "expected numbers"),
        (None, LABELS, "no such file"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, clouds: object, labels: object, word: str) -> None:
    if clouds is not None:
        np.save(tmp_path / "data_shear_1.npy", np.asarray(clouds))
    np.save(tmp_path / "label.npy", np.asarray(labels))
    with pytest.raises(PointCloudError, match=word) as caught:
        CorruptedFiles(tmp_path, CLASSES).read(tmp_path / "data_shear_1.npy")
    assert "data_shear_1.npy" in str(caught.value)


def test_other_data_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="40 classes of ModelNet40, not 6"):
        CorruptedFiles(tmp_path, CLASSES[:6])
