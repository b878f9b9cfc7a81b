"""Points of a batch with dense targets, chosen from those of a cache.

B clouds, P stored points, M points with targets in the cache, Q chosen points, K channels of the targets
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crossjepa.ops import gather_points
from crossjepa.train.cache import Cache
from crossjepa.train.cache.concat import JoinedCaches
from crossjepa.train.common.rng import CloudRng


class DensePoints(NamedTuple):
    """Points with the teacher's features there.

    Attributes:
        points_BQ3: (B, Q, 3) float32 points, as they are stored.
        targets_BQK: (B, Q, K) float32 targets, in standard deviations of a channel.
        seen_BQ: (B, Q) bool, whether any picture shows the point; without one it has no target.
    """

    points_BQ3: Tensor
    targets_BQK: Tensor
    seen_BQ: Tensor


def check_dense(cache: Cache | JoinedCaches, points: int) -> None:
    """Checks that a cache has dense targets.

    Raises:
        ValueError: it has none, or at fewer points than a step takes.
    """
    if not cache.dense_points:
        raise ValueError(
            "dense_weight needs a cache with dense targets (crossjepa cache --dense); of several, all must "
            "have them on one basis (--dense-basis)"
        )
    if points > cache.dense_points:
        raise ValueError(
            f"dense_points is {points}, but the cache has targets at {cache.dense_points} points of an object"
        )


def choose_points(
    cache: Cache | JoinedCaches,
    row_B: NDArray[np.int64],
    stored_BP3: Tensor,
    count: int,
    rng: CloudRng,
) -> DensePoints:
    """Chooses points at random from those that pictures show, and others only if there are too few.

    Args:
        cache: a cache with dense targets.
        row_B: the objects.
        stored_BP3: (B, P, 3) their stored points, of which the first have targets.
        count: points to choose (Q); if 0, the cache needs no targets.
        rng: random numbers.

    Returns:
        The points and their targets, on the device of the stored points.
    """
    device = stored_BP3.device
    if not count:
        none_BQK = torch.zeros(len(row_B), 0, cache.dense_channels, device=device)
        # New tensors: a part of the stored points would take all of them along to another process.
        seen_BQ = none_BQK.new_zeros(len(row_B), 0, dtype=torch.bool)
        return DensePoints(stored_BP3.new_zeros(len(row_B), 0, 3), none_BQK, seen_BQ)
    seen_BM = torch.from_numpy(cache.seen_of(row_B))
    order_BM = rng.uniform(cache.dense_points) + (~seen_BM).float()
    chosen_BQ = order_BM.argsort(dim=1)[:, :count]
    return DensePoints(
        gather_points(stored_BP3, chosen_BQ.to(device)),
        torch.from_numpy(cache.dense_of(row_B, chosen_BQ.numpy())).to(device),
        seen_BM.gather(1, chosen_BQ).to(device),
    )
