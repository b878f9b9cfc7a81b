"""The groups of a graph are those of the network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from crossjepa.config import NAMED_SIZES
from crossjepa.export.grouping import group_points_in_graph
from crossjepa.models.tokenizer import group_points
from tests.helpers.encoders import clouds

CONFIG = NAMED_SIZES["crossjepa-test"]  # 64 points, 8 groups of 4


def compare(points_BN3: Tensor) -> None:
    expected, found = group_points(points_BN3, CONFIG), group_points_in_graph(points_BN3, CONFIG)
    mask_BG = expected.token_mask_BG
    assert found.token_mask_BG is not None
    if mask_BG is None:
        mask_BG = torch.ones_like(found.token_mask_BG)
    assert torch.equal(found.token_mask_BG, mask_BG)
    assert torch.equal(found.centers_BG3[mask_BG], expected.centers_BG3[mask_BG])
    groups_BGK3 = expected.groups_BGK3  # fewer than K if there are fewer points: the nearest one repeats
    missing = CONFIG.group_size - groups_BGK3.shape[2]
    groups_BGK3 = torch.cat([groups_BGK3, groups_BGK3[:, :, :1].expand(-1, -1, missing, -1)], dim=2)
    assert torch.equal(found.groups_BGK3[mask_BG], groups_BGK3[mask_BG])


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("points", [1, 2, 3, 7, 8, 9, 63, 64, 65, 200])
def test_any_number_of_clouds_and_points_gives_the_same_bits(batch: int, points: int) -> None:
    compare(clouds(batch, points, seed=points))


def test_equal_points_give_the_same_bits() -> None:
    points_BN3 = clouds(2, 30)
    compare(torch.cat([points_BN3, points_BN3, points_BN3], dim=1))
    compare(points_BN3[:, :1].expand(-1, 100, -1).contiguous())


def test_the_order_of_the_points_does_not_matter() -> None:
    points_BN3 = clouds(2, 150)
    shuffled = points_BN3[:, torch.randperm(150, generator=torch.Generator().manual_seed(1))]
    first, second = (group_points_in_graph(one, CONFIG) for one in (points_BN3, shuffled))
    assert torch.equal(first.centers_BG3, second.centers_BG3)
    assert torch.equal(first.groups_BGK3, second.groups_BGK3)
