"""Augmentation keeps the poses of views true.

B clouds, N points, P stored points
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from crossjepa.train.common.rng import CloudRng
from crossjepa.train.pretrain.batches import augment, sample_points
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
        turned, poses, _, _ = augment(points_1N3, pose, CloudRng([np.random.default_rng(seed)]), 0.0, 0.0)
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
        points_BN3 = sample_points(stored_BP3, 20, rng, even)
        assert points_BN3.shape == (2, 20, 3)
        assert (points_BN3[:, :, None] == stored_BP3[:, None]).all(dim=-1).any(dim=-1).all()
