"""The loss on what the teacher's maps hold at points.

B clouds, G tokens, Q points, K channels
"""

from __future__ import annotations

import pytest
import torch

from crossjepa.ops import interpolate_tokens
from crossjepa.train.pretrain.losses import DenseLoss


def test_it_reads_the_features_that_encode_points_gives() -> None:
    torch.manual_seed(0)
    tokens_BGC, centers_BG3, points_BQ3 = torch.randn(2, 9, 5), torch.randn(2, 9, 3), torch.randn(2, 6, 3)
    loss = DenseLoss(5, 5, beta=1.0)
    with torch.no_grad():
        loss.readout.weight.copy_(torch.eye(5, 8))
        loss.readout.bias.zero_()
    target_BQK = interpolate_tokens(points_BQ3, centers_BG3, tokens_BGC)
    seen_BQ = torch.ones(2, 6, dtype=torch.bool)
    for shift, expected in ((0, 0.0), (3, 2.5)):
        value = loss(tokens_BGC, centers_BG3, points_BQ3, target_BQK + shift, seen_BQ)
        assert float(value.detach()) == pytest.approx(expected, abs=1e-10)


def test_the_readout_knows_where_a_point_lies_among_the_centers() -> None:
    centers_BG3 = torch.tensor([[[0.0, 0, 0], [5, 0, 0], [0, 5, 0], [0, 0, 5]]])
    loss = DenseLoss(1, 3, beta=1.0)
    with torch.no_grad():
        loss.readout.weight.copy_(torch.eye(3, 4).roll(1, dims=1))
        loss.readout.bias.zero_()
    points_BQ3, seen_BQ = torch.tensor([[[0.01, -0.02, 0.03]]]), torch.ones(1, 1, dtype=torch.bool)
    value = loss(torch.zeros(1, 4, 1), centers_BG3, points_BQ3, points_BQ3, seen_BQ)
    assert float(value.detach()) == pytest.approx(0, abs=1e-6)


def test_points_that_are_not_seen_do_not_count() -> None:
    loss, tokens_BGC = DenseLoss(4, 2, beta=1.0), torch.randn(1, 5, 4, requires_grad=True)
    centers_BG3, points_BQ3 = torch.randn(1, 5, 3), torch.randn(1, 3, 3)
    target_BQK = torch.randn(1, 3, 2)
    seen_BQ = torch.tensor([[True, True, False]])
    value = loss(tokens_BGC, centers_BG3, points_BQ3, target_BQK, seen_BQ)
    target_BQK[:, 2] = 1e6
    assert torch.equal(loss(tokens_BGC, centers_BG3, points_BQ3, target_BQK, seen_BQ), value)
    nothing = loss(tokens_BGC, centers_BG3, points_BQ3, target_BQK, torch.zeros(1, 3, dtype=torch.bool))
    nothing.backward()
    assert float(nothing.detach()) == 0
    assert tokens_BGC.grad is not None
    assert not tokens_BGC.grad.any()


def test_tokens_that_are_not_real_tell_nothing() -> None:
    loss, tokens_BGC, centers_BG3 = DenseLoss(4, 2, beta=1.0), torch.randn(1, 5, 4), torch.randn(1, 5, 3)
    rest = torch.randn(1, 3, 3), torch.randn(1, 3, 2), torch.ones(1, 3, dtype=torch.bool)
    mask_BG = torch.tensor([[True, True, True, True, False]])
    value = loss(tokens_BGC, centers_BG3, *rest, mask_BG)
    tokens_BGC[:, 4], centers_BG3[:, 4] = 1e3, rest[0][0, 0]
    assert torch.equal(loss(tokens_BGC, centers_BG3, *rest, mask_BG), value)
