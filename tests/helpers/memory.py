"""What a forward pass keeps for the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

Result = TypeVar("Result")


def kept(module: nn.Module, forward: Callable[[], Result]) -> tuple[Result, int]:
    """Runs a forward pass; returns its result and the bytes that it keeps beside the parameters."""
    parameters = {value.data_ptr() for value in module.parameters()}
    storages: dict[int, int] = {}

    def pack(value: Tensor) -> Tensor:
        if value.data_ptr() not in parameters:
            storage = value.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        result = forward()
    return result, sum(storages.values())
