"""Pictures of meshes: what is seen from where, in which light and color.

V views or vertices, F faces, H x W pixels
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.train.render import View, render_mesh, rig
from tests.helpers.render_shapes import covered, sphere_mesh

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
QUAD_F3 = np.array([[0, 1, 2], [0, 2, 3]])


def random_mesh(seed: int, faces: int = 12) -> tuple[Floats, Integers]:
    vertices_V3 = np.random.default_rng(seed).uniform(-0.55, 0.55, (3 * faces, 3))
    return vertices_V3, np.arange(3 * faces).reshape(faces, 3)


def opposite_quads(axis: int) -> tuple[Floats, Integers, Floats]:
    """Two quads across an axis: red at +0.4, blue at -0.4."""
    square_42 = np.array([[-0.4, -0.4], [0.4, -0.4], [0.4, 0.4], [-0.4, 0.4]])
    vertices_V3 = np.concatenate([np.insert(square_42, axis, place, axis=1) for place in (0.4, -0.4)])
    return vertices_V3, np.concatenate([QUAD_F3, QUAD_F3 + 4]), np.array([RED, RED, BLUE, BLUE])


def color_at_center(axis: int, view: View) -> str:
    vertices_V3, faces_F3, colors_F3 = opposite_quads(axis)
    image_HW3 = render_mesh(vertices_V3, faces_F3, [view], size=32, colors_F3=colors_F3)[0]
    return ("red", "green", "blue")[int(image_HW3[16, 16].argmax())]


def test_unit_sphere_just_fits() -> None:
    images_VHW3 = render_mesh(*sphere_mesh(1.0, rows=64), [View(0, 0)], size=64)
    assert covered(images_VHW3)[0].any(axis=0)[1:-1].all()
    assert not covered(images_VHW3)[0, :3, :3].any()


def test_winding_does_not_matter() -> None:
    vertices_V3, faces_F3 = random_mesh(3)
    views = rig("sphere")[::5]
    images_VHW3 = render_mesh(vertices_V3, faces_F3, views, size=48)
    flipped_VHW3 = render_mesh(vertices_V3, faces_F3[:, ::-1].copy(), views, size=48)
    assert np.abs(images_VHW3.astype(int) - flipped_VHW3).max() <= 1


def test_camera_inside_a_mesh_gives_finite_pictures() -> None:
    images_VHW3 = render_mesh(*sphere_mesh(), [View(0, 0, distance=0.3)], size=32)
    assert covered(images_VHW3).any()


def test_degenerate_faces_give_the_background() -> None:
    vertices_V3 = np.array([[0.0, 0, 0], [0.1, 0, 0], [0.2, 0, 0]])
    for faces_F3 in (np.array([[0, 1, 2]]), np.array([[1, 1, 1]])):
        images_VHW3 = render_mesh(vertices_V3, faces_F3, [View(0, 0)], size=16, background=0.5)
        assert (images_VHW3 == 128).all()


@pytest.mark.parametrize("theta", [37.0, 200.0])
def test_turning_the_object_equals_turning_the_camera(theta: float) -> None:
    vertices_V3, faces_F3 = random_mesh(5)
    cosine, sine = math.cos(math.radians(theta)), math.sin(math.radians(theta))
    turn_33 = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    still = render_mesh(vertices_V3, faces_F3, [View(15, 25)], size=64)
    turned = render_mesh(vertices_V3 @ turn_33.T, faces_F3, [View(15 + theta, 25)], size=64)
    assert np.abs(still.astype(int) - turned).max() <= 3


@pytest.mark.parametrize(
    ("axis", "azimuth", "elevation", "color"),
    [
        (2, 0, 0, "red"),
        (2, 180, 0, "blue"),
        (0, 90, 0, "red"),
        (0, 270, 0, "blue"),
        (1, 0, 80, "red"),
        (1, 0, -80, "blue"),
    ],
)
def test_cameras_look_from_where_they_say(axis: int, azimuth: float, elevation: float, color: str) -> None:
    assert color_at_center(axis, View(azimuth, elevation)) == color


def test_right_and_up_in_the_picture() -> None:
    corner_33 = np.array([[0.3, 0.3, 0], [0.6, 0.3, 0], [0.3, 0.6, 0]])
    rows, columns = np.nonzero(
        covered(render_mesh(corner_33, np.array([[0, 1, 2]]), [View(0, 0)], size=32))[0]
    )
    assert rows.max() < 16
    assert columns.min() >= 16


def test_roll_turns_the_picture_clockwise() -> None:
    vertices_V3, faces_F3 = random_mesh(8)
    colors_F3 = np.tile(GREEN, (len(faces_F3), 1))
    level, rolled = (
        covered(render_mesh(vertices_V3, faces_F3, [View(10, 20, roll)], size=64, colors_F3=colors_F3))[0]
        for roll in (0.0, 90.0)
    )
    assert (np.rot90(level, -1) != rolled).mean() < 0.01


def test_colors_scale_with_light() -> None:
    vertices_V3, faces_F3, colors_F3 = opposite_quads(2)
    white = render_mesh(vertices_V3, faces_F3, [View(0, 0)], size=16)
    red = render_mesh(vertices_V3, faces_F3, [View(0, 0)], size=16, colors_F3=colors_F3)
    np.testing.assert_array_equal(red[0, 8, 8], [white[0, 8, 8, 0], 0, 0])


def test_mesh_without_faces_is_an_error() -> None:
    with pytest.raises(ValueError, match="without faces"):
        render_mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int64), [View(0, 0)])
