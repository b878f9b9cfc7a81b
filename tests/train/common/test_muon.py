"""Muon over stacks of matrices takes the steps of torch's, up to its rounding to bfloat16."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crossjepa.train.common.muon import StackedMuon

SETTINGS: dict[str, Any] = {"lr": 0.02, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}


def matrices() -> nn.ParameterList:
    torch.manual_seed(0)
    shapes = [(24, 16), (16, 24), (24, 16), (16, 16), (16, 24), (7, 40)]
    return nn.ParameterList([nn.Parameter(torch.randn(shape)) for shape in shapes])


def train(parameters: nn.ParameterList, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        parameters[3].grad = None
        optimizer.step()


def moved(after: nn.ParameterList, before: nn.ParameterList) -> list[Tensor]:
    return [one.detach() - other.detach() for one, other in zip(after, before, strict=True)]


@pytest.mark.parametrize("nesterov", [True, False])
def test_steps_are_those_of_torch(nesterov: bool) -> None:
    start, ours, theirs = matrices(), matrices(), matrices()
    train(ours, StackedMuon(ours, nesterov=nesterov, **SETTINGS), range(4))
    train(theirs, torch.optim.Muon(theirs, nesterov=nesterov, **SETTINGS), range(4))
    for one, other in zip(moved(ours, start), moved(theirs, start), strict=True):
        assert (one - other).norm() <= 0.01 * other.norm()
    assert torch.equal(ours[3], start[3]), "without a gradient nothing moves"


def test_states_are_those_of_torch() -> None:
    theirs = matrices()
    optimizer = torch.optim.Muon(theirs, **SETTINGS)
    train(theirs, optimizer, range(2))
    ours = copy.deepcopy(theirs)
    resumed = StackedMuon(ours, **SETTINGS)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    before = copy.deepcopy(theirs)
    train(ours, resumed, range(2, 4))
    train(theirs, optimizer, range(2, 4))
    for one, other in zip(moved(ours, before), moved(theirs, before), strict=True):
        assert (one - other).norm() <= 0.01 * other.norm()


def test_a_closure_is_refused() -> None:
    parameters = matrices()
    with pytest.raises(ValueError, match="no closure"):
        StackedMuon(parameters, **SETTINGS).step(lambda: 0.0)
