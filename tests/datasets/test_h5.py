"""HDF5 files: damaged ones are refused by the name of the file and the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa import PointCloudError, PointCloudWarning
from crossjepa.datasets import check, load
from tests.helpers import dataset_writers as writers

pytest.importorskip("h5py")


H5 = "ply_data_train1.h5"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def rewrite(path: Path, **changes: Any) -> None:
    labels = np.arange(6, dtype=np.uint8)[:, None] % 3
    arrays = {"data": writers.clouds(6), "label": labels, **changes}
    writers.h5(path, **{name: array for name, array in arrays.items() if array is not None})


def link_elsewhere(path: Path) -> None:
    import h5py

    with h5py.File(path, "a") as file:
        del file["data"]
        file["data"] = h5py.ExternalLink("ply_data_train0.h5", "/data")


def claim_much(path: Path) -> None:
    import h5py

    with h5py.File(path, "a") as file:
        del file["data"]
        file.create_dataset("data", shape=(6, 1 << 30, 3), dtype="f4", chunks=(1, 1024, 3))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, "not a complete HDF5 file"),
        (lambda path: path.write_bytes(b"not HDF5 at all"), "not a complete HDF5 file"),
        (lambda path: path.unlink(), "no such file"),
        (lambda path: rewrite(path, data=None), "no array"),
        (lambda path: rewrite(path, data=writers.clouds(6)[0]), r"\(n, N, 3\)"),
        (lambda path: rewrite(path, data=writers.clouds(6)[:, :, :2]), r"\(n, N, 3\)"),
        (lambda path: rewrite(path, data=writers.clouds(5)), "6 labels for 5 shapes"),
        (
            lambda path: rewrite(path, label=np.full((6, 1), 3, np.uint8)),
            "label 3, number 0, is not from 0 to 2",
        ),
        (lambda path: rewrite(path, label=np.full((6, 1), 0.5)), "label 0.5"),
        (lambda path: rewrite(path, label=np.full((6, 1), -1)), "label -1"),
        (lambda path: rewrite(path, label=np.zeros((6, 2), np.uint8)), r"\(n, 1\)"),
        (lambda path: rewrite(path, normal=writers.clouds(4)), "4 normals for 6 shapes"),
        (link_elsewhere, "not an array of this file"),
        (claim_much, "more than the file can hold"),
    ],
)
def test_h5(tmp_path: Path, damage: Callable[[Path], object], reason: str) -> None:
    damage(writers.modelnet_h5(tmp_path) / H5)
    with pytest.raises(PointCloudError, match=reason) as caught:
        load("modelnet40", tmp_path)
    assert caught.value.source == str(tmp_path / H5)


def test_nan_is_found_when_its_sample_is_read_and_by_check(tmp_path: Path) -> None:
    data = writers.clouds(6)
    data[4, 3, 1] = np.nan
    rewrite(writers.modelnet_h5(tmp_path) / H5, data=data)
    dataset = load("modelnet40", tmp_path)
    with pytest.warns(PointCloudWarning, match=r"ply_data_train1.h5\[4\]: 1 of 16 points are not finite"):
        assert len(dataset[10].points_N3) == 15
    problems = check("modelnet40", tmp_path)[0].problems
    assert any("train1.h5[4]" in problem and "not finite" in problem for problem in problems)
    assert any("not the published file" in problem for problem in problems)
    assert any("12 samples in split train, expected 9,843 or 9,840" in problem for problem in problems)


def test_h5py_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writers.modelnet_h5(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ImportError, match=r"crossjepa\[data\]"):
        load("modelnet40", tmp_path)
