"""Data sets with a file for every shape, and the lists that name the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossjepa import PointCloudError
from crossjepa.datasets.files import Entry, from_files, read_json, read_lines
from tests.helpers import dataset_writers as writers


def test_files_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    writers.fill(tmp_path, "a.npy", "b.npy")
    entries = [Entry(tmp_path / f"{name}.npy", row, "train", name) for row, name in enumerate("ab")]
    dataset = from_files("mine", "list", ("x", "y"), entries)
    assert (dataset.names, dataset.labels_n.tolist(), dataset.splits) == (("a", "b"), [0, 1], ("train",) * 2)
    (tmp_path / "a.npy").unlink()
    np.testing.assert_array_equal(dataset[1].points_N3, writers.clouds(1, seed=1)[0])
    with pytest.raises(PointCloudError, match=r"a\.npy"):
        dataset[0]
    assert dataset.fingerprints() == [0, (tmp_path / "b.npy").stat().st_size]


def test_missing_files_are_counted_and_their_list_is_named(tmp_path: Path) -> None:
    writers.fill(tmp_path, "a.npy")
    entries = [Entry(tmp_path / f"{name}.npy", 0, "all", name) for name in "abc"]
    with pytest.raises(PointCloudError, match=r"b\.npy: no such file; 2 of 3 named in .*list\.txt"):
        from_files("mine", "list", ("x",), entries, listed_in=tmp_path / "list.txt")
    with pytest.raises(PointCloudError, match=r"list\.txt: names no shape"):
        from_files("mine", "list", ("x",), [], listed_in=tmp_path / "list.txt")


def test_lists(tmp_path: Path) -> None:
    assert read_lines(writers.lines(tmp_path / "a.txt", " one", "", "two ")) == ["one", "two"]
    with pytest.raises(PointCloudError, match="is empty"):
        read_lines(writers.lines(tmp_path / "b.txt", " "))
    assert read_json(writers.lines(tmp_path / "c.json", '["a"]')) == ["a"]
    with pytest.raises(PointCloudError, match=r"d\.json: not JSON"):
        read_json(writers.lines(tmp_path / "d.json", "[1"))
    for read in (read_lines, read_json):
        with pytest.raises(PointCloudError, match="no such file"):
            read(tmp_path / "none")
