"""Colored pictures of meshes: what interpolation, textures and holes must look like.

V vertices, F faces, H x W pixels
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.io import Appearance
from crossjepa.train.render import View, render_mesh, rig
from crossjepa.train.render.camera import project

FRONT = View(0, 0)
SQUARE = 0.6 * np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
QUAD = np.array([[0, 1, 2], [0, 2, 3]])
# Upright: the texture's upper left corner belongs to the square's.
UV = np.array([[0.0, 1], [1, 1], [1, 0], [0, 0]])[QUAD]


def textured(texels_HW4: NDArray[np.uint8], uv_F32: NDArray[np.floating] = UV) -> Appearance:
    faces = len(uv_F32)
    colors = np.ones((faces, 3, 3), np.float32)
    return Appearance(colors, np.zeros(faces, np.int64), uv_F32.astype(np.float32), (texels_HW4,))


def opaque(rgb_HW3: NDArray[np.integer]) -> NDArray[np.uint8]:
    return np.concatenate([rgb_HW3, np.full_like(rgb_HW3[..., :1], 255)], axis=2).astype(np.uint8)


def square(appearance: Appearance | None, view: View = FRONT, size: int = 64) -> NDArray[np.int64]:
    return np.asarray(render_mesh(SQUARE, QUAD, [view], size=size, appearance=appearance)[0], np.int64)


def test_one_color_a_face_equals_its_appearance() -> None:
    generator = np.random.default_rng(0)
    vertices, faces = generator.normal(size=(30, 3)) * 0.3, generator.integers(0, 30, (20, 3))
    colors_F3 = generator.random((20, 3))
    views = rig("orbit8")[:2]
    plain = render_mesh(vertices, faces, views, size=48, colors_F3=colors_F3)
    appearance = Appearance.of_corners(np.repeat(colors_F3[:, None], 3, axis=1))
    np.testing.assert_array_equal(plain, render_mesh(vertices, faces, views, size=48, appearance=appearance))
    # The same through interpolation, which an unequal corner of a hidden face asks for.
    corners = appearance.colors_F33.copy()
    vertices, faces = np.concatenate([vertices, np.zeros((1, 3))]), np.concatenate([faces, [[30, 30, 30]]])
    corners = np.concatenate([corners, np.eye(3, dtype=np.float32)[None]])
    mixed = render_mesh(vertices, faces, views, size=48, appearance=Appearance.of_corners(corners))
    assert np.abs(mixed.astype(int) - plain).max() <= 1


def test_white_equals_no_color() -> None:
    white = Appearance.of_faces(np.ones((2, 3)))
    np.testing.assert_array_equal(square(white), square(None))


def test_colors_of_corners_are_met_at_the_corners_and_mixed_between() -> None:
    colors_V3 = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
    image = square(Appearance.of_corners(colors_V3[QUAD]))
    light = square(None)[32, 32, 0]
    pixel_V2, _ = project(SQUARE * 0.97, FRONT, 64)
    for color_3, (column, row) in zip(colors_V3, pixel_V2.astype(int), strict=True):
        np.testing.assert_allclose(image[row, column], color_3 * light, atol=0.06 * 255)
    np.testing.assert_allclose(image[32, 32] / light, (colors_V3[0] + colors_V3[2]) / 2, atol=0.04)


def test_texture_is_upright_and_repeats() -> None:
    texels = opaque(
        np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]]).repeat(8, 0).repeat(8, 1)
    )
    light = square(None)[32, 32, 0]
    quarters = {(24, 24): (1, 0, 0), (24, 40): (0, 1, 0), (40, 24): (0, 0, 1), (40, 40): (1, 1, 1)}
    for appearance in (textured(texels), textured(texels, UV + np.array([3.0, -2.0]))):
        image = square(appearance)
        for (row, column), color in quarters.items():
            np.testing.assert_allclose(image[row, column], np.array(color) * light, atol=2)


def test_texture_is_true_to_perspective() -> None:
    """On a tilted plane the line between two halves of a texture lies where its points are projected."""
    plane = np.array([[-0.9, 0, 0.9], [0.9, 0, 0.9], [0.9, 0, -0.9], [-0.9, 0, -0.9]])
    texels = opaque(np.repeat([[[255, 0, 0]], [[0, 0, 255]]], 64, axis=0).repeat(128, axis=1))
    view, size = View(0, 15, distance=2.2, fov=60), 128
    image = render_mesh(plane, QUAD, [view], size=size, appearance=textured(texels))[0].astype(int)
    (column, row), *_ = project(np.zeros((1, 3)), view, size)[0].astype(int)
    middle = image[:, column]
    border = np.flatnonzero((middle[:-1, 0] > middle[:-1, 2]) & (middle[1:, 2] > middle[1:, 0]))
    assert len(border) == 1
    assert abs(border[0] - row) <= 1


def test_fine_patterns_become_their_mean() -> None:
    checker = (np.indices((512, 512)).sum(axis=0) % 2 * 255)[..., None].repeat(3, axis=2)
    image = square(textured(opaque(checker)))[20:44, 20:44, 0]
    assert image.std() < 2
    assert image.mean() == pytest.approx(square(None)[32, 32, 0] / 2, abs=3)


def test_one_looks_through_holes() -> None:
    texels = opaque(np.full((16, 16, 3), 255))
    texels[:, 8:, 3] = 0
    vertices = np.concatenate([SQUARE, SQUARE + np.array([0, 0, -0.3]), SQUARE + np.array([0, 0, -0.5])])
    faces = np.concatenate([QUAD, QUAD + 4, QUAD + 8])
    colors = np.ones((6, 3, 3), np.float32)
    colors[4:] = 0, 0, 1
    number, uv = np.array([0, 0, 0, 0, -1, -1]), np.concatenate([UV, UV, UV]).astype(np.float32)
    image = render_mesh(
        vertices, faces, [FRONT], size=64, appearance=Appearance(colors, number, uv, (texels,))
    )[0]
    light = square(None)[32, 32, 0]
    np.testing.assert_allclose(image[32, 24], [light] * 3, atol=2)
    np.testing.assert_allclose(image[32, 40], [0, 0, light], atol=2)
    alone = textured(texels)
    assert square(alone)[32, 40].tolist() == [255, 255, 255]


def test_two_faces_in_one_place_do_not_flicker() -> None:
    vertices = np.array([[-0.7, -0.5, 0.3], [0.8, -0.4, -0.2], [0.1, 0.7, 0.05]])
    faces = np.array([[0, 1, 2], [2, 1, 0]])
    colors = np.array([[1.0, 0, 0], [0, 0, 1]])
    for view in rig("sphere")[::3]:
        image = render_mesh(vertices, faces, [view], size=64, supersample=1, colors_F3=colors)[0].astype(int)
        red, blue = (image[..., 0] > image[..., 2]).sum(), (image[..., 2] > image[..., 0]).sum()
        assert red <= 0.03 * blue


def test_colors_of_another_mesh_are_refused() -> None:
    with pytest.raises(ValueError, match="colors of 3 faces for a mesh of 2"):
        render_mesh(SQUARE, QUAD, [FRONT], colors_F3=np.ones((3, 3)))
