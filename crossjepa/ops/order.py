"""A canonical order of points, which does not depend on the order of the input.

B clouds, N points
"""

from __future__ import annotations

import torch
from torch import Tensor


def canonical_order(points_BN3: Tensor, mask_BN: Tensor | None = None) -> Tensor:
    """Sorts points by x, then y, then z, with masked points last.

    Whatever breaks ties by index or sums in order then gives bit-identical results for every permutation of
    the input.

    Args:
        points_BN3: (B, N, 3) coordinates.
        mask_BN: (B, N) bool, True for real points; None if all points are real.

    Returns:
        (B, N) int64 indices that sort the points.
    """
    order_BN: Tensor | None = None
    for axis in (2, 1, 0):
        key_BN = points_BN3[..., axis]
        if mask_BN is not None:
            key_BN = key_BN.masked_fill(~mask_BN, torch.inf)
        if order_BN is not None:
            key_BN = key_BN.gather(1, order_BN)
        step_BN = torch.sort(key_BN, dim=1, stable=True).indices
        order_BN = step_BN if order_BN is None else order_BN.gather(1, step_BN)
    assert order_BN is not None
    return order_BN
