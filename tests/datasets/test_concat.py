"""Data sets, one after the other."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from crossjepa.datasets import concat, load
from crossjepa.evaluate import evaluate
from crossjepa.evaluate.baselines import ShapeDistributions
from tests.helpers import dataset_writers as writers


def test_data_sets_with_and_without_labels_together(tmp_path: Path) -> None:
    for name, classes in (("a", ("x", "y")), ("b", ("x", "y")), ("c", ("y", "x"))):
        np.savez(
            tmp_path / f"{name}.npz",
            points=writers.clouds(2, seed=ord(name)),
            labels=np.array([0, 1]),
            classes=np.array(classes),
            part_labels=np.zeros((2, 16), int),
        )
    a, b, c = (load("clouds", tmp_path / f"{name}.npz") for name in "abc")
    both = concat([a, b])
    assert (both.classes, both.labels_n.tolist(), len(both.subset("all"))) == (("x", "y"), [0, 1, 0, 1], 4)
    assert both[3].parts_N is not None
    assert both.checksum() not in (a.checksum(), concat([b, a]).checksum())
    np.testing.assert_array_equal(both.select([3, 0])[0].points_N3, b[1].points_N3)
    other = concat([a, c])
    assert (other.labels, other[2].label, other[2].parts_N) == (None, None, None)
    with pytest.raises(ValueError, match=r"clouds\+clouds \(several\) has no labels"):
        evaluate("linear", other, ShapeDistributions("d2"))
    with pytest.raises(ValueError, match="different axes that point up"):
        concat([a, load("clouds", tmp_path / "b.npz", up_axis="z")])
    copy = pickle.loads(pickle.dumps(both))  # as for the processes that make a cache
    np.testing.assert_array_equal(copy[2].points_N3, both[2].points_N3)


def test_one_data_set_stays_as_it_is_and_none_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=writers.clouds(2), labels=np.array([0, 1]))
    alone = load("clouds", tmp_path / "a.npz")
    assert concat([alone]) is alone
    with pytest.raises(ValueError, match="at least one data set"):
        concat([])
