"""The groups of `crossjepa.models.tokenizer`, in a form that a graph can hold for any number of points.

The original branches on the number of points and unrolls farthest point sampling. Here a cloud always becomes
M slots, of which the first N are real if it has fewer points, and sampling is a loop of the graph.

B clouds, N points, M slots (the number of points of the weights), G groups, S samples
"""

from __future__ import annotations

import torch
from torch import Tensor

from crossjepa.config import EncoderConfig
from crossjepa.models.tokenizer import Groups
from crossjepa.ops import canonical_order, gather_points, nearest_neighbors


def group_points_in_graph(points_BN3: Tensor, config: EncoderConfig) -> Groups:
    """Cuts clouds into the groups of `crossjepa.models.tokenizer.group_points`.

    Args:
        points_BN3: (B, N, 3) float32 coordinates, all of them real points.
        config: number of points, groups and neighbors.

    Returns:
        The groups, always with a mask. They are those of the original, except that the sum behind a centroid
        may be rounded in another way: where several points are the farthest from it to the last bit, sampling
        may start at another of them.
    """
    points_BN3 = gather_points(points_BN3, canonical_order(points_BN3))
    size = torch.ones_like(points_BN3[0, :, 0], dtype=torch.int64).sum()
    slots = config.num_points
    # All points in their order, repeated to fill the slots; no round is needed unless there are too many.
    slot_M = torch.arange(slots, device=points_BN3.device)
    all_BM = torch.minimum(slot_M, size - 1).expand(points_BN3.shape[0], -1).clone()
    rounds = torch.where(size > slots, slots, 0)
    mask_BN = torch.ones_like(points_BN3[..., 0], dtype=torch.bool)
    points_BM3 = gather_points(points_BN3, _sample(points_BN3, mask_BN, all_BM, rounds))

    mask_BM = (slot_M < size).expand(points_BM3.shape[0], -1)
    first_BG = torch.zeros_like(points_BM3[:, : config.num_groups, 0], dtype=torch.int64)
    rounds = torch.full_like(size, config.num_groups)
    centers_BG3 = gather_points(points_BM3, _sample(points_BM3, mask_BM, first_BG, rounds))

    _, index_BGK = nearest_neighbors(centers_BG3, points_BM3, config.group_size, mask_BM)
    groups_BGK3 = gather_points(points_BM3, index_BGK) - centers_BG3.unsqueeze(2)
    return Groups(groups_BGK3, centers_BG3, mask_BM[:, : config.num_groups])


def _sample(points_BN3: Tensor, mask_BN: Tensor, picks_BS: Tensor, rounds: Tensor) -> Tensor:
    """Replaces the first picks by farthest point samples, one per round; returns (B, S) int64 indices."""
    weight_BN1 = mask_BN.unsqueeze(-1).to(points_BN3.dtype)
    centroid_B13 = (points_BN3 * weight_BN1).sum(dim=1, keepdim=True) / weight_BN1.sum(dim=1, keepdim=True)
    start_BN = _squared_distance(points_BN3, centroid_B13).masked_fill(~mask_BN, -1.0)
    nearest_BN = torch.full_like(start_BN, torch.inf).masked_fill(~mask_BN, -1.0)
    slot_S = torch.arange(picks_BS.shape[1], device=points_BN3.device)
    state = (torch.zeros_like(rounds), start_BN.argmax(dim=1, keepdim=True), nearest_BN, picks_BS)
    # The operator behind `torch.while_loop`, which would call the compiler and keep guards of earlier traces.
    return torch.ops.higher_order.while_loop(_goes_on, _take, state, (points_BN3, slot_S, rounds))[3]  # type: ignore[no-any-return]


def _goes_on(number: Tensor, *state: Tensor) -> Tensor:
    return number < state[-1]


def _take(
    number: Tensor,
    chosen_B1: Tensor,
    nearest_BN: Tensor,
    picks_BS: Tensor,
    points_BN3: Tensor,
    slot_S: Tensor,
    rounds: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One round: notes the chosen point and chooses the one that is farthest from all chosen ones."""
    picks_BS = torch.where(slot_S == number, chosen_B1, picks_BS)
    distance_BN = _squared_distance(points_BN3, gather_points(points_BN3, chosen_B1))
    nearest_BN = torch.minimum(nearest_BN, distance_BN)
    return number + 1, nearest_BN.argmax(dim=1, keepdim=True), nearest_BN, picks_BS


def _squared_distance(first: Tensor, second: Tensor) -> Tensor:
    """Sums squared differences in the order of `farthest_point_sampling`, so that every bit is the same."""
    x, y, z = (first - second).unbind(-1)
    return x * x + y * y + z * z
