"""The coarse grid that pretraining may ask for.

B clouds, L nodes
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossjepa.processor import PointCloudProcessor
from crossjepa.train.pretrain.losses import OccupancyLoss, occupancy
from tests.conftest import REPOSITORY

CHAIR = REPOSITORY / "examples" / "files" / "chair.obj"


def chair_1N3() -> torch.Tensor:
    """Returns a chair, (1, 1024, 3), as the network sees it."""
    return torch.from_numpy(np.asarray(PointCloudProcessor()(CHAIR)))[None].float()


@pytest.mark.parametrize("nodes", [2, 4, 5])
def test_every_point_counts_once(nodes: int) -> None:
    values_BL = occupancy(torch.rand(3, 500, 3) * 2 - 1, nodes)
    assert values_BL.shape == (3, nodes**3)
    torch.testing.assert_close(values_BL.square().mean(dim=1), torch.ones(3))


def test_points_count_for_the_nodes_around_them() -> None:
    corner, between = torch.tensor([[[1.0, 1, 1]]]), torch.tensor([[[0.0, -1, -1]]])
    torch.testing.assert_close(occupancy(corner, 2)[0], torch.tensor([0.0] * 7 + [8.0]).sqrt())
    torch.testing.assert_close(occupancy(between, 2)[0], torch.tensor([4.0, 0, 0, 0, 4, 0, 0, 0]).sqrt())


def test_it_is_smooth_and_tells_poses_apart() -> None:
    chair = chair_1N3()
    quarter = torch.stack([chair[..., 2], chair[..., 1], -chair[..., 0]], dim=-1)
    other_draw = chair[:, torch.randperm(1024)[:512]]
    turned = (occupancy(quarter, 4) - occupancy(chair, 4)).norm()
    assert float((occupancy(other_draw, 4) - occupancy(chair, 4)).norm()) < 0.3 * float(turned)
    assert float((occupancy(chair + 0.01, 4) - occupancy(chair, 4)).norm()) < 0.3 * float(turned)


def test_the_loss_reads_the_first_channels_of_the_mean_token() -> None:
    points_BN3 = chair_1N3()
    tokens_BGC = occupancy(points_BN3, 2)[:, None].repeat(1, 4, 3)
    tokens_BGC[:, :, :8] += torch.tensor([-0.5, 0.5, 0.25, -0.25])[:, None]  # means stay
    tokens_BGC[:, :, 8:] = torch.nan  # other channels do not count
    loss = OccupancyLoss(2, beta=1.0)
    assert float(loss(tokens_BGC, points_BN3)) == pytest.approx(0, abs=1e-12)
    assert float(loss(tokens_BGC + 3, points_BN3)) == pytest.approx(2.5)
