"""Round points: where they are, what hides what, and how pale they are."""

from __future__ import annotations

import numpy as np
import pytest

from crossjepa.train.render import View
from crossjepa.train.render.camera import project
from crossjepa.train.render.dots import dot_radius, framed, render_dots

FRONT = View(0, 0)


def test_a_point_is_a_round_dot_where_the_camera_sees_it() -> None:
    point_13 = np.array([[0.3, -0.4, 0.1]])
    (image,) = render_dots(point_13, [FRONT], size=120)
    line, column = np.nonzero((image < 250).any(axis=2))
    pixel_12, _ = project(point_13, FRONT, 120)
    assert (column.mean() + 0.5, line.mean() + 0.5) == pytest.approx(tuple(pixel_12[0]), abs=0.6)
    assert abs(np.ptp(line) - np.ptp(column)) <= 1
    corners = (np.ptp(line) + 1) * (np.ptp(column) + 1)
    assert 0.6 < len(line) / corners < 0.95, "pi / 4 of its square, but for the edge"


def test_near_points_hide_far_ones_in_any_order() -> None:
    points_N3 = np.array([[0, 0, 0.5], [0, 0, -0.5]])
    colors_N3 = np.array([[1.0, 0, 0], [0, 0, 1.0]])
    image = render_dots(points_N3, [FRONT], size=200, colors_N3=colors_N3, palest=0)
    again = render_dots(points_N3[::-1], [FRONT], size=200, colors_N3=colors_N3[::-1], palest=0)
    assert (image == again).all()
    red, _, blue = image[0, 100, 100].astype(int)
    assert red > 180 > 50 > blue
    behind = render_dots(points_N3, [View(180, 0)], size=200, colors_N3=colors_N3, palest=0)
    assert behind[0, 100, 100, 2] > 180


def test_what_is_far_is_pale() -> None:
    points_N3 = np.array([[-0.5, 0, 0.8], [0.5, 0, -0.8]])
    (image,) = render_dots(points_N3, [FRONT], size=100)
    near, far = image[:, :50].min(), image[:, 50:].min()
    assert far > near + 60
    (image,) = render_dots(points_N3, [FRONT], size=100, palest=0)
    assert abs(int(image[:, :50].min()) - int(image[:, 50:].min())) < 12


def test_denser_clouds_have_smaller_dots() -> None:
    generator = np.random.default_rng(0)
    few, many = (generator.uniform(-0.5, 0.5, (count, 3)) * (1, 1, 0) for count in (300, 3000))
    assert dot_radius(many) < dot_radius(few)


def test_a_framed_cloud_fills_the_picture() -> None:
    points_N3 = np.random.default_rng(0).normal(size=(300, 3)) * (0.02, 0.05, 0.02) + (0.3, 0.2, -0.1)
    moved_N3, view = framed(points_N3, View(35, 20))
    pixel_N2, _ = project(moved_N3, view, 100)
    assert (pixel_N2 > 0).all()
    assert (pixel_N2 < 100).all()
    assert np.ptp(pixel_N2, axis=0).max() > 50
    np.testing.assert_allclose(pixel_N2.min(axis=0) + pixel_N2.max(axis=0), 100, atol=8)


def test_a_cloud_without_points() -> None:
    with pytest.raises(ValueError, match="without points"):
        render_dots(np.zeros((0, 3)), [FRONT])
