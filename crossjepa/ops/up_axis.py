"""Turning points from one axis that points up to another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossjepa.config import Axis

# Rotations, never a swap of two axes: that would be a mirror image.
_TO_Y_UP: dict[str, NDArray[np.float64]] = {
    "x": np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    "y": np.eye(3),
    "z": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}


def rotate_up_axis(points_N3: NDArray[np.float64], source: Axis, target: Axis) -> NDArray[np.float64]:
    """Turns points by 90 degrees so that the axis that points up in the data becomes another one.

    From z up to y up this is (x, y, z) -> (x, z, -y), as between ModelNet40's meshes and ShapeNet.

    Args:
        points_N3: (N, 3) coordinates.
        source: "x", "y" or "z", the axis that points up in the data.
        target: the axis that points up in the result.

    Returns:
        (N, 3) the same points in the other frame.

    Raises:
        ValueError: an axis is none of "x", "y" and "z".
    """
    check_axes(source, target)
    if source == target:
        return points_N3
    return np.asarray(points_N3 @ (_TO_Y_UP[target].T @ _TO_Y_UP[source]).T)


def check_axes(*axes: str) -> None:
    """Refuses what is no axis.

    Raises:
        ValueError: one is none of "x", "y" and "z".
    """
    for axis in axes:
        if axis not in _TO_Y_UP:
            raise ValueError(f"up_axis must be 'x', 'y' or 'z', not {axis!r}")
