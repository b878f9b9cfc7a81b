"""ModelNet-C: the definitions of its authors, and their metric."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.datasets import Dataset, load
from crossjepa.datasets.splits import draw_count
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.evaluate import EncoderFeatures, evaluate
from crossjepa.evaluate.corruptions import Random
from crossjepa.evaluate.modelnet_c import (
    DGCNN,
    MODELNET_C,
    add_global,
    add_local,
    dropout_local,
    jitter,
    rotate,
    scale,
    scores,
)

# Points that each corruption leaves of 1,024, by level, as the authors' files have them.
SIZES = {
    "scale": [1024] * 5,
    "jitter": [1024] * 5,
    "rotate": [1024] * 5,
    "dropout_global": [768, 640, 512, 384, 256],
    "dropout_local": [924, 824, 724, 624, 524],
    "add_global": [1034, 1044, 1054, 1064, 1074],
    "add_local": [1124, 1224, 1324, 1424, 1524],
}
# Accuracy of DGCNN by level (https://github.com/tangsankou/PointSP); the means are the authors' constants.
DGCNN_BY_LEVEL = {
    "scale": [0.918, 0.906, 0.907, 0.906, 0.893],
    "jitter": [0.912, 0.883, 0.781, 0.545, 0.300],
    "rotate": [0.919, 0.896, 0.822, 0.715, 0.574],
    "dropout_global": [0.908, 0.887, 0.825, 0.695, 0.448],
    "dropout_local": [0.906, 0.871, 0.812, 0.738, 0.640],
    "add_global": [0.795, 0.719, 0.694, 0.672, 0.645],
    "add_local": [0.821, 0.763, 0.718, 0.682, 0.641],
}


def sphere(count: int = 1024) -> NDArray[np.float64]:
    points = np.random.default_rng(0).normal(size=(count, 3))
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


def test_the_corruptions_leave_as_many_points_as_those_of_the_authors() -> None:
    rng = Random(0)
    sizes = {
        each.name: [len(each.apply(sphere(), level, rng)) for level in range(5)]
        for each in MODELNET_C.corruptions
    }
    assert sizes == SIZES
    assert list(sizes) == list(SIZES)  # the order of the random numbers


@pytest.mark.parametrize("level", range(5))
def test_jitter_is_normal_without_a_limit(level: int) -> None:
    noise = jitter(np.zeros((20_000, 3)), level, Random(0))
    assert noise.std(axis=0) == pytest.approx([0.01 * (level + 1)] * 3, rel=0.02)
    assert np.abs(noise).max() > 3.5 * 0.01 * (level + 1)


@pytest.mark.parametrize("level", range(5))
def test_rotations_are_about_all_axes_up_to_the_limit(level: int) -> None:
    rng, limit = Random(0), 6 * (level + 1)
    angles = []
    for _ in range(300):
        turned_33 = rotate(np.eye(3), level, rng)
        np.testing.assert_allclose(turned_33 @ turned_33.T, np.eye(3), atol=1e-12)
        # Of Rz Ry Rx, written out.
        about_y = -np.arcsin(turned_33[2, 0])
        about_x = np.arctan2(turned_33[2, 1], turned_33[2, 2])
        about_z = np.arctan2(turned_33[1, 0], turned_33[0, 0])
        angles.append(np.rad2deg([about_x, about_y, about_z]))
    assert np.abs(angles).max() <= limit
    assert np.abs(angles).max(axis=0).min() > 0.95 * limit
    assert np.abs(np.mean(angles, axis=0)).max() < 0.15 * limit


@pytest.mark.parametrize("level", range(5))
def test_scale_stretches_each_axis_and_normalizes(level: int) -> None:
    most, ratios = 1.6 + 0.1 * level, []
    rng = Random(0)
    for _ in range(200):
        scaled = scale(sphere(), level, rng)
        np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
        assert np.linalg.norm(scaled, axis=1).max() == pytest.approx(1)
        factors = np.ptp(scaled, axis=0) / np.ptp(sphere(), axis=0)
        ratios.append(factors.max() / factors.min())
    assert 0.8 * most**2 < max(ratios) <= most**2 + 1e-9


def test_local_dropout_deletes_the_nearest_points() -> None:
    points, kept = sphere(), dropout_local(sphere(), 0, Random(3))
    rows = (points[:, None] == kept[None]).all(axis=2).any(axis=1)
    assert rows.sum() == 924
    assert (points[rows][np.lexsort(points[rows].T)] == kept[np.lexsort(kept.T)]).all()
    # Few clusters: of many deleted points, all neighbors are deleted, too.
    near = np.argsort(((points[None] - points[~rows][:, None]) ** 2).sum(axis=2), axis=1)[:, :5]
    assert (~rows)[near].all(axis=1).mean() > 0.3


def test_added_points_are_uniform_in_the_ball() -> None:
    added = np.concatenate([add_global(sphere(), 4, Random(seed))[1024:] for seed in range(200)])
    radius = np.linalg.norm(added, axis=1)
    assert radius.max() <= 1
    assert (radius**3).mean() == pytest.approx(0.5, abs=0.02)
    assert np.abs(added.mean(axis=0)).max() < 0.02


def test_added_clusters_are_divided_by_the_squared_norm() -> None:
    rng, found = Random(0), []
    for _ in range(20):
        cloud = add_local(sphere(), 4, rng)
        found.append(cloud[1024:])
        assert sorted(map(tuple, cloud[:1024])) == sorted(map(tuple, sphere()))
    radius = np.linalg.norm(np.concatenate(found), axis=1)
    assert radius.max() <= 1
    # Half of them began beyond radius 1. Divided by the norm, they would now lie at 1 exactly.
    assert not np.isclose(radius, 1, atol=1e-6).any()


def test_the_errors_of_dgcnn_relative_to_itself_are_one() -> None:
    metrics, table = scores(0.926, DGCNN_BY_LEVEL)
    assert metrics["mCE"] == pytest.approx(1, abs=0.003)
    assert metrics["RmCE"] == pytest.approx(1, abs=0.01)
    assert metrics["mOA"] == pytest.approx(0.764, abs=0.001)
    assert {row["corruption"]: row["OA"] for row in table[1:-1]} == pytest.approx(
        {name: value for name, value in DGCNN.items() if name != "clean"}, abs=0.0011
    )


def test_the_published_row_of_pointnet_follows_from_its_accuracies() -> None:
    by_level = {
        "scale": [0.889, 0.887, 0.878, 0.881, 0.871],
        "jitter": [0.894, 0.874, 0.817, 0.739, 0.660],
        "rotate": [0.880, 0.745, 0.581, 0.434, 0.317],
        "dropout_global": [0.900, 0.895, 0.887, 0.871, 0.827],
        "dropout_local": [0.897, 0.857, 0.810, 0.717, 0.609],
        "add_global": [0.297, 0.128, 0.072, 0.055, 0.053],
        "add_local": [0.638, 0.584, 0.547, 0.527, 0.515],
    }
    metrics, table = scores(0.907, by_level)
    assert metrics["mCE"] == pytest.approx(1.422, abs=0.01)
    errors = {row["corruption"]: row["CE"] for row in table[1:-1]}
    assert errors["add_global"] == pytest.approx(2.98, abs=0.01)
    assert errors["rotate"] == pytest.approx(1.902, abs=0.01)


@pytest.fixture
def small(shared: Path) -> Dataset:
    """Real clouds of three classes, six of each in the training and the test split."""
    dataset = load("modelnet40", shared / "data" / "modelnet40_clouds_1024.npz")
    labels = [dataset.classes.index(name) for name in ("airplane", "chair", "bottle")]
    wanted = np.flatnonzero(np.isin(dataset.labels_n, labels))
    parts = (np.intersect1d(dataset.where(split), wanted) for split in ("train", "test"))
    places = [draw_count(dataset.labels_n, part, 6, seed=0) for part in parts]
    return dataset.select(np.sort(np.concatenate(places)))


def test_the_protocol_on_real_clouds(small: Dataset, tiny: CrossJEPAEncoder) -> None:
    result = evaluate("modelnet-c", small, EncoderFeatures(tiny, "tiny"), progress=False)
    assert [row["corruption"] for row in result.table] == ["none", *SIZES, "mean"]
    assert result.settings["clouds"] == "ModelNet-C, re-created: not the official files"
    assert result.settings["test"] == "all 18 clouds of test"
    accuracy = evaluate("linear", small, tiny, progress=False).metrics["accuracy"]
    assert result.metrics["accuracy"] == pytest.approx(accuracy, abs=5e-4)
    assert len(result.to_csv().splitlines()) == 10
