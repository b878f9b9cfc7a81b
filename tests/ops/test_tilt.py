"""Tilted shapes, with the figures that the threshold comes from."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crossjepa.io import Mesh, read
from crossjepa.ops.tilt import TILTED, tilt_ratio
from tests.conftest import SAMPLES


def tilted(points_N3: NDArray[np.floating], degrees: float) -> NDArray[np.float64]:
    """Tilts points about the horizontal direction (1, 0, 1)."""
    axis_3 = np.array([1, 0, 1]) / np.sqrt(2)
    cross_33 = np.array([[0, -axis_3[2], 0], [axis_3[2], 0, -axis_3[0]], [0, axis_3[0], 0]])
    angle = np.radians(degrees)
    turn_33 = np.eye(3) + np.sin(angle) * cross_33 + (1 - np.cos(angle)) * cross_33 @ cross_33
    return np.asarray(points_N3 @ turn_33.T)


@pytest.mark.parametrize("name", ["chair", "desk", "desk_lamp", "folding_chair", "fork_lift", "table"])
def test_upright_objects_are_not_tilted_and_tilted_ones_are(name: str) -> None:
    mesh = read(SAMPLES / f"{name}.obj")
    assert isinstance(mesh, Mesh)
    assert 1 <= tilt_ratio(mesh.vertices_V3) < TILTED
    assert tilt_ratio(tilted(mesh.vertices_V3, 30)) > tilt_ratio(mesh.vertices_V3)


def test_most_tilted_clouds_are_found_and_few_upright_ones(modelnet_points: NDArray[np.float32]) -> None:
    upright = [cloud_N3[:, [0, 2, 1]] for cloud_N3 in modelnet_points]
    assert np.mean([tilt_ratio(cloud_N3) > TILTED for cloud_N3 in upright]) < 0.08
    assert np.mean([tilt_ratio(tilted(cloud_N3, 30)) > TILTED for cloud_N3 in upright]) > 0.75


def test_what_has_no_box() -> None:
    plane_N3 = np.random.default_rng(0).uniform(size=(50, 3)) * (1, 0, 1)
    assert tilt_ratio(plane_N3) == pytest.approx(1, abs=1)
    assert tilt_ratio(np.zeros((1, 3))) == 1
    assert tilt_ratio(np.array([[0, 0, 0], [1, 1, 1.0]])) >= 1
