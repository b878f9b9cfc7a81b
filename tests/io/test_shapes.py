"""What makes points and meshes valid."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa import PointCloudWarning
from crossjepa.io import MAX_POINTS, Appearance, PointCloudError, as_cloud, validate_mesh, validate_points
from crossjepa.io.shapes import check_count
from tests.helpers.io_shapes import FACES, VERTICES


def test_points_keep_their_order_and_lose_other_columns() -> None:
    wide_N6 = np.arange(12, dtype=np.int16).reshape(2, 6)[::-1]
    points_N3 = validate_points(wide_N6, "here")
    assert points_N3.dtype == np.float64
    assert points_N3.flags.c_contiguous
    assert points_N3.tolist() == [[6, 7, 8], [0, 1, 2]]


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (np.array([["1", "2", "3"]]), "expected real numbers"),
        (np.zeros((2, 3), complex), "expected real numbers"),
        (np.zeros(3), "shape (N, 3)"),
        (np.zeros((5, 2)), "shape (N, 3)"),
        (np.zeros((0, 3)), "no points"),
        (np.array([[0, np.inf, 0], [np.nan] * 3]), "none of its 2 points is finite"),
        (np.zeros((3, 4)), "shape (3, 4): coordinates are in rows; transpose it to 4x3"),
        (np.zeros((9, 600)), "transpose it to 600x9"),
        (np.full((1, 3), 1e101), "1e100"),
    ],
)
def test_points_that_are_refused(points: NDArray[Any], words: str) -> None:
    with pytest.raises(PointCloudError) as caught:
        validate_points(points, "here")
    assert caught.value.source == "here"
    assert words in caught.value.reason


@pytest.mark.parametrize(
    ("faces", "words"),
    [
        (FACES[:, :2], "shape (F, 3)"),
        (FACES.astype(float), "integer faces"),
        (FACES[:0], "no faces"),
        (FACES + 1, "face 1 refers to vertices [1, 2, 4], but there are 4"),
        (FACES - 1, "face 0 refers to vertices [-1, 0, 1]"),
        (FACES * 0, "zero area"),
    ],
)
def test_meshes_that_are_refused(faces: NDArray[Any], words: str) -> None:
    with pytest.raises(PointCloudError) as caught:
        validate_mesh(VERTICES, faces, "here")
    assert words in caught.value.reason


def test_a_mesh_keeps_its_vertices_and_faces() -> None:
    mesh = validate_mesh(VERTICES.astype(np.float32), FACES.astype(np.uint8), "here")
    np.testing.assert_array_equal(mesh.vertices_V3, VERTICES)
    np.testing.assert_array_equal(mesh.faces_F3, FACES)
    assert mesh.faces_F3.dtype == np.int64


@pytest.mark.parametrize("count", [-1, MAX_POINTS + 1])
def test_counts_that_are_refused(count: int) -> None:
    check_count(MAX_POINTS, "here")
    with pytest.raises(PointCloudError, match=f"here: {count} faces"):
        check_count(count, "here", "faces")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_lost_in_float32_are_warned_of(dtype: type) -> None:
    rng = np.random.default_rng(0)
    points_N3 = rng.random((500, 3)) * 2
    surveyed = points_N3 + np.array([448_000.0, 5_411_000.0, 100.0])
    with pytest.warns(PointCloudWarning, match="multiples of 0.5, in float32, along an object of 2"):
        as_cloud(surveyed.astype(np.float32).astype(dtype), "here")
    with pytest.warns(PointCloudWarning, match="its shape is lost"):
        validate_mesh(surveyed.astype(np.float32).astype(dtype), np.arange(498).reshape(-1, 3), "here")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_cloud(surveyed, "here")
        as_cloud((points_N3 * 50 + surveyed).astype(np.float32), "here")
        as_cloud((points_N3 + 1000).astype(np.float32), "here")
        as_cloud(np.floor(points_N3 * 4), "here")
        as_cloud(np.full((5, 3), 5e6), "here")


def test_colors_and_faces_go_with_what_is_left_out() -> None:
    vertices_V3 = np.vstack([VERTICES[:1], [[np.nan, 0, 0]], VERTICES[1:]])
    faces_F3 = np.vstack([[[0, 1, 2]], np.where(FACES > 0, FACES + 1, FACES)])
    colors_F3 = np.arange(15).reshape(5, 3) / 15
    with pytest.warns(
        PointCloudWarning, match="1 of 5 vertices are not finite and were left out, with 1 of 5"
    ):
        mesh = validate_mesh(vertices_V3, faces_F3, "here", lambda _: Appearance.of_faces(colors_F3))
    np.testing.assert_array_equal(mesh.vertices_V3, VERTICES)
    np.testing.assert_array_equal(mesh.faces_F3, FACES)
    assert mesh.appearance is not None
    np.testing.assert_allclose(mesh.appearance.colors_F33[:, 0], colors_F3[1:], atol=1e-6)
    with pytest.raises(PointCloudError, match="all faces use one of 1 vertices that are not finite"):
        validate_mesh(vertices_V3, faces_F3[:1], "here")
