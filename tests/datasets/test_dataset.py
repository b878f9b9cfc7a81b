"""Data sets: subsets, selections, and checksums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import load
from crossjepa.hashing import file_digest
from tests.helpers import dataset_writers as writers


def test_subsets_and_checksums(tmp_path: Path) -> None:
    writers.fill(tmp_path, "a/1.npy", "a/2.npy", "b/3.npy")
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


def test_checksums_never_change(tmp_path: Path) -> None:
    """Each literal is what version 0.1.0 computed; with another one, every kept feature would be unknown."""
    for name in ("a/1.xyz", "a/2.xyz", "b/3.xyz"):
        writers.lines(tmp_path / "folder" / name, f"0 0 0\n{name[2]} 0 1")
    table = writers.lines(tmp_path / "table.csv", "path,label", "folder/a/1.xyz,x", "folder/b/3.xyz,y")
    datasets = (
        load("folder", tmp_path / "folder"),
        load("folder", tmp_path / "folder", num_points=9),
        load("table", table),
        load("shapenetpart", writers.shapenetpart_text(tmp_path / "parts")),
    )
    assert [dataset.checksum() for dataset in datasets] == [
        "cea316e53cf1b094c081a23bc67b8693e6f56d229f0828434939e69198e43356",
        "bad3452423c1ed31f79dea46d630945ddafc47183fba83f62c33e70e50828d99",
        "6daab2c2deadff20474924d4353d477522adfd074d5028e06c5f74cfc2a32ff1",
        "ca7d24c6eae993989fea77bc3d0784277a743106bd4d9d564488c8778352e53f",
    ]
    archive = tmp_path / "clouds.npz"
    np.savez(archive, points=np.eye(3)[None], labels=np.array([0]))
    assert load("clouds", archive).checksum() == file_digest(archive)
