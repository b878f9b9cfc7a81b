"""Outliers: those of the definition, found exactly, the same in any order."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.io import read
from crossjepa.ops.mesh_sampling import sample_surface
from crossjepa.ops.outliers import find_outliers, mean_neighbor_distances
from tests.conftest import SAMPLES


def shell(count: int, strays: int = 0, seed: int = 0) -> NDArray[np.float64]:
    """Points on an ellipsoid, the last of them anywhere in a box around it."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, 3))
    points *= np.array([1, 0.5, 2]) / np.linalg.norm(points, axis=1, keepdims=True)
    points[count - strays :] = rng.uniform(-3, 3, size=(strays, 3))
    return points


def by_definition(points_N3: NDArray[np.float64], neighbors: int = 8) -> NDArray[np.float64]:
    """Mean distances by all pairs."""
    distance = np.linalg.norm(points_N3[:, None] - points_N3[None], axis=2)
    return np.asarray(np.sort(distance, axis=1)[:, 1 : neighbors + 1].mean(axis=1))


@pytest.mark.parametrize(("count", "strays"), [(9, 0), (10, 2), (100, 3), (777, 20), (1500, 300)])
@pytest.mark.parametrize("neighbors", [1, 8, 30])
def test_distances_are_those_of_all_pairs(count: int, strays: int, neighbors: int) -> None:
    points = shell(count, strays)
    if count > neighbors:
        np.testing.assert_allclose(
            mean_neighbor_distances(points, neighbors), by_definition(points, neighbors), rtol=1e-12
        )


def test_distances_in_large_clouds_are_those_of_another_library() -> None:
    spatial = pytest.importorskip("scipy.spatial")
    points = shell(20_000, 200)
    points[:5000, 0] = np.round(points[:5000, 0], 1)  # many equal coordinates
    expected = spatial.cKDTree(points).query(points, 9)[0][:, 1:].mean(axis=1)
    np.testing.assert_allclose(mean_neighbor_distances(points, 8), expected, rtol=1e-12)


def test_strays_are_found_by_the_definition() -> None:
    points = shell(1024, 40)
    mean = by_definition(points)
    middle = np.median(mean)
    expected = mean > middle + 8 * np.median(np.abs(mean - middle))
    assert expected[-40:].sum() > 30
    assert not expected[:-40].any()
    assert np.array_equal(find_outliers(points), expected)


def test_order_does_not_matter_to_the_bit() -> None:
    points = np.concatenate([shell(700, 30), shell(700, 30)[:100]])  # some of them twice
    order = np.random.default_rng(1).permutation(len(points))
    assert np.array_equal(find_outliers(points[order]), find_outliers(points)[order])
    distinct = shell(700, 30)
    order = np.random.default_rng(1).permutation(len(distinct))
    shuffled = mean_neighbor_distances(distinct[order], 8)
    assert np.array_equal(shuffled, mean_neighbor_distances(distinct, 8)[order])


def test_place_and_unit_do_not_matter() -> None:
    points = shell(500, 20)
    found = find_outliers(points)
    assert np.array_equal(find_outliers(points * 1024 + 65536), found)


@pytest.mark.parametrize("name", ["chair.obj", "desk_lamp.obj", "horse.obj"])
def test_a_share_is_never_exceeded(name: str) -> None:
    mesh = read(SAMPLES / name)
    points, _ = sample_surface(mesh.vertices_V3, mesh.faces_F3, 1000, np.random.default_rng(0))  # type: ignore[union-attr]
    strays = np.random.default_rng(1).normal(size=(300, 3)) * 3 * np.ptp(points) + points.mean(axis=0)
    both = np.concatenate([points, strays])
    assert find_outliers(both, max_share=0.3).sum() > 130
    found = find_outliers(both, max_share=0.1)
    assert found.sum() == 130
    assert np.array_equal(found, by_definition(both) > np.sort(by_definition(both))[-131])
    assert not find_outliers(both, max_share=0.0).any()


def test_points_with_equal_distances_share_their_fate() -> None:
    # Eight corners far from a dense cube, all of them equally far from their neighbors; a share of seven.
    axes = np.linspace(-1, 1, 5)
    cube = np.stack(np.meshgrid(axes, axes, axes), axis=-1).reshape(-1, 3)
    corners = np.stack(np.meshgrid([-9.0, 9], [-9.0, 9], [-9.0, 9]), axis=-1).reshape(-1, 3)
    points = np.concatenate([cube, corners])
    assert find_outliers(points, max_share=8.1 / 133)[-8:].all()
    assert not find_outliers(points, max_share=7.1 / 133).any()


def test_regular_grids_keep_edges_and_corners() -> None:
    plane = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0), [0.0]), axis=-1).reshape(-1, 3)
    solid = np.stack(np.meshgrid(*[np.arange(8.0)] * 3), axis=-1).reshape(-1, 3)
    for grid in (plane, solid):
        assert not find_outliers(grid).any()
        stray = np.concatenate([grid, [[50.0, 50, 50]]])
        assert np.flatnonzero(find_outliers(stray)).tolist() == [len(grid)]


def test_copies_count_as_one_and_share_their_fate() -> None:
    # Invalid returns of a depth camera: many copies of the origin, far from the object.
    points = np.concatenate([shell(500) + 20, np.zeros((100, 3))])
    found = find_outliers(points)
    assert found[500:].all()
    assert not found[:500].any()


@pytest.mark.parametrize("points", [np.zeros((1, 3)), np.zeros((50, 3)), shell(8) * 100, np.eye(3)])
def test_what_is_too_small_stays(points: NDArray[np.float64]) -> None:
    assert not find_outliers(points).any()
