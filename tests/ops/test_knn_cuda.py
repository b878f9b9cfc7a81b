"""Nearest neighbors and interpolation: a GPU finds what a CPU finds."""

from __future__ import annotations

import pytest
import torch

from crossjepa.ops import gather_points, interpolate_tokens, nearest_neighbors
from tests.helpers.cuda import DEVICE, ON_DEVICE, relative_error
from tests.helpers.encoders import clouds

pytestmark = ON_DEVICE


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("away", [0.0, 1000.0])
def test_the_same_neighbors_are_found(masked: bool, away: float) -> None:
    points_BN3 = clouds(6, 1024) + away
    queries_BQ3 = points_BN3[:, ::16]
    mask_BN = torch.arange(1024) < torch.tensor([1024, 1000, 500, 200, 40, 20])[:, None]
    own, moved = (mask_BN, mask_BN.to(DEVICE)) if masked else (None, None)
    expected_BQK, places_BQK = nearest_neighbors(queries_BQ3, points_BN3, 32, own)
    found_BQK, index_BQK = nearest_neighbors(queries_BQ3.to(DEVICE), points_BN3.to(DEVICE), 32, moved)
    found_BQK, index_BQK = found_BQK.cpu(), index_BQK.cpu()
    assert torch.allclose(found_BQK, expected_BQK, rtol=1e-5, atol=1e-7)
    if not masked:  # rows of clouds that are too small repeat their nearest point
        assert bool((found_BQK.diff(dim=-1) >= 0).all())
    # Points at the same distance, as many are far from the origin, may come in another order.
    at_BQK = (gather_points(points_BN3, index_BQK) - queries_BQ3.unsqueeze(2)).norm(dim=-1)
    assert torch.allclose(at_BQK, expected_BQK, rtol=1e-5, atol=1e-7)
    if not away:
        assert float((index_BQK == places_BQK).float().mean()) > 0.999
    if masked:
        assert bool(mask_BN.gather(1, index_BQK.flatten(1)).all())


def test_a_point_is_its_own_nearest_neighbor() -> None:
    points_BN3 = clouds(3, 500).to(DEVICE)
    distance_BN1, index_BN1 = nearest_neighbors(points_BN3, points_BN3, 1)
    assert torch.equal(index_BN1[..., 0].cpu(), torch.arange(500).expand(3, -1))
    assert not distance_BN1.any()


def test_gradients_reach_positions_as_on_the_cpu() -> None:
    points_BN3, centers_BG3 = clouds(2, 200), clouds(2, 16, seed=1)
    tokens_BGC = torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(2))
    gradients = []
    for device in ("cpu", DEVICE):
        points, centers, tokens = (
            part.detach().to(device).requires_grad_() for part in (points_BN3, centers_BG3, tokens_BGC)
        )
        total = interpolate_tokens(points, centers, tokens).square().sum()
        gradients.append(torch.autograd.grad(total, (points, centers, tokens)))
    for expected, found in zip(*gradients, strict=True):
        assert relative_error(found, expected) < 1e-4


def test_interpolated_tokens_are_the_same() -> None:
    points_BN3, centers_BG3 = clouds(4, 3000), clouds(4, 64, seed=1)
    tokens_BGC = torch.randn(4, 64, 32, generator=torch.Generator().manual_seed(2))
    mask_BG = torch.arange(64) < torch.tensor([64, 40, 3, 1])[:, None]
    for mask in (None, mask_BG):
        expected = interpolate_tokens(points_BN3, centers_BG3, tokens_BGC, mask)
        moved = None if mask is None else mask.to(DEVICE)
        found = interpolate_tokens(
            points_BN3.to(DEVICE), centers_BG3.to(DEVICE), tokens_BGC.to(DEVICE), moved
        )
        assert relative_error(found, expected) < 1e-4
