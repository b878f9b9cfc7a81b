"""Disturbances of clouds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crossjepa.evaluate.robustness import as_transform, disturbances, rotation_about, turn_any


def test_rotations() -> None:
    np.testing.assert_allclose(
        rotation_about(np.array([0.0, 0, 1]), np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-12
    )
    points = np.random.default_rng(0).normal(size=(50, 3))
    turned = turn_any(points, np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(points, axis=1))
    assert np.linalg.det(np.linalg.lstsq(points, turned, rcond=None)[0]) == pytest.approx(1)


def test_disturbances() -> None:
    points = np.random.default_rng(0).normal(size=(1000, 3)) * [1, 2, 3] + 5
    sizes: dict[str, list[int]] = {}
    for row in disturbances("z"):
        transform = as_transform(row, seed=0)
        changed = transform.apply(points, 4)
        np.testing.assert_array_equal(changed, transform.apply(points, 4))
        assert np.abs(changed - transform.apply(points, 5)[: len(changed)]).max() > 0
        assert np.linalg.norm(changed, axis=1).max() < 1.3
        sizes.setdefault(row.kind, []).append(len(changed))
        if row.amount == "any angle about the vertical":
            frame = as_transform(replace(row, change=lambda cloud, _: cloud), 0).apply(points, 4)
            np.testing.assert_allclose(changed[:, 2], frame[:, 2])
    assert sizes == {
        "rotation": [1000] * 4,
        "jitter": [1000] * 3,
        "dropout": [750, 500, 250],
        "occlusion": [750, 500],
        "point count": [64, 128, 256, 512],
    }
