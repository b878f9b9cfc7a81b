"""Other points of an object go where its cloud goes."""

from __future__ import annotations

import numpy as np
import torch

from crossjepa.train.common.rng import CloudRng
from crossjepa.train.pretrain.placement import draw_motion, normalize


def test_other_points_of_an_object_follow_its_cloud() -> None:
    points_BN3 = torch.randn(3, 50, 3)
    rng = CloudRng([np.random.default_rng(seed) for seed in range(3)])
    motion = draw_motion(rng, 0.3)
    moved_BN3 = motion.turn(points_BN3 * motion.stretch_B13)
    augmented_BN3, placement = normalize(moved_BN3, motion.matrix_B33)
    torch.testing.assert_close(placement.apply(points_BN3), augmented_BN3, rtol=0, atol=1e-6)
    torch.testing.assert_close(placement.apply(points_BN3[:, :5]), augmented_BN3[:, :5], rtol=0, atol=1e-6)
