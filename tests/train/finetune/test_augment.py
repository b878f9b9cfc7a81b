"""Augmentation."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from crossjepa.config import Axis
from crossjepa.train.finetune.augment import QUERY, SHAPE, draw_augmentation, generators
from crossjepa.train.finetune.config import AugmentConfig


@pytest.mark.parametrize("up_axis", get_args(Axis))
def test_augmentation_turns_about_the_up_axis_and_moves_all_points_alike(up_axis: Axis) -> None:
    config = AugmentConfig(rotate="up", scale_range=0.0, translate=0.0, jitter=0.0)
    points_BN3 = torch.randn(4, 30, 3, generator=torch.Generator().manual_seed(0))
    draw = draw_augmentation(config, up_axis, [np.random.default_rng(row) for row in range(4)])
    turned_BN3, up = draw(points_BN3), "xyz".index(up_axis)
    torch.testing.assert_close(turned_BN3[..., up], points_BN3[..., up])
    torch.testing.assert_close(turned_BN3.norm(dim=-1), points_BN3.norm(dim=-1))
    assert torch.linalg.det(draw.matrix_B33).allclose(torch.ones(4)), "no mirror images"
    assert (turned_BN3 - points_BN3).abs().amax() > 0.1
    torch.testing.assert_close(draw(points_BN3[:, :5]), turned_BN3[:, :5])
    still = replace(config, rotate="none", scale_range=0.3, translate=0.1)
    draw = draw_augmentation(still, "y", [np.random.default_rng(row) for row in range(4)])
    assert (
        0.7 <= float(draw.matrix_B33.diagonal(dim1=1, dim2=2).min()) < 1 < float(draw.matrix_B33.max()) <= 1.3
    )
    assert 0 < float(draw.shift_B13.abs().max()) <= 0.1


def test_a_cloud_is_augmented_the_same_in_every_batch() -> None:
    points_BN3 = torch.randn(3, 20, 3, generator=torch.Generator().manual_seed(0))
    together = draw_augmentation(AugmentConfig(), "y", generators(0, SHAPE, 2, [4, 5, 6]))(points_BN3)
    alone = draw_augmentation(AugmentConfig(), "y", generators(0, SHAPE, 2, [5]))(points_BN3[1:2])
    assert torch.equal(together[1:2], alone)
    noisy = draw_augmentation(AugmentConfig(), "y", generators(0, SHAPE, 2, [5]))
    other = noisy.with_noise_of(generators(0, QUERY, 2, [5]))
    assert not torch.equal(other(points_BN3[1:2]), alone)
    assert torch.equal(other.matrix_B33, noisy.matrix_B33)
