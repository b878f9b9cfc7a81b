"""Clouds as scanners give them, from the dense clean points of a cache.

B clouds, b those of them that are concerned, P stored points, M candidates, N points, V views
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from crossjepa.ops import farthest_point_sampling, gather_points
from crossjepa.train.common.rng import CloudRng
from crossjepa.train.pretrain.augment_config import AugmentSection
from crossjepa.train.pretrain.background import put_in_room
from crossjepa.train.pretrain.corruptions import add_clutter, add_noise, add_outliers, cut_holes, thin_out
from crossjepa.train.pretrain.placement import Augmented, Motion, Placement, draw_motion, normalize, tilts
from crossjepa.train.pretrain.single_view import draw_cameras, look


class Candidates(NamedTuple):
    """Points of clouds of different sizes.

    Attributes:
        points_BM3: (B, M, 3) points, the real ones first; repetitions of them follow.
        real_B1: (B, 1) number of real points.
    """

    points_BM3: Tensor
    real_B1: Tensor

    @property
    def mask_BM(self) -> Tensor:
        """(B, M) bool, True for real points."""
        return torch.arange(self.points_BM3.shape[1], device=self.real_B1.device) < self.real_B1


class Scanned(NamedTuple):
    """Scanned clouds of which evenly spread points are still to be chosen, if any.

    That takes seconds on a CPU where a GPU takes milliseconds; only the second normalization comes after it.

    Attributes:
        points_BM3: (B, M, 3) moved and disturbed points, N of them or more to choose from.
        pose_BV3: (B, V, 3) poses of the cameras, which have moved with the clouds.
        placement: where the points are, as far as they were moved.
        mask_BM: (B, M) bool, False for points that repeat others; None if no cloud has fewer than M.
        num_points: points of a cloud (N).
    """

    points_BM3: Tensor
    pose_BV3: Tensor
    placement: Placement
    mask_BM: Tensor | None
    num_points: int

    def finish(self) -> Augmented:
        """Chooses evenly spread points if there are more than N, and normalizes by all that are left."""
        points_BN3, pose_BV3, first, mask_BN, count = self
        if points_BN3.shape[1] > count:
            points_BN3 = gather_points(points_BN3, farthest_point_sampling(points_BN3, count, mask_BN))
            mask_BN = None if mask_BN is None else mask_BN[:, :count]
        points_BN3, last = normalize(points_BN3, first.matrix_B33, mask_BN)
        return Augmented(points_BN3, pose_BV3, first.then(last), mask_BN)


class Scanner:
    """The scan-like augmentations of one batch, in the order in which its methods stand.

    Which of them act on a cloud depends on its own random numbers only, and not on which others are on.

    Args:
        section: the options.
        rng: one generator per cloud.
        device: where the points are.
    """

    def __init__(self, section: AugmentSection, rng: CloudRng, device: torch.device | str) -> None:
        self.section, self.device = section, device
        probabilities = section.probabilities
        lots_BA = rng.on("cpu").uniform(len(probabilities))
        # On the CPU, where it is known which clouds are concerned without waiting for a device.
        self.rows = {
            name: torch.nonzero(lots_BA[:, number] < probability)[:, 0]
            for number, (name, probability) in enumerate(probabilities.items())
        }
        self.rng = rng.on(device)

    def choose(self, stored_BP3: Tensor, count: int, most: int, fewest: int) -> Candidates:
        """Chooses points that a scanner could have seen.

        Args:
            stored_BP3: (B, P, 3) dense points, uniform by area, in random order; they are overwritten.
            count: candidates to choose (M).
            most: points of a cloud of which a share is missing (N).
            fewest: points that each cloud must have; if less is to be seen, all of it is seen.
        """
        section, rng = self.section, self.rng
        keep_BP = torch.ones_like(stored_BP3[..., 0], dtype=torch.bool)
        first, second = draw_cameras(rng)

        rows, some = self._some("background")
        if len(rows):
            room_bP3 = put_in_room(stored_BP3[rows], first.azimuth_B[rows], section.background, some)
            stored_BP3[rows] = room_bP3
        rows, some = self._some("density")
        if len(rows):
            keep_BP[rows] = thin_out(stored_BP3[rows], section.density, some)
        rows, some = self._some("dropout_local")
        if len(rows):
            keep_BP[rows] = cut_holes(stored_BP3[rows], keep_BP[rows], section.dropout_local, some)
        rows, some = self._some("single_view")
        if len(rows):
            points_bP3, keep_bP = stored_BP3[rows], keep_BP[rows]
            noise_b, two_b = some.uniform(2).unbind(dim=1)
            noise_b = section.depth_noise * noise_b
            once_bP3, seen_bP = look(points_bP3, first.of(rows), noise_b, keep_bP, some)
            again_bP3, also_bP = look(points_bP3, second.of(rows), noise_b, keep_bP, some)
            also_bP = also_bP & ~seen_bP & (two_b < section.second_view)[:, None]
            stored_BP3[rows] = torch.where(also_bP[..., None], again_bP3, once_bP3)
            keep_BP[rows] = seen_bP | also_bP
        rows, some = self._some("dropout_global")
        limit_B1 = torch.full_like(keep_BP[:, :1], count, dtype=torch.long)
        if len(rows):
            left_b1 = most * (1 - section.dropout_global * some.uniform(1))
            limit_B1[rows] = left_b1.long().clamp(min(fewest, count), count)
        return first_of(stored_BP3, keep_BP, limit_B1, count, fewest)

    def move(self, motion: Motion) -> Motion:
        """Stretches some clouds more, and tilts some."""
        rows, some = self._some("stretch")
        if len(rows):
            exponent_b13 = math.log(self.section.stretch) * (2 * some.uniform(1, 3) - 1)
            motion.stretch_B13[rows] = exponent_b13.exp()
        rows, some = self._some("tilt")
        if len(rows):
            tilt_B33 = torch.eye(3, device=self.device).repeat(len(motion.angle_B), 1, 1)
            tilt_B33[rows] = tilts(math.radians(self.section.tilt) * some.uniform(1)[:, 0], some)
            motion = motion._replace(tilt_B33=tilt_B33)
        return motion

    def disturb(self, points_BM3: Tensor, real_B1: Tensor) -> Tensor:
        """Adds noise, clusters and stray points to normalized clouds, in place."""
        rows, some = self._some("noise")
        if len(rows):
            points_BM3[rows] = add_noise(points_BM3[rows], self.section.noise, some)
        rows, some = self._some("clutter")
        if len(rows):
            clutter = self.section.clutter
            points_BM3[rows] = add_clutter(points_BM3[rows], real_B1[rows], clutter, some)
        rows, some = self._some("outlier")
        if len(rows):
            points_BM3[rows] = add_outliers(points_BM3[rows], self.section.outliers, some)
        return points_BM3

    def _some(self, name: str) -> tuple[Tensor, CloudRng]:
        rows = self.rows[name]
        return rows.to(self.device), self.rng.of(rows.tolist())


def scan(
    stored_BP3: Tensor,
    pose_BV3: Tensor,
    count: int,
    even: bool,
    fewest: int,
    rng: CloudRng,
    scanner: Scanner,
    scale_range: float,
    jitter: float,
) -> Scanned:
    """Samples and augments clouds as `sample` does, with scan-like augmentations between.

    What shapes the points comes before the first normalization; noise and extra points come after it, since
    their sizes are in radii. Evenly spread points are chosen last, as when a file has too many. The second
    normalization is by all points that are left, as it will be when features are computed.

    Args:
        stored_BP3: (B, P, 3) points, uniform by area, in random order.
        pose_BV3: (B, V, 3) azimuth and elevation of the cameras in radians, and their distance.
        count: points of a cloud (N).
        even: whether to take a farthest point sample of twice as many points.
        fewest: points that each cloud must have.
        rng: random numbers as `sample` uses them.
        scanner: the scan-like augmentations.
        scale_range, jitter: see `sample`.
    """
    start_B1 = (rng.uniform(1) * stored_BP3.shape[1]).long()
    index_BP = (start_B1 + torch.arange(stored_BP3.shape[1], device=start_B1.device)) % stored_BP3.shape[1]
    wanted = 2 * count if even else count
    chosen = scanner.choose(gather_points(stored_BP3, index_BP), wanted, count, fewest)
    mask_BM = chosen.mask_BM if scanner.section.leaves_out_points or wanted > stored_BP3.shape[1] else None

    motion = scanner.move(draw_motion(rng, scale_range))
    noise_BM3 = jitter * rng.normal(*chosen.points_BM3.shape[1:])
    moved_BM3 = motion.turn(chosen.points_BM3 * motion.stretch_B13 + noise_BM3)
    points_BM3, placement = normalize(moved_BM3, motion.matrix_B33, mask_BM)
    points_BM3 = scanner.disturb(points_BM3, chosen.real_B1)
    return Scanned(points_BM3, motion.turn_cameras(pose_BV3), placement, mask_BM, count)


def first_of(points_BP3: Tensor, keep_BP: Tensor, limit_B1: Tensor, count: int, fewest: int) -> Candidates:
    """Gathers the first points that are to be kept.

    Args:
        points_BP3: (B, P, 3) points.
        keep_BP: (B, P) bool, which of them to keep; where these are too few, all are kept.
        limit_B1: (B, 1) how many of them to take at most.
        count: length of the result (M).
        fewest: what is too few.

    Returns:
        The points; clouds of fewer than `count` repeat theirs.
    """
    keep_BP = keep_BP | (keep_BP.sum(dim=1, keepdim=True) < fewest)
    place_BP = keep_BP.cumsum(dim=1) - 1
    # All that is not wanted goes to one more slot, which is cut off.
    slot_BP = torch.where(keep_BP & (place_BP < count), place_BP, count)
    number_BP = torch.arange(points_BP3.shape[1], device=keep_BP.device).expand_as(slot_BP)
    index_BM = torch.zeros_like(slot_BP[:, :1]).repeat(1, count + 1).scatter(1, slot_BP, number_BP)
    real_B1 = torch.minimum(keep_BP.sum(dim=1, keepdim=True), limit_B1)
    repeated_BM = torch.arange(count, device=keep_BP.device) % real_B1
    return Candidates(gather_points(points_BP3, index_BM.gather(1, repeated_BM)), real_B1)
