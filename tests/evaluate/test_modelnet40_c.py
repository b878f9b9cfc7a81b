"""ModelNet40-C: the definitions of its authors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.datasets import Dataset
from crossjepa.encoder import CrossJEPAEncoder
from crossjepa.evaluate import EncoderFeatures, evaluate
from crossjepa.evaluate.corruptions import Random
from crossjepa.evaluate.modelnet40_c import MODELNET40_C, box
from tests.evaluate.test_modelnet_c import small as small

CORRUPTIONS = {each.name: each.apply for each in MODELNET40_C.corruptions}
# Points that are left of 1,024 (density_inc: of 2,048), by severity.
SIZES = {
    "background": [1046, 1049, 1053, 1058, 1075],
    "upsampling": [1228, 1280, 1365, 1536, 2048],
    "cutout": [964, 934, 874, 814, 724],
    "density": [949, 874, 799, 724, 649],
}
BOXED = {
    "uniform", "background", "impulse", "upsampling", "shear", "rotation", "distortion", "distortion_rbf",
    "distortion_rbf_inv",
}  # fmt: skip


def cloud(count: int = 1024, seed: int = 0) -> NDArray[np.float64]:
    """A cloud in the unit sphere, off center and of different extents."""
    points = np.random.default_rng(seed).normal(size=(count, 3)) * [0.2, 0.5, 0.3]
    points += np.array([0.05, 0, 0]) * (points[:, :1] > 0)
    return np.asarray(points / np.linalg.norm(points, axis=1).max())


def is_boxed(points: NDArray[np.float64]) -> bool:
    low, high = points.min(axis=0), points.max(axis=0)
    return bool(np.allclose(low, -high, atol=1e-9) and np.isclose((high - low).max(), 2))


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("level", range(5))
def test_sizes_and_boxes_are_those_of_the_authors(name: str, level: int) -> None:
    points = cloud(2048 if name == "density_inc" else 1024)
    changed = CORRUPTIONS[name](points, level, Random(0))
    assert len(changed) == SIZES.get(name, [1024] * 5)[level]
    assert is_boxed(changed) == (name in BOXED)
    assert np.isfinite(changed).all()


def test_the_order_of_the_corruptions() -> None:
    assert list(CORRUPTIONS) == [
        "uniform", "gaussian", "background", "impulse", "upsampling", "shear", "rotation", "cutout",
        "density", "density_inc", "distortion", "distortion_rbf", "distortion_rbf_inv",
    ]  # fmt: skip


@pytest.mark.parametrize("level", range(5))
def test_noise(level: int) -> None:
    flat = np.zeros((20_000, 3))
    gaussian = CORRUPTIONS["gaussian"](flat.copy(), level, Random(0))
    assert gaussian.std() == pytest.approx((0.01, 0.015, 0.02, 0.025, 0.03)[level], rel=0.02)
    assert CORRUPTIONS["gaussian"](flat + 1.5, level, Random(0)).max() == 1
    corners = np.concatenate([cloud(5000) * 0.5, box(np.indices((2, 2, 2)).reshape(3, -1).T.astype(float))])
    noisy = CORRUPTIONS["uniform"](corners.copy(), level, Random(0))
    limit = 0.01 * (level + 1)
    assert 0.9 * limit < np.abs(noisy - corners).max() < 1.6 * limit + 0.001


@pytest.mark.parametrize("level", range(5))
def test_impulse_moves_some_points_along_all_axes(level: int) -> None:
    points = box(cloud())
    points[:8] = box(np.indices((2, 2, 2)).reshape(3, -1).T.astype(float)) * 1.5  # they set the box
    moved = CORRUPTIONS["impulse"](points.copy(), level, Random(1)) * 1.5
    shift = np.abs(moved - points).min(axis=1)
    assert (shift > 0.02).sum() == pytest.approx((34, 40, 51, 68, 102)[level], abs=8)


@pytest.mark.parametrize("level", range(5))
def test_rotations_have_the_angles_of_the_severity(level: int) -> None:
    center = (2.5, 5, 7.5, 10, 15)[level]
    grid = np.indices((2, 2, 2)).reshape(3, -1).T.astype(np.float64) - 0.5
    angles = []
    for seed in range(100):
        turned = CORRUPTIONS["rotation"](grid.copy(), level, Random(seed))
        matrix = np.linalg.lstsq(grid, turned, rcond=None)[0]
        matrix /= np.cbrt(np.linalg.det(matrix))
        # Of Mx My Mz for row vectors, written out.
        about_y = np.rad2deg(np.arcsin(matrix[0, 2]))
        about_x = np.rad2deg(np.arctan2(-matrix[1, 2], matrix[2, 2]))
        about_z = np.rad2deg(np.arctan2(-matrix[0, 1], matrix[0, 0]))
        angles.append([about_x, about_y, about_z])
    assert np.abs(angles).min() > center - 2.6
    assert np.abs(angles).max() < center + 2.6
    assert 0.35 < (np.array(angles) > 0).mean() < 0.65


@pytest.mark.parametrize("level", range(5))
def test_shear_leaves_the_pairs_that_are_unused(level: int) -> None:
    center, grid = 0.05 * (level + 1), np.indices((2, 2, 2)).reshape(3, -1).T.astype(float) - 0.5
    for seed in range(20):
        sheared = CORRUPTIONS["shear"](grid.copy(), level, Random(seed))
        matrix = np.linalg.lstsq(grid, sheared, rcond=None)[0]
        matrix /= matrix[0, 0]
        np.testing.assert_allclose(np.diag(matrix), 1)
        assert matrix[0, 1] == pytest.approx(0, abs=1e-12)
        assert matrix[2, 1] == pytest.approx(0, abs=1e-12)
        used = np.abs([matrix[0, 2], matrix[1, 0], matrix[1, 2], matrix[2, 0]])
        assert used.min() >= center - 0.05 - 1e-9
        assert used.max() <= center + 0.05 + 1e-9


def test_cutout_and_density_work_on_patches() -> None:
    points = cloud()
    for name, size, deleted in (("cutout", 30, 60), ("density", 100, 75)):
        kept = CORRUPTIONS[name](points.copy(), 0, Random(0))
        is_kept = (points[:, None] == kept[None]).all(axis=2).any(axis=1)
        gone = points[~is_kept]
        assert len(gone) == deleted
        # The deleted points are among the nearest of one of them, or of two.
        centers = 2 if name == "cutout" else 1
        order = np.argsort(((points[None] - gone[:, None]) ** 2).sum(axis=2), axis=1)[:, : 2 * size]
        reach = [np.isin(np.flatnonzero(~is_kept), row).sum() for row in order]
        assert max(reach) >= deleted // centers - 1


def test_dense_patches_of_the_thinned_cloud_are_kept() -> None:
    points = cloud(2048)
    changed = CORRUPTIONS["density_inc"](points.copy(), 1, Random(0))
    for patch in (changed[:100], changed[100:200]):
        assert len(np.unique(patch, axis=0)) == 100
    assert len(np.unique(changed[200:], axis=0)) < 824  # drawn with replacement


def test_rows_are_chosen_once_for_all_clouds() -> None:
    rng = Random(0)
    named = {each.name: each for each in MODELNET40_C.corruptions}
    rows = MODELNET40_C.choose(named["shear"], 2048, rng)
    assert isinstance(rows, np.ndarray)
    assert len(np.unique(rows)) == 1024
    assert rows.max() > 1500
    everything = MODELNET40_C.choose(named["density_inc"], 2048, rng)
    assert isinstance(everything, np.ndarray)
    assert sorted(everything.tolist()) == list(range(2048))


@pytest.mark.slow
def test_the_protocol_on_real_clouds(small: Dataset, tiny: CrossJEPAEncoder) -> None:
    result = evaluate("modelnet40-c", small, EncoderFeatures(tiny, "tiny"), test_clouds=2, progress=False)
    assert [row["corruption"] for row in result.table] == [*CORRUPTIONS, "mean"]
    assert "2 of 18 clouds" in result.settings["test"]
    assert any("density_inc" in note for note in result.settings["notes"])
    errors = [row["error"] for row in result.table[:-1]]
    assert result.metrics["error"] == pytest.approx(np.mean(errors))
