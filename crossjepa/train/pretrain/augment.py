"""Clouds of clean points, sampled, turned and stretched.

B clouds, P stored points, M points to choose from, N points, V views
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from crossjepa.ops import farthest_point_sampling, gather_points
from crossjepa.train.common.rng import CloudRng
from crossjepa.train.pretrain.placement import Augmented, Motion, draw_motion, normalize


class Sampled(NamedTuple):
    """Clouds with all random numbers of their augmentation, which is still to be done.

    Farthest point sampling comes first in it, and takes seconds on a CPU where a GPU takes milliseconds.

    Attributes:
        points_BM3: (B, M, 3) points as stored, N of them or more to choose from.
        pose_BV3: (B, V, 3) poses of the cameras, which have moved with the clouds.
        motion: how the points are to be moved.
        noise_BN3: (B, N, 3) noise to be added to those that are chosen.
    """

    points_BM3: Tensor
    pose_BV3: Tensor
    motion: Motion
    noise_BN3: Tensor

    def finish(self) -> Augmented:
        """Chooses evenly spread points if there are more than N, and moves and normalizes them."""
        points_BN3, count = self.points_BM3, self.noise_BN3.shape[1]
        if points_BN3.shape[1] > count:
            points_BN3 = gather_points(points_BN3, farthest_point_sampling(points_BN3, count))
        # Noise comes before the turn, which changes nothing but the order of the random numbers.
        moved_BN3 = self.motion.turn(points_BN3 * self.motion.stretch_B13 + self.noise_BN3)
        points_BN3, placement = normalize(moved_BN3, self.motion.matrix_B33)
        return Augmented(points_BN3, self.pose_BV3, placement)


def sample(
    stored_BP3: Tensor,
    pose_BV3: Tensor,
    count: int,
    even: bool,
    rng: CloudRng,
    scale_range: float,
    jitter: float,
) -> Sampled:
    """Samples clouds to be turned and mirrored together with the cameras, and stretched a little.

    Scans and files with more points than the network takes are reduced by farthest point sampling, so the
    encoder must know that kind of cloud too.

    The teacher's picture stays the same. It is what the turned cameras see of a turned cloud. Of a mirrored
    cloud they see its mirror image, except that the light comes from the same side as before: the teacher's
    embedding of the picture stands for that of its mirror image.

    Args:
        stored_BP3: (B, P, 3) points uniform by area, in random order, y up.
        pose_BV3: (B, V, 3) azimuth and elevation of the cameras in radians, and their distance.
        count: points of a cloud (N).
        even: whether to take a farthest point sample of twice as many points.
        rng: random numbers, on the device of the points.
        scale_range: each axis is scaled by 1 - range to 1 + range.
        jitter: standard deviation of the noise, in radii.
    """
    sampled = 2 * count if even else count
    start_B1 = (rng.uniform(1) * stored_BP3.shape[1]).long()
    index_BM = (start_B1 + torch.arange(sampled, device=start_B1.device)) % stored_BP3.shape[1]
    motion = draw_motion(rng, scale_range)
    noise_BN3 = jitter * rng.normal(count, 3)
    return Sampled(gather_points(stored_BP3, index_BM), motion.turn_cameras(pose_BV3), motion, noise_BN3)
