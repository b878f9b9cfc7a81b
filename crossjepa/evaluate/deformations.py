"""Smooth deformations of space, for ModelNet40-C.

N points, P control points
"""

from __future__ import annotations

from math import comb
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def free_form_deformation(points_N3: Floats, displacement_3UVW: Floats) -> Floats:
    """Moves points with a lattice of control points over the box [-1, 1]^3.

    Free-form deformation (Sederberg and Parry 1986, https://doi.org/10.1145/15922.15903): displacements of
    the control points are interpolated by Bernstein polynomials. Points outside of the box stay.

    Args:
        points_N3: (N, 3) points.
        displacement_3UVW: (3, U, V, W) displacement of every control point along x, y and z, in units of the
            length of the box, which is 2.

    Returns:
        (N, 3) the moved points.
    """
    inside_N = (np.abs(points_N3) <= 1).all(axis=1)
    weights = []
    for axis in range(3):
        degree = displacement_3UVW.shape[1 + axis] - 1
        part_N = (points_N3[inside_N, axis] + 1) / 2
        powers = [comb(degree, k) * part_N**k * (1 - part_N) ** (degree - k) for k in range(degree + 1)]
        weights.append(np.stack(powers, axis=1))
    moved_N3 = points_N3.copy()
    moved_N3[inside_N] += 2 * np.einsum("nu,nv,nw,duvw->nd", *weights, displacement_3UVW, optimize=True)
    return moved_N3


def control_grid(count: int) -> Floats:
    """Returns (count^3, 3) control points of a regular grid over the box [-1, 1]^3."""
    steps = np.linspace(-1, 1, count)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)


def radial_deformation(
    points_N3: Floats,
    control_P3: Floats,
    moved_P3: Floats,
    kind: Literal["multiquadric", "inverse multiquadric"],
    radius: float = 0.5,
) -> Floats:
    """Moves points so that control points come to given places.

    Interpolation by radial basis functions and an affine map (Buhmann 2003, as in PyGeM), with
    phi(r) = (r^2 + radius^2)^(1/2), or its inverse.

    Args:
        points_N3: (N, 3) points.
        control_P3: (P, 3) control points.
        moved_P3: (P, 3) where they move.
        kind: the basis function.
        radius: its radius.

    Returns:
        (N, 3) the moved points.
    """
    power = 0.5 if kind == "multiquadric" else -0.5

    def basis(query_N3: Floats) -> Floats:
        squared_NP = ((query_N3[:, None] - control_P3[None]) ** 2).sum(axis=2)
        affine_N4 = np.concatenate([np.ones((len(query_N3), 1)), query_N3], axis=1)
        return np.concatenate([(squared_NP + radius**2) ** power, affine_N4], axis=1)

    count = len(control_P3)
    system = np.zeros((count + 4, count + 4))
    system[:count] = basis(control_P3)
    system[count:, :count] = system[:count, count:].T
    weights = np.linalg.solve(system, np.concatenate([moved_P3, np.zeros((4, 3))]))
    return np.asarray(basis(points_N3) @ weights)
