"""Point encoders with random weights, and clouds for them."""

from __future__ import annotations

import torch
from torch import Tensor

from crossjepa.config import NAMED_SIZES
from crossjepa.models.point_encoder import PointEncoder


def make(size: str) -> PointEncoder:
    """Returns an encoder of a named size, in evaluation mode, whose batch norms have seen data."""
    torch.manual_seed(0)
    model = PointEncoder(NAMED_SIZES[size])
    with torch.no_grad():
        model.train()(clouds(4, model.config.num_points))
    return model.eval()


def clouds(batch: int, points: int, seed: int = 0) -> Tensor:
    """Returns (batch, points, 3) random points within the unit sphere."""
    points_BN3 = torch.randn(batch, points, 3, generator=torch.Generator().manual_seed(seed))
    scale_B11 = points_BN3.norm(dim=-1).amax(dim=1)[:, None, None]
    return torch.div(points_BN3, scale_B11)
