"""The smooth L1 of `PointToPointLoss`."""

from __future__ import annotations

import torch

from crossjepa.train.pretrain.losses import PointToPointLoss


def test_it_is_quadratic_up_to_beta_then_linear_and_of_float32() -> None:
    target = torch.zeros(3, 4)
    loss = PointToPointLoss()
    for error in (0.25, 4.0):
        expected = error**2 / (2 * 1.0) if error < 1.0 else error - 1.0 / 2
        found = loss((target + error).bfloat16(), target)
        assert found.dtype == torch.float32
        assert float(found) == expected
    assert not loss.state_dict()
