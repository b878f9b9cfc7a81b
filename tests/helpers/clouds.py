"""Random clouds."""

from __future__ import annotations

import torch
from torch import Tensor


def cloud(seed: int, batch: int, points: int) -> Tensor:
    """Returns (batch, points, 3) normal coordinates."""
    return torch.randn(batch, points, 3, generator=torch.Generator().manual_seed(seed))
