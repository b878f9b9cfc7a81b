"""Augmentation keeps the poses of views true.

B clouds, N points, P stored points
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from crossjepa.ops import farthest_point_sampling, gather_points, nearest_neighbors
from crossjepa.train.common.rng import CloudRng, normalize_batch
from crossjepa.train.pretrain.augment import sample
from crossjepa.train.render import View, render_mesh


def test_augmentation_keeps_the_pose_true() -> None:
    """The turned and mirrored mesh, seen from the new azimuth, gives the old image or its mirror image."""
    generator = np.random.default_rng(0)
    vertices = generator.normal(size=(30, 3)) * 0.3
    vertices -= vertices.mean(axis=0)
    vertices /= np.linalg.norm(vertices, axis=1).max()
    faces = generator.integers(0, 30, (20, 3))
    matched = set()
    for seed in range(6):
        points_1N3, pose = torch.from_numpy(vertices).float().unsqueeze(0), torch.tensor([[[0.7, 0.35, 3.0]]])
        rng = CloudRng([np.random.default_rng(seed)])
        _, poses, placement, _ = sample(points_1N3, pose, 30, False, rng, 0.0, 0.0).finish()
        turned = placement.apply(points_1N3)
        before = render_mesh(vertices, faces, [View(math.degrees(0.7), 20)], size=64)[0].astype(int)
        view = View(math.degrees(float(poses[0, 0, 0])), 20)
        after = render_mesh(turned[0].double().numpy(), faces, [view], size=64)[0].astype(int)
        # The key light comes from one side, so mirrored images are compared by their silhouettes.
        for name, image in (("same", before), ("mirrored", before[:, ::-1])):
            if ((image < 255) == (after < 255)).mean() > 0.995:
                matched.add(name)
                break
        else:
            pytest.fail(f"seed {seed}: the pose is not true")
    assert matched == {"same", "mirrored"}


def test_sampled_points_come_from_those_stored() -> None:
    stored_BP3 = torch.randn(2, 100, 3)
    for even in (False, True):
        rng = CloudRng([np.random.default_rng(seed) for seed in (0, 1)])
        sampled = sample(stored_BP3, torch.zeros(2, 1, 3), 20, even, rng, 0.2, 0.0)
        points_BN3, _, placement, mask_BN = sampled.finish()
        assert points_BN3.shape == (2, 20, 3)
        assert mask_BN is None
        distance_BN1, _ = nearest_neighbors(points_BN3, placement.apply(stored_BP3), 1)
        assert float(distance_BN1.max()) < 1e-5


@pytest.mark.parametrize("even", [False, True])
def test_evenly_spread_points_are_chosen_when_clouds_are_finished(even: bool) -> None:
    """Sampling leaves them to `finish`, which moves what farthest point sampling takes as stored."""
    stored_BP3 = torch.randn(2, 100, 3)
    rng = CloudRng([np.random.default_rng(seed) for seed in (0, 1)])
    sampled = sample(stored_BP3, torch.zeros(2, 1, 3), 20, even, rng, 0.2, 0.1)
    assert sampled.points_BM3.shape == (2, 40 if even else 20, 3)
    assert (sampled.points_BM3[:, :, None] == stored_BP3[:, None]).all(dim=-1).any(dim=-1).all()
    chosen_BN3 = sampled.points_BM3
    if even:
        chosen_BN3 = gather_points(chosen_BN3, farthest_point_sampling(chosen_BN3, 20))
    moved_BN3 = chosen_BN3 @ torch.diag_embed(sampled.motion.stretch_B13[:, 0]) + sampled.noise_BN3
    expected_BN3 = normalize_batch(sampled.motion.turn(moved_BN3))
    torch.testing.assert_close(sampled.finish().points_BN3, expected_BN3, rtol=0, atol=1e-5)
