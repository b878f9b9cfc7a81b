"""What goes wrong when surfaces are scanned: missing points, uneven density, stray points, clusters, noise.

B clouds, P points, C centers, S points of a subset
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from crossjepa.ops import gather_points
from crossjepa.train.common.rng import CloudRng

MOST_CENTERS = 7
# Standard deviation of a cluster of extra points, as in the corruption "add_local" of ModelNet-C.
CLUSTER_SIZE = (0.075, 0.125)
# Radius below which the place is drawn from which the density falls.
FARTHEST_PLACE = 1.5
# Points whose distances tell how large a hole must be; all distances would have to be sorted.
SUBSET = 512


def thin_out(points_BP3: Tensor, factor: float, rng: CloudRng) -> Tensor:
    """Keeps fewer points the farther they are from a random place in or near the cloud.

    Args:
        points_BP3: (B, P, 3) points.
        factor: largest ratio of the density at the nearest point to that at the farthest.
        rng: random numbers, on the device of the points.

    Returns:
        (B, P) bool, which points to keep.
    """
    place_B3 = FARTHEST_PLACE * rng.uniform(1) * _directions(rng.normal(1, 3))[:, 0]
    distance_BP = (points_BP3 - place_B3[:, None]).norm(dim=-1)
    low_B1, high_B1 = distance_BP.amin(dim=1, keepdim=True), distance_BP.amax(dim=1, keepdim=True)
    share_BP = (distance_BP - low_B1) / (high_B1 - low_B1).clamp_min(1e-6)
    fall_B1 = rng.uniform(1) * math.log(factor)
    kept_BP: Tensor = rng.uniform(points_BP3.shape[1]) < torch.exp(-fall_B1 * share_BP)
    return kept_BP


def cut_holes(points_BP3: Tensor, keep_BP: Tensor, most: float, rng: CloudRng) -> Tensor:
    """Cuts balls out of clouds, around one to seven of their points.

    Args:
        points_BP3: (B, P, 3) points in random order.
        keep_BP: (B, P) bool, points that are there.
        most: largest share of the points to cut out.
        rng: random numbers, on the device of the points.

    Returns:
        (B, P) bool, which points to keep.
    """
    lot_BP = rng.uniform(points_BP3.shape[1])
    center_BC3 = gather_points(points_BP3, (lot_BP * keep_BP).topk(MOST_CENTERS, dim=1).indices)
    cut_BC = most * rng.uniform(1) * _parts(rng)
    distance_BCP = torch.cdist(center_BC3, points_BP3)
    hidden_BCP = distance_BCP.masked_fill(~keep_BP[:, None], torch.inf)
    ordered_BCS = hidden_BCP[..., :SUBSET].sort(dim=-1).values
    present_B1 = keep_BP[:, :SUBSET].sum(dim=1, keepdim=True)
    rank_BC = (cut_BC * present_B1).long().clamp_max(ordered_BCS.shape[-1] - 1)
    radius_BC1 = ordered_BCS.gather(2, rank_BC[..., None])
    cut_BCP = (distance_BCP < radius_BC1) & (rank_BC[..., None] > 0)
    return keep_BP & ~cut_BCP.any(dim=1)


def add_outliers(points_BP3: Tensor, most: float, rng: CloudRng) -> Tensor:
    """Puts some points anywhere in the unit ball instead.

    Args:
        points_BP3: (B, P, 3) normalized points.
        most: largest share of the points; each cloud has its own.
        rng: random numbers, on the device of the points.

    Returns:
        (B, P, 3) points.
    """
    count = points_BP3.shape[1]
    stray_BP3 = _directions(rng.normal(count, 3)) * rng.uniform(count, 1).pow(1 / 3)
    taken_BP = rng.uniform(count) < most * rng.uniform(1)
    return torch.where(taken_BP[..., None], stray_BP3, points_BP3)


def add_clutter(points_BP3: Tensor, real_B1: Tensor, most: float, rng: CloudRng) -> Tensor:
    """Puts some points into one to seven round clusters around points of the cloud instead.

    Points outside the unit ball are divided by their squared norm, as in ModelNet-C.

    Args:
        points_BP3: (B, P, 3) normalized points in random order.
        real_B1: (B, 1) number of different points, which come first.
        most: largest share of the points; each cloud has its own.
        rng: random numbers, on the device of the points.

    Returns:
        (B, P, 3) points.
    """
    count = points_BP3.shape[1]
    low, high = CLUSTER_SIZE
    index_BC = (rng.uniform(MOST_CENTERS) * real_B1).long()
    size_BC = low + (high - low) * rng.uniform(MOST_CENTERS)
    ends_BC = _parts(rng).cumsum(dim=1)
    lot_BP = rng.uniform(count) / (most * rng.uniform(1)).clamp_min(1e-6)
    cluster_BP = torch.searchsorted(ends_BC, lot_BP, right=True).clamp_max(MOST_CENTERS - 1)
    center_BP3 = gather_points(points_BP3, index_BC.gather(1, cluster_BP))
    extra_BP3 = center_BP3 + size_BC.gather(1, cluster_BP)[..., None] * rng.normal(count, 3)
    extra_BP3 = extra_BP3 / extra_BP3.square().sum(dim=-1, keepdim=True).clamp_min(1)
    return torch.where((lot_BP < 1)[..., None], extra_BP3, points_BP3)


def add_noise(points_BP3: Tensor, most: float, rng: CloudRng) -> Tensor:
    """Moves all points by normal noise, whose standard deviation each cloud draws from 0 to `most`."""
    return points_BP3 + most * rng.uniform(1, 1) * rng.normal(*points_BP3.shape[1:])


def _parts(rng: CloudRng) -> Tensor:
    """Returns (B, C) parts of 1, of which the first one to seven are not 0."""
    used_B1 = 1 + (rng.uniform(1) * MOST_CENTERS).long().clamp_max(MOST_CENTERS - 1)
    weight_BC = 0.1 + rng.uniform(MOST_CENTERS)
    unused_BC = torch.arange(MOST_CENTERS, device=used_B1.device) >= used_B1
    weight_BC = weight_BC.masked_fill(unused_BC, 0.0)
    return weight_BC / weight_BC.sum(dim=1, keepdim=True)


def _directions(vector_BP3: Tensor) -> Tensor:
    return F.normalize(vector_BP3, dim=-1, eps=1e-6)
