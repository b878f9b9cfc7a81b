"""Deformations: what control points do, and what stays."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from crossjepa.evaluate.deformations import control_grid, free_form_deformation, radial_deformation

POINTS = np.random.default_rng(0).uniform(-1, 1, (200, 3))


def test_an_equal_displacement_moves_everything_by_twice_as_much() -> None:
    """Displacements are in units of the box length, which is 2."""
    displacement = np.zeros((3, 5, 5, 5))
    displacement[0], displacement[2] = 0.1, -0.3
    moved = free_form_deformation(POINTS, displacement)
    np.testing.assert_allclose(moved - POINTS, np.tile([0.2, 0, -0.6], (200, 1)), atol=1e-12)


def test_bernstein_polynomials_by_hand() -> None:
    displacement = np.zeros((3, 5, 5, 5))
    displacement[1, 2, 0, 4] = 1
    point = np.array([[0.5, -0.2, 0.1]])
    u, v, w = (point[0] + 1) / 2
    expected = 2 * (6 * u**2 * (1 - u) ** 2) * (1 - v) ** 4 * w**4
    assert free_form_deformation(point, displacement)[0] - point[0] == pytest.approx([0, expected, 0])


def test_points_outside_of_the_box_stay() -> None:
    far = np.array([[1.2, 0, 0], [0, -5, 0], [0.9, 0.9, 0.9]])
    moved = free_form_deformation(far, np.full((3, 5, 5, 5), 0.2))
    np.testing.assert_array_equal(moved[:2], far[:2])
    assert (moved[2] != far[2]).all()


@pytest.mark.parametrize("kind", ["multiquadric", "inverse multiquadric"])
def test_control_points_come_exactly_where_they_are_meant_to(
    kind: Literal["multiquadric", "inverse multiquadric"],
) -> None:
    control = control_grid(5)
    assert control.shape == (125, 3)
    assert len(np.unique(control, axis=0)) == 125
    target = control + np.random.default_rng(1).normal(scale=0.1, size=control.shape)
    reached = radial_deformation(control, control, target, kind)
    np.testing.assert_allclose(reached, target, atol=1e-9)


def test_affine_maps_are_reproduced_everywhere() -> None:
    control, matrix = control_grid(4), np.array([[1.1, 0.2, 0], [0, 0.9, 0], [0.1, 0, 1]])
    moved = radial_deformation(POINTS * 3, control, control @ matrix + [1, 2, 3], "multiquadric")
    np.testing.assert_allclose(moved, POINTS * 3 @ matrix + [1, 2, 3], atol=1e-8)


def test_the_basis_functions_are_those_of_another_library() -> None:
    interpolate = pytest.importorskip("scipy.interpolate")
    control = control_grid(5)
    target = control + np.random.default_rng(1).normal(scale=0.1, size=control.shape)
    for kind in ("multiquadric", "inverse multiquadric"):
        # That library's multiquadric is sqrt(1 + (epsilon r)^2), up to a factor that the weights take up.
        other = interpolate.RBFInterpolator(
            control, target, kernel=kind.replace(" ", "_"), epsilon=2.0, degree=1
        )
        ours = radial_deformation(POINTS, control, target, kind)
        np.testing.assert_allclose(ours, other(POINTS), atol=1e-8)
