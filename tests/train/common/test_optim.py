"""The schedule of the learning rate, the check of a step, and optimizers that step together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from crossjepa.train.common.optim import Optimizers, Rate, learning_rate, refuse_infinite


def test_schedule() -> None:
    rate = Rate(learning_rate=1.0, final_learning_rate=0.0, warmup_steps=10, schedule="linear")
    rates = [learning_rate(rate, step, 100) for step in range(100)]
    assert rates[0] == 0.1
    assert max(rates) == 1.0
    assert rates[-1] < 0.02
    assert rates[10:] == sorted(rates[10:], reverse=True)
    late = replace(rate, decay_share=0.5, schedule="cosine")
    assert [learning_rate(late, step, 100) for step in (10, 54, 99)] == pytest.approx(
        [1, 1, 0.0012], abs=1e-3
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused_with_its_place(bad: float) -> None:
    refuse_infinite("step 3", loss=1.0, gradient=2.0)
    with pytest.raises(FloatingPointError, match=f"the loss is {bad} at step 3; lower the learning rate"):
        refuse_infinite("step 3", loss=bad, gradient=1.0)
    with pytest.raises(FloatingPointError, match=f"the norm of the gradient is {bad} at step 3"):
        refuse_infinite("step 3", loss=1.0, gradient=bad)


def test_optimizers_step_together_each_group_at_its_share_of_the_rate() -> None:
    values = [nn.Parameter(torch.zeros(1)) for _ in range(3)]
    groups: list[dict[str, Any]] = [{"params": [values[0]]}, {"params": [values[1]], "lr_scale": 0.5}]
    first = torch.optim.SGD(groups, lr=1.0)
    both = Optimizers(first, torch.optim.SGD([values[2]], lr=1.0))
    for value in values:
        value.grad = torch.ones(1)
    both.step(0.25)
    assert [value.item() for value in values] == [-0.25, -0.125, -0.25]
    assert all(value.grad is None for value in values)
    again = Optimizers(torch.optim.SGD([values[0]], lr=1.0))
    with pytest.raises(ValueError, match="number of parameter groups"):
        again.load_state_dict(both.state_dict())
