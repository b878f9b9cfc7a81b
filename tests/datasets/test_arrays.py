"""Data sets of files that were read into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa import PointCloudError, PointCloudWarning
from crossjepa.datasets.arrays import Block, from_blocks
from tests.helpers import dataset_writers as writers

A, B = Path("a.h5"), Path("b.h5")


def test_blocks_follow_each_other() -> None:
    first, second = writers.clouds(2), writers.clouds(1, seed=1)
    blocks = [
        Block(A, "train", first, np.array([[1], [0]], np.uint8), normals=-first),
        Block(B, ["test"], second, np.array([1.0]), names=["mug"], parts=np.ones((1, 16), np.uint8)),
    ]
    parts = ("Cap/top", "Mug/body", "Mug/handle")
    dataset = from_blocks("mine", "blocks", ("Cap", "Mug"), blocks, up_axis="z", part_names=parts)
    assert (dataset.names, dataset.splits) == (("a#0", "a#1", "mug"), ("train", "train", "test"))
    assert (dataset.labels_n.tolist(), dataset.files, dataset.num_points) == ([1, 0, 1], (A, B), 16)
    # Which parts a class has follows from their names.
    assert dataset.class_parts == {0: (0,), 1: (1, 2)}
    np.testing.assert_array_equal(dataset[1].normals_N3, -first[1])
    np.testing.assert_array_equal(dataset[2].points_N3, second[0])
    assert (dataset[1].parts_N, dataset[2].normals_N3, dataset[2].up_axis) == (None, None, "z")
    assert dataset[2].parts_N is not None


def test_clouds_of_different_sizes() -> None:
    clouds = [writers.clouds(1, points)[0] for points in (5, 7)]
    dataset = from_blocks("mine", "blocks", (), [Block(A, "all", clouds)])
    assert (dataset.labels, dataset.num_points) == (None, 0)
    assert [len(sample.points_N3) for sample in dataset] == [5, 7]


def test_a_cloud_is_named_by_its_file_and_row() -> None:
    clouds = writers.clouds(3)
    clouds[1, 3] = np.nan
    clouds[2] = np.nan
    dataset = from_blocks("mine", "blocks", (), [Block(A, "all", writers.clouds(3)), Block(B, "all", clouds)])
    with pytest.warns(PointCloudWarning, match=r"b\.h5\[1\]: 1 of 16 points are not finite"):
        np.testing.assert_array_equal(dataset[4].points_N3, np.delete(clouds[1], 3, axis=0))
    with pytest.raises(PointCloudError, match=r"b\.h5\[2\]: none of its 16 points is finite"):
        dataset[5]


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"points": np.zeros((2, 16))}, r"expected points of shape \(n, N, 3\) or wider"),
        ({"points": np.zeros((2, 3, 16))}, ".*transpose it to 2x16x3"),
        ({"splits": ["train"]}, "1 splits for 2 shapes"),
        ({"labels": np.zeros(3)}, "3 labels for 2 shapes"),
        ({"names": ["a"]}, "1 names for 2 shapes"),
        ({"normals": np.zeros((1, 16, 3))}, "1 normals for 2 shapes"),
        ({"parts": np.zeros((4, 16))}, "4 parts for 2 shapes"),
        ({"labels": np.array([0, 2])}, "label 2, number 1, is not from 0 to 1"),
    ],
)
def test_what_does_not_fit_is_named(arrays: dict[str, Any], reason: str) -> None:
    with pytest.raises(PointCloudError, match=rf"a\.h5: {reason}"):
        from_blocks(
            "mine", "", ("x", "y"), [Block(A, **{"splits": "all", "points": writers.clouds(2)} | arrays)]
        )
