"""Farthest point sampling against the textbook loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from crossjepa.ops import farthest_point_sampling, reduce_points
from tests.helpers.clouds import cloud


def reference_fps(points_N3: NDArray[np.float32], count: int) -> list[int]:
    """The textbook loop, from the point farthest from the centroid, ties to the lowest index."""
    start = int(((points_N3 - points_N3.mean(axis=0)) ** 2).sum(axis=1).argmax())
    picks = [start]
    while len(picks) < count:
        nearest = [
            min(float(((point - points_N3[pick]) ** 2).sum()) for pick in picks) for point in points_N3
        ]
        picks.append(int(np.argmax(nearest)))
    return picks


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 12))
def test_fps_equals_reference(seed: int, points: int, count: int) -> None:
    points_BN3 = cloud(seed, 2, points)
    index_BG = farthest_point_sampling(points_BN3, count)
    for points_N3, index_G in zip(points_BN3.numpy(), index_BG.tolist(), strict=True):
        expected = reference_fps(points_N3, min(count, points))
        assert index_G[: len(expected)] == expected


def test_fps_with_mask_equals_fps_without_the_masked() -> None:
    points_BN3 = cloud(1, 3, 50)
    mask_BN = torch.arange(50) < torch.tensor([[50], [20], [7]])
    poisoned = points_BN3.masked_fill(~mask_BN.unsqueeze(-1), 1e6)
    index_BG = farthest_point_sampling(poisoned, 7, mask_BN)
    for row, count in enumerate((50, 20, 7)):
        alone = farthest_point_sampling(points_BN3[row : row + 1, :count], 7)
        assert torch.equal(index_BG[row], alone[0])


def test_fps_takes_every_point_once_before_it_repeats() -> None:
    index_BG = farthest_point_sampling(cloud(2, 1, 5), 8)
    assert sorted(index_BG[0, :5].tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("points", [5, 64, 300])
def test_reduction_does_not_depend_on_order(points: int) -> None:
    grid_BN3 = torch.randint(0, 4, (1, points, 3), generator=torch.Generator().manual_seed(points)).float()
    shuffled = grid_BN3[:, torch.randperm(points, generator=torch.Generator().manual_seed(7))]
    assert torch.equal(reduce_points(grid_BN3, 64)[0], reduce_points(shuffled, 64)[0])


def test_reduction_with_mask_equals_reduction_alone() -> None:
    points_BN3 = cloud(6, 2, 100)
    mask_BN = torch.arange(100) < torch.tensor([[100], [30]])
    reduced_BM3, mask_BM = reduce_points(points_BN3, 40, mask_BN)
    assert mask_BM is not None
    assert mask_BM.sum(dim=1).tolist() == [40, 30]
    assert torch.equal(reduced_BM3[0], reduce_points(points_BN3[:1], 40)[0][0])
    alone = reduce_points(points_BN3[1:, :30], 40)[0][0]
    assert sorted(reduced_BM3[1, :30].tolist()) == sorted(alone.tolist())
