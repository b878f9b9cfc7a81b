"""Nearest neighbors against a full sort."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossjepa.ops import nearest_neighbors
from tests.helpers.clouds import cloud


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 8))
def test_neighbors_equal_a_full_sort(seed: int, points: int, count: int) -> None:
    points_BN3, queries_BQ3 = cloud(seed, 2, points), cloud(seed + 1, 2, 4)
    distance_BQK, index_BQK = nearest_neighbors(queries_BQ3, points_BN3, count)
    full = np.linalg.norm(queries_BQ3.numpy()[:, :, None] - points_BN3.numpy()[:, None], axis=-1)
    expected = np.sort(full, axis=-1)[..., : min(count, points)]
    np.testing.assert_allclose(distance_BQK.numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(full, index_BQK.numpy(), -1), expected, rtol=1e-5)


def test_missing_neighbors_repeat_the_nearest() -> None:
    points_BN3 = cloud(3, 1, 10)
    mask_BN = torch.arange(10).unsqueeze(0) < 2
    _, index_BQK = nearest_neighbors(cloud(4, 1, 3), points_BN3, 5, mask_BN)
    assert (index_BQK < 2).all()
    assert torch.equal(index_BQK[..., 2:], index_BQK[..., :1].expand(-1, -1, 3))


def test_neighbors_far_from_the_origin_keep_their_digits() -> None:
    points_BN3 = cloud(5, 1, 200) + 1000
    _, index_BQK = nearest_neighbors(points_BN3, points_BN3, 1)
    assert torch.equal(index_BQK[0, :, 0], torch.arange(200))
