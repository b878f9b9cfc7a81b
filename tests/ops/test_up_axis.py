"""Which axis points up."""

from __future__ import annotations

import numpy as np
import pytest

from crossjepa.config import Axis
from crossjepa.ops.up_axis import check_axes, rotate_up_axis


@pytest.mark.parametrize("source", ["x", "y", "z"])
@pytest.mark.parametrize("target", ["x", "y", "z"])
def test_turning_up_is_a_rotation_that_moves_the_axis(source: Axis, target: Axis) -> None:
    turned_33 = rotate_up_axis(np.eye(3), source, target)
    assert turned_33["xyz".index(source)].tolist() == np.eye(3)["xyz".index(target)].tolist()
    assert np.linalg.det(turned_33) == pytest.approx(1)
    assert np.array_equal(rotate_up_axis(turned_33, target, source), np.eye(3))


def test_z_up_to_y_up_is_the_usual_one() -> None:
    assert rotate_up_axis(np.array([[1.0, 2, 3]]), "z", "y").tolist() == [[1, 3, -2]]


def test_what_is_no_axis_is_refused() -> None:
    check_axes("x", "y", "z")
    with pytest.raises(ValueError, match="must be 'x', 'y' or 'z', not 'up'"):
        rotate_up_axis(np.eye(3), "up", "y")  # type: ignore[arg-type]
