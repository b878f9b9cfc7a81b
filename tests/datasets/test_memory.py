"""Lists of what `encode` takes, as a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crossjepa import CrossJEPAEncoder, PointCloudError, ProcessorConfig
from crossjepa.datasets.memory import from_sources
from crossjepa.io import Mesh
from tests.conftest import SAMPLES
from tests.helpers import dataset_writers as writers

TRIANGLE = Mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0]]), np.array([[0, 1, 2]]))


def test_every_kind_of_input(tiny: CrossJEPAEncoder) -> None:
    cloud = writers.clouds(1)[0]
    sources = [SAMPLES / "chair.obj", cloud, torch.from_numpy(cloud), TRIANGLE]
    rule = ProcessorConfig(num_points=64, up_axis="z", seed=3)
    dataset = from_sources(sources, np.array([1, 0, 0, 1]), ("a", "b"), processor=rule)
    assert dataset.names == (str(SAMPLES / "chair.obj"), "cloud 1", "cloud 2", "cloud 3")
    assert (dataset.labels_n.tolist(), dataset.up_axis, len(dataset.files)) == ([1, 0, 0, 1], "z", 1)
    np.testing.assert_array_equal(dataset[1].points_N3, cloud)
    np.testing.assert_array_equal(dataset[2].points_N3, cloud)
    assert [len(dataset[row].points_N3) for row in (0, 3)] == [64, 64]
    assert from_sources(sources, np.zeros(4, int), ("a",), up_axis="x").up_axis == "x"


def test_the_checksum_follows_contents_labels_and_sampling() -> None:
    clouds, labels, classes = writers.clouds(2), np.array([0, 1]), ("a", "b")
    checksum = from_sources(list(clouds), labels, classes).checksum()
    assert from_sources(list(clouds.copy()), labels, classes).checksum() == checksum
    others = (
        from_sources(list(clouds + 1), labels, classes),
        from_sources(list(clouds), 1 - labels, classes),
        from_sources(list(clouds), labels, classes, processor=ProcessorConfig(seed=1)),
    )
    assert len({checksum, *(other.checksum() for other in others)}) == 4


@pytest.mark.parametrize(
    ("sources", "labels", "error", "reason"),
    [
        ([np.eye(3)], [0, 1], ValueError, "2 labels for 1 clouds"),
        ([np.eye(3)], [2], ValueError, "labels must be from 0 to 1"),
        (["none.off"], [0], PointCloudError, "none.off: no such file"),
    ],
)
def test_what_does_not_fit(
    sources: list[Any], labels: list[int], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        from_sources(sources, np.array(labels), ("a", "b"))


def test_a_bad_cloud_is_named_when_it_is_read(tmp_path: Path) -> None:
    dataset = from_sources([np.eye(3), np.full((4, 3), np.nan)], np.array([0, 0]), ("a",))
    np.testing.assert_array_equal(dataset[0].points_N3, np.eye(3))
    with pytest.raises(PointCloudError, match="cloud 1: none of its 4 points is finite"):
        dataset[1]
