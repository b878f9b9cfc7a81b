"""Archives of labeled clouds, with and without parts, complete and damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa import PointCloudError
from crossjepa.datasets import detect, load
from tests.helpers import dataset_writers as writers

pytest.importorskip("h5py")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"points": None}, "no array"),
        ({"labels": np.array([0.5, 1])}, "whole numbers"),
        ({"labels": np.array([0, 7]), "classes": np.array(["a", "b"])}, "label 7"),
        ({"labels": np.array([0])}, "1 labels for 2 shapes"),
        ({"split": np.array(["train"])}, "1 splits for 2 shapes"),
        ({"names": np.array([b"a", b"b"])}, "wrong type"),
        ({"points": np.zeros((2, 3))}, r"\(n, N, 3\)"),
        ({"points": np.array([{}, {}], dtype=object)}, "not a readable npz"),
        ({"points": np.zeros((2, 1 << 20, 3), np.float32)}, "claim to hold"),
    ],
)
def test_arrays(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    arrays = {"points": writers.clouds(2), "labels": np.array([0, 1]), **changes}
    path = tmp_path / "clouds.npz"
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(PointCloudError, match=reason):
        load("clouds", path)


def test_arrays_with_parts(tmp_path: Path) -> None:
    path = tmp_path / "clouds.npz"
    parts = np.tile(np.arange(16, dtype=np.int16) % 3, (2, 1))
    classes, part_names = np.array(["Cup", "Table"]), np.array(["Cup/a", "Cup/b", "Table/a"])
    points, labels = writers.clouds(2), np.array([1, 0])
    np.savez(path, points=points, labels=labels, part_labels=parts, classes=classes, part_names=part_names)
    dataset = load("clouds", path, up_axis="z")
    assert dataset.class_parts == {0: (0, 1), 1: (2,)}
    assert (dataset.splits, dataset.up_axis) == (("all", "all"), "z")
    np.testing.assert_array_equal(dataset[0].parts_N, parts[0])


@pytest.mark.parametrize(
    ("file", "count", "classes"),
    [("psb_clouds_1024.npz", 1814, 161), ("labeledpsb_parts_2048.npz", 380, 19)],
)
def test_real_arrays(shared: Path, file: str, count: int, classes: int) -> None:
    path = shared / "data" / file
    dataset = load("clouds", path)
    assert (len(dataset), len(dataset.classes), detect(path)) == (count, classes, "clouds")
    sample = dataset[-1]
    assert np.isfinite(sample.points_N3).all()
    if dataset.part_names:
        assert sample.parts_N is not None
        assert sample.label is not None
        assert set(sample.parts_N.tolist()) <= set(dataset.class_parts[sample.label])


@pytest.mark.parametrize(
    ("labels", "classes", "found"),
    [
        (np.array(["table", "lamp", "table"]), None, ("lamp", "table")),
        (np.array([b"table", b"lamp", b"table"]), None, ("lamp", "table")),
        (np.array([["table"], ["lamp"], ["table"]]), np.array(["table", "lamp"]), ("table", "lamp")),
        (np.array([1.0, 0.0, 1.0]), np.array(["lamp", "table"]), ("lamp", "table")),
        (np.array([[1], [0], [1]], np.uint8), None, ("0", "1")),
    ],
)
@pytest.mark.parametrize("names", [("points", "labels"), ("data", "label"), ("X", "y")])
def test_labels_of_any_form(
    tmp_path: Path,
    labels: NDArray[Any],
    classes: NDArray[Any] | None,
    found: tuple[str, ...],
    names: tuple[str, str],
) -> None:
    arrays: dict[str, Any] = {names[0]: writers.clouds(3), names[1]: labels}
    arrays |= {} if classes is None else {"classes": classes}
    np.savez(tmp_path / "a.npz", **arrays)
    dataset = load("clouds", tmp_path / "a.npz")
    assert dataset.classes == found
    words = [dataset.classes[label] for label in dataset.labels_n]
    assert words in (["table", "lamp", "table"], ["1", "0", "1"])
    np.testing.assert_array_equal(dataset[1].points_N3, writers.clouds(3)[1])


def test_text_labels_that_are_no_classes_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", points=writers.clouds(2), labels=["bed", "sofa"], classes=["bed", "chair"])
    with pytest.raises(PointCloudError, match="label 'sofa' is none of its classes bed, chair"):
        load("clouds", tmp_path / "a.npz")


def test_groups(tmp_path: Path) -> None:
    path, points, labels = tmp_path / "a.npz", np.ones((3, 5, 3)), np.arange(3)
    np.savez(path, points=points, labels=labels, group=np.array([7, 2, 7]))
    assert load("clouds", path).groups == ("7", "2", "7")
    np.savez(path, points=points, labels=labels)
    assert load("clouds", path).groups == ()
    np.savez(path, points=points, labels=labels, group=np.array([7, 2]))
    with pytest.raises(PointCloudError, match=r"a\.npz: 2 groups for 3 shapes"):
        load("clouds", path)
