"""Which samples are for fitting and which for testing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa.datasets import Dataset, load
from crossjepa.datasets.splits import Partition, divide, draw_per_class, limit, shared_classes
from tests.helpers import dataset_writers as writers


def write(path: Path, labels: np.ndarray, **more: Any) -> Dataset:
    np.savez(path, points=writers.clouds(len(labels)), labels=labels, **more)
    return load("clouds", path)


def test_by_folds(tmp_path: Path) -> None:
    labels = np.arange(30) % 3
    folds = divide(write(tmp_path / "folds.npz", labels, split=np.array(["fold0", "fold1"] * 15)))
    assert [partition.name for partition in folds.partitions] == ["fold0", "fold1"]
    assert sorted(np.concatenate([part.test_m for part in folds.partitions])) == list(range(30))


def test_without_splits(tmp_path: Path) -> None:
    labels = np.arange(30) % 3
    dataset = write(tmp_path / "all.npz", labels)
    division = divide(dataset, seed=3)
    (partition,) = division.partitions
    assert np.bincount(labels[partition.test_m]).tolist() == [2, 2, 2]
    assert sorted(np.concatenate([partition.train_n, partition.test_m])) == list(range(30))
    assert "seed 3" in division.rule
    assert divide(dataset, seed=4).partitions[0].test_m.tolist() != partition.test_m.tolist()


def test_a_holdout_leaves_the_test_split_unread(tmp_path: Path) -> None:
    dataset = write(tmp_path / "a.npz", np.arange(30) % 3, split=np.array(["train", "train", "test"] * 10))
    (own,), (held,) = divide(dataset).partitions, divide(dataset, holdout=True).partitions
    assert own.test_m.tolist() == list(range(2, 30, 3))
    assert not set(own.test_m) & {*held.train_n, *held.test_m}
    assert sorted([*held.train_n, *held.test_m]) == own.train_n.tolist()
    everything = dataset.subset("test")
    with pytest.raises(ValueError, match="0 clouds to fit on and 10 to test on"):
        divide(everything)


def test_fewer_of_every_class_and_split(tmp_path: Path) -> None:
    dataset = write(tmp_path / "a.npz", np.array([0] * 8 + [1] * 4), split=np.array(["train", "test"] * 6))
    small = limit(dataset, 3)
    counts = {split: np.bincount(small.subset(split).labels_n).tolist() for split in small.split_names}
    assert counts == {"test": [3, 2], "train": [3, 2]}
    assert set(limit(dataset, 2).indices_n) <= set(small.indices_n)


def test_classes_of_one_side_are_left_out(tmp_path: Path) -> None:
    dataset = write(tmp_path / "a.npz", np.array([0, 1, 0, 2]))
    shared = shared_classes(dataset, Partition("test", np.array([0, 1]), np.array([2, 3])))
    assert (shared.train_n.tolist(), shared.test_m.tolist()) == ([0], [2])


def test_label_subsets_are_nested_and_keep_every_class() -> None:
    labels = np.repeat(np.arange(4), [100, 40, 10, 1])
    everything = np.arange(len(labels))
    previous: set[int] = set()
    for share, sizes in (
        (0.01, [1, 1, 1, 1]),
        (0.1, [10, 4, 1, 1]),
        (0.5, [50, 20, 5, 1]),
        (1.0, [100, 40, 10, 1]),
    ):
        drawn = draw_per_class(labels, everything, share, seed=2, at_least=1)
        assert np.bincount(labels[drawn]).tolist() == sizes
        assert previous <= set(drawn.tolist())
        previous = set(drawn.tolist())
