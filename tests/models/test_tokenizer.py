"""From points to tokens: groups, and the mini-PointNet as published."""

from __future__ import annotations

import torch
from torch import Tensor

from crossjepa.config import NAMED_SIZES
from crossjepa.models.tokenizer import PatchEmbedding, group_points
from tests.helpers.encoders import clouds


def test_folded_batch_norms_compute_the_same_function() -> None:
    torch.manual_seed(0)
    layer, groups_BGK3 = PatchEmbedding(24), torch.randn(3, 5, 7, 3)
    with torch.no_grad():
        layer(groups_BGK3)
        layer.eval()
        expected = layer.forward_unfolded(groups_BGK3)
        torch.testing.assert_close(layer(groups_BGK3), expected, rtol=1e-4, atol=1e-5)


def published_embedding(layer: PatchEmbedding, groups_BGK3: Tensor) -> Tensor:
    """Point-BERT's mini-PointNet: the 512-wide layer reads [maximum of the group, point] of every point."""
    batch, groups, neighbors, _ = groups_BGK3.shape
    hidden_M = layer.norm_in(layer.point_in(groups_BGK3.flatten(0, 2))).relu()
    hidden_BGKH = layer.point_out(hidden_M).view(batch, groups, neighbors, -1)
    both_BGKH = torch.cat([hidden_BGKH.amax(dim=2, keepdim=True).expand_as(hidden_BGKH), hidden_BGKH], dim=-1)
    weight = torch.cat([layer.pooled.weight, layer.local.weight], dim=1)
    wide_M = torch.nn.functional.linear(both_BGKH.flatten(0, 2), weight, layer.local.bias)
    out_M = layer.out(layer.norm_out(wide_M).relu())
    return torch.amax(out_M.view(batch, groups, neighbors, -1), dim=2)


def test_the_fast_embedding_has_the_values_and_gradients_of_the_published_one() -> None:
    torch.manual_seed(0)
    layer, groups_BGK3 = PatchEmbedding(24).double().train(), torch.randn(3, 5, 7, 3, dtype=torch.float64)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    fast, published = layer(groups_BGK3), published_embedding(layer, groups_BGK3)
    torch.testing.assert_close(fast, published)
    parameters = list(layer.parameters())
    gradients, expected = (torch.autograd.grad(out.sin().sum(), parameters) for out in (fast, published))
    torch.testing.assert_close(gradients, expected)


def test_groups_are_the_nearest_points_around_points_far_from_each_other() -> None:
    config, points_BN3 = NAMED_SIZES["crossjepa-test"], clouds(2, 64).double()
    groups_BGK3, centers_BG3, mask_BG = group_points(points_BN3, config)
    assert mask_BG is None
    assert groups_BGK3.shape == (2, config.num_groups, config.group_size, 3)
    distances_BGN = torch.cdist(centers_BG3.double(), points_BN3, compute_mode="donot_use_mm_for_euclid_dist")
    assert (distances_BGN.amin(dim=2) < 1e-6).all(), "centers are points"
    nearest_BGK = distances_BGN.sort(dim=2).values[..., : config.group_size]
    found_BGK = groups_BGK3.double().norm(dim=-1).sort(dim=2).values
    torch.testing.assert_close(found_BGK, nearest_BGK, rtol=1e-4, atol=1e-5)
    among_BGG = torch.cdist(centers_BG3.double(), centers_BG3.double()) + 9 * torch.eye(config.num_groups)
    assert (among_BGG > 0).all(), "no center twice"


def test_groups_that_have_no_center_are_masked() -> None:
    config, points_BN3 = NAMED_SIZES["crossjepa-test"], clouds(2, 6)
    few = group_points(points_BN3, config)
    assert few.token_mask_BG is not None
    assert few.token_mask_BG.sum(dim=1).tolist() == [6, 6]
    mask_BN = torch.arange(6) < torch.tensor([[3], [6]])
    masked = group_points(points_BN3, config, mask_BN)
    assert masked.token_mask_BG is not None
    assert masked.token_mask_BG.sum(dim=1).tolist() == [3, 6]
    alone = group_points(points_BN3[:1, :3], config)
    torch.testing.assert_close(masked.centers_BG3[0, :3], alone.centers_BG3[0, :3])
