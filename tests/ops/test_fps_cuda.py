"""Farthest point sampling and the canonical order: a GPU takes the points that a CPU takes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from crossjepa.io import Mesh, read
from crossjepa.ops import farthest_point_sampling, reduce_points
from crossjepa.ops.order import canonical_order
from crossjepa.processor import PointCloudProcessor, sample_mesh, unit_sphere
from tests.helpers.cuda import DEVICE, FILES, ON_DEVICE

pytestmark = ON_DEVICE


@pytest.fixture(scope="module")
def prepared_BN3() -> Tensor:
    """The sample files as the network sees them, 1,024 points each."""
    return torch.stack([PointCloudProcessor()(path) for path in FILES])


@pytest.fixture(scope="module")
def dense_BN3() -> Tensor:
    """The sample files with 3,000 points each, in no order."""
    clouds = []
    for path in FILES:
        mesh = read(path)
        assert isinstance(mesh, Mesh)
        points_N3 = sample_mesh(mesh, 3000)
        clouds.append(torch.from_numpy(unit_sphere(points_N3).apply(points_N3)))
    return torch.stack(clouds)


def masks_of(points_BN3: Tensor) -> Tensor:
    """Masks in which a cloud has all points, and each further one fewer, down to a seventh of them."""
    batch, count = points_BN3.shape[:2]
    real_B1 = torch.linspace(count, count // 7, batch).long()[:, None]
    return torch.arange(count) < real_B1


@pytest.mark.parametrize("count", [1, 64, 1024])
@pytest.mark.parametrize("masked", [False, True])
def test_the_same_points_are_taken(prepared_BN3: Tensor, count: int, masked: bool) -> None:
    mask_BN = masks_of(prepared_BN3) if masked else None
    expected = farthest_point_sampling(prepared_BN3, count, mask_BN)
    moved_BN = None if mask_BN is None else mask_BN.to(DEVICE)
    found = farthest_point_sampling(prepared_BN3.to(DEVICE), count, moved_BN)
    assert found.device.type == torch.device(DEVICE).type
    if mask_BN is None:
        assert torch.equal(found.cpu(), expected)
        return
    # What follows when all real points are taken only has to be one of them.
    real_B = mask_BN.sum(dim=1)
    for found_G, expected_G, real in zip(found.cpu(), expected, real_B.tolist(), strict=True):
        assert torch.equal(found_G[:real], expected_G[:real])
        assert int(found_G.max()) < real


@pytest.mark.parametrize("masked", [False, True])
def test_points_are_ordered_and_reduced_alike(dense_BN3: Tensor, masked: bool) -> None:
    mask_BN = masks_of(dense_BN3) if masked else None
    points_BN3, moved_BN = dense_BN3.to(DEVICE), None if mask_BN is None else mask_BN.to(DEVICE)
    assert torch.equal(canonical_order(points_BN3, moved_BN).cpu(), canonical_order(dense_BN3, mask_BN))
    found_BM3, found_BM = reduce_points(points_BN3, 1024, moved_BN)
    expected_BM3, expected_BM = reduce_points(dense_BN3, 1024, mask_BN)
    if expected_BM is None or found_BM is None:
        assert found_BM is expected_BM is None
        assert torch.equal(found_BM3.cpu(), expected_BM3)
        return
    assert torch.equal(found_BM.cpu(), expected_BM)
    assert torch.equal(found_BM3.cpu()[expected_BM], expected_BM3[expected_BM])


def test_many_points_that_coincide(prepared_BN3: Tensor) -> None:
    points_BN3 = prepared_BN3[:, :100].repeat_interleave(10, dim=1)
    found = farthest_point_sampling(points_BN3.to(DEVICE), 300)
    assert torch.equal(found.cpu(), farthest_point_sampling(points_BN3, 300))


def test_a_large_cloud() -> None:
    points_1N3 = torch.randn(1, 100_000, 3, generator=torch.Generator().manual_seed(0))
    found = farthest_point_sampling(points_1N3.to(DEVICE), 128)
    assert torch.equal(found.cpu(), farthest_point_sampling(points_1N3, 128))
