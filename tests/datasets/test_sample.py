"""Samples, and the validation of what files say of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder, PointCloudError, PointCloudWarning
from crossjepa.datasets import Sample, load
from crossjepa.datasets.sample import Sampling, cloud_sample, read_split, whole_numbers
from crossjepa.io import Mesh, PointCloud
from tests.conftest import SAMPLES
from tests.helpers import dataset_writers as writers


def test_a_mesh_gives_the_points_of_encode(tmp_path: Path, base: CrossJEPAEncoder) -> None:
    (tmp_path / "seat").mkdir()
    shutil.copy(SAMPLES / "chair.obj", tmp_path / "seat")
    dataset = load("folder", tmp_path)
    np.testing.assert_array_equal(
        base.preprocess(dataset[0].points_N3).numpy(), base.preprocess(SAMPLES / "chair.obj").numpy()
    )


def test_points_of_a_mesh_follow_the_sampling() -> None:
    mesh = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0]]), np.array([[0, 1, 2]]))
    sample = Sample(mesh, sampling=Sampling(num_points=50, seed=1))
    assert sample.points_N3.shape == (50, 3)
    np.testing.assert_array_equal(sample.points_N3, Sample(mesh, sampling=Sampling(50, 1)).points_N3)
    assert not np.array_equal(sample.points_N3, Sample(mesh, sampling=Sampling(50, 2)).points_N3)
    with pytest.raises(PointCloudError, match="flat: "):
        _ = Sample(Mesh(mesh.vertices_V3 * 0, mesh.faces_F3), "flat").points_N3


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("Training", "train"),
        (" TEST ", "test"),
        ("valid", "val"),
        ("Fold12", "fold12"),
        ("", "all"),
        ("all", "all"),
    ],
)
def test_names_of_splits(text: str, split: str) -> None:
    assert read_split(text, "t.csv") == split


@pytest.mark.parametrize("text", ["tset", "fold", "fold-1", "train test"])
def test_what_is_no_split(text: str) -> None:
    with pytest.raises(PointCloudError, match=rf"t\.csv: split '{text}' is none of train"):
        read_split(text, "t.csv")


@pytest.mark.parametrize("values", [np.array([0, 2], np.uint8), np.array([[0.0], [2.0]])])
def test_whole_numbers(values: np.ndarray) -> None:
    numbers = whole_numbers(values, 3, "a.h5", "label")
    assert numbers.tolist() == [0, 2]
    assert numbers.dtype == np.int64


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.array([0, 3]), "label 3, number 1, is not from 0 to 2"),
        (np.array([-1, 0]), "label -1, number 0"),
        (np.array([0.5]), "label 0.5, number 0"),
        (np.array([np.nan]), "label nan, number 0"),
        (np.zeros((2, 2)), r"expected labels of shape \(n,\) or \(n, 1\)"),
        (np.array(["a"]), "expected labels"),
    ],
)
def test_what_are_no_whole_numbers(values: np.ndarray, reason: str) -> None:
    with pytest.raises(PointCloudError, match=f"a.h5: {reason}"):
        whole_numbers(values, 3, "a.h5", "label")


def test_arrays_of_a_cloud() -> None:
    points = writers.clouds(1)[0]
    sample = cloud_sample("a", np.hstack([points, points]), -points, np.arange(16) % 2, num_parts=2)
    assert isinstance(sample.shape, PointCloud)
    np.testing.assert_array_equal(sample.points_N3, points)
    np.testing.assert_array_equal(sample.normals_N3, -points)
    assert (sample.name, sample.split, sample.label) == ("a", "all", None)


def test_normals_and_parts_go_with_points_that_are_left_out() -> None:
    points, parts = writers.clouds(1)[0], np.arange(16)
    points[5] = np.nan
    with pytest.warns(PointCloudWarning, match="a: 1 of 16 points"):
        sample = cloud_sample("a", points, np.where(np.isnan(points), np.nan, -points), parts, num_parts=16)
    kept = np.delete(points, 5, axis=0)
    np.testing.assert_array_equal(sample.points_N3, kept)
    np.testing.assert_array_equal(sample.normals_N3, -kept)
    np.testing.assert_array_equal(sample.parts_N, np.delete(parts, 5))
    with pytest.warns(PointCloudWarning), pytest.raises(PointCloudError, match="some of its normals"):
        cloud_sample("a", kept, np.where(parts[:15, None] == 3, np.nan, kept))


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"normals": np.zeros((15, 3))}, "a: 15 normals for 16 points"),
        ({"normals": np.full((16, 3), np.inf)}, r"a \(normals\): none of its 16 points is finite"),
        ({"parts": np.zeros(15, int)}, "a: 15 part labels for 16 points"),
        ({"parts": np.full(16, 2)}, "a: part label 2, number 0, is not from 0 to 1"),
    ],
)
def test_arrays_that_do_not_fit(arrays: dict[str, Any], reason: str) -> None:
    with pytest.raises(PointCloudError, match=reason):
        cloud_sample("a", writers.clouds(1)[0], **arrays, num_parts=2)
