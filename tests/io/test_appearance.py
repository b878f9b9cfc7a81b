"""The look of a surface: colors of corners and faces, and textures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.io.appearance import Appearance, unit_colors, valid_uv
from tests.helpers.colors import (
    look,
    vertices_text,
    write_image,
)
from tests.helpers.io_shapes import write


def test_large_textures_are_reduced(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", (0, 100, 200, 50), size=1500)
    write(tmp_path, "a.mtl", "newmtl m\nmap_Kd a.png\nmap_d a.png\n")
    text = f"mtllib a.mtl\n{vertices_text()}vt 0 0\nusemtl m\nf 1/1 2/1 3/1\n"
    texels_HW4 = look(write(tmp_path, "a.obj", text)).textures[0]
    assert texels_HW4.shape == (1024, 1024, 4)
    np.testing.assert_allclose(texels_HW4[5, 5], [0, 100, 200, 50], atol=3)


def test_colors_of_corners_are_made_valid() -> None:
    colors_F33 = np.full((2, 3, 3), 0.5)
    colors_F33[1] = [[np.nan, np.inf, -np.inf], [2, -1, 0.25], [1e300, 0, 1]]
    appearance = Appearance.of_corners(colors_F33)
    assert appearance.colors_F33.dtype == np.float32
    expected = [[[0.5] * 3] * 3, [[1, 1, 0], [1, 0, 0.25], [1, 0, 1]]]
    np.testing.assert_array_equal(appearance.colors_F33, expected)
    assert (appearance.texture_F.tolist(), appearance.uv_F32.shape, appearance.textures) == (
        [-1, -1], (2, 3, 2), (),
    )  # fmt: skip
    faces = Appearance.of_faces(np.array([[1, 0, 0.5]]))
    np.testing.assert_array_equal(faces.colors_F33, [[[1, 0, 0.5]] * 3])


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (np.array([0, 51, 255], np.uint8), [0, 0.2, 1]),
        (np.array([1], np.uint8), [1 / 255]),
        (np.array([65535], np.uint16), [1]),
        (np.array([0, 51, 255]), [0, 0.2, 1]),
        (np.array([0.0, 51, 255]), [0, 0.2, 1]),
        (np.array([0.0, 0.2, 1]), [0, 0.2, 1]),
        (np.array([np.nan, 0.2, 1]), [1, 0.2, 1]),
        (np.array([np.nan, 51, 255]), [1, 0.2, 1]),
        (np.array([np.inf, -np.inf, 1]), [1, 0, 1]),
    ],
)
def test_colors_are_scaled_by_their_type(columns: NDArray[Any], expected: list[float]) -> None:
    np.testing.assert_allclose(unit_colors(columns), expected, rtol=1e-6)


def test_texture_coordinates_that_are_no_place_become_zero() -> None:
    uv = np.array([[0.25, -3.5], [1e300, -1e300], [np.nan, np.inf], [1e7, 999.5]])
    expected = np.array([[0.25, -3.5], [0, 0], [0, 0], [0, 999.5]], np.float32)
    found = valid_uv(uv)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
