"""Muon whose matrices of one shape are orthogonalized together.

M matrices of one shape, R rows, C columns
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class StackedMuon(torch.optim.Muon):
    """`torch.optim.Muon` for GPUs: a few products of stacks of matrices instead of many of single ones.

    A step of torch's takes thousands of small operations, for which a GPU waits longer than it computes. The
    result differs by rounding to bfloat16, in which both orthogonalize; states are interchangeable. Its steps
    are scaled to the size of AdamW's ("match_rms_adamw").
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Updates the parameters that have gradients; a closure is not supported."""
        if closure is not None:
            raise ValueError("StackedMuon takes no closure")
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for shape, parameters in by_shape.items():
                update_MRC = torch.stack(self._directions(parameters, group))
                update_MRC = orthogonalized(
                    update_MRC, group["ns_coefficients"], group["ns_steps"], group["eps"]
                )
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                rate = 0.2 * math.sqrt(max(shape)) * group["lr"]
                torch._foreach_add_(parameters, list(update_MRC.float().unbind()), alpha=-rate)

    def _directions(self, parameters: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        """Returns Nesterov's or the plain momentum of each gradient, and keeps the momenta."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if "momentum_buffer" not in self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(gradient)
        momenta = [self.state[parameter]["momentum_buffer"] for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        if not group["nesterov"]:
            return momenta
        return list(torch._foreach_lerp(gradients, momenta, group["momentum"]))


def orthogonalized(
    matrix_MRC: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """Returns matrices with nearly equal singular values and the same singular vectors, in bfloat16.

    Newton-Schulz iteration of fifth order (Jordan et al. 2024, "Muon").

    Args:
        matrix_MRC: (M, R, C) matrices.
        coefficients: of the first, third and fifth power.
        steps: iterations.
        eps: smallest norm by which a matrix is divided.
    """
    first, third, fifth = coefficients
    wide = matrix_MRC.shape[1] <= matrix_MRC.shape[2]
    matrix = (matrix_MRC if wide else matrix_MRC.mT).bfloat16()
    matrix = matrix / matrix.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = matrix @ matrix.mT
        matrix = torch.baddbmm(
            matrix, torch.baddbmm(gram, gram, gram, beta=third, alpha=fifth), matrix, beta=first
        )
    return matrix if wide else matrix.mT
