"""The smooth L1 of `ObjectLoss`."""

from __future__ import annotations

import torch

from crossjepa.train.pretrain.losses import ObjectLoss


def test_it_is_quadratic_up_to_beta_then_linear_and_of_float32() -> None:
    target = torch.zeros(3, 4)
    loss = ObjectLoss(0.5)
    for error in (0.25, 4.0):
        expected = error**2 / (2 * 0.5) if error < 0.5 else error - 0.5 / 2
        found = loss((target + error).bfloat16(), target)
        assert found.dtype == torch.float32
        assert float(found) == expected
    assert not loss.state_dict()
