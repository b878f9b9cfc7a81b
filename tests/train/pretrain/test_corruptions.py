"""What goes wrong in scans: how much of it, and where.

B clouds, P points
"""

from __future__ import annotations

import numpy as np
import torch

from crossjepa.train.common.rng import CloudRng
from crossjepa.train.pretrain.corruptions import add_clutter, add_noise, add_outliers, cut_holes, thin_out

CLOUDS, COUNT = 200, 1024


def clouds() -> torch.Tensor:
    vector_BP3 = torch.from_numpy(np.random.default_rng(0).normal(size=(CLOUDS, COUNT, 3))).float()
    return torch.nn.functional.normalize(vector_BP3, dim=-1)


def rng() -> CloudRng:
    return CloudRng([np.random.default_rng([2, cloud]) for cloud in range(CLOUDS)])


def test_noise_is_between_none_and_the_most() -> None:
    points_BP3 = clouds()
    deviation_B = (add_noise(points_BP3, 0.03, rng()) - points_BP3).flatten(1).std(dim=1)
    assert deviation_B.max() < 0.0315
    assert deviation_B.min() < 0.003
    assert 0.012 < deviation_B.mean() < 0.018


def test_outliers_fill_the_ball_evenly() -> None:
    points_BP3 = clouds() * 0.999
    strays_BP3 = add_outliers(points_BP3, 0.05, rng())
    stray_BP = (strays_BP3 != points_BP3).any(dim=-1)
    share_B = stray_BP.float().mean(dim=1)
    assert 0.03 < share_B.max() < 0.08
    assert 0.02 < share_B.mean() < 0.03
    radius_S = strays_BP3[stray_BP].norm(dim=-1)
    assert radius_S.max() <= 1.0001
    # Half of the ball's volume is within 0.794 of its center.
    assert 0.47 < (radius_S < 0.5 ** (1 / 3)).float().mean() < 0.53


def test_clutter_lies_in_clusters_around_points_of_the_cloud() -> None:
    points_BP3 = clouds()
    real_B1 = torch.full((CLOUDS, 1), COUNT // 2)
    cluttered_BP3 = add_clutter(points_BP3, real_B1, 0.33, rng())
    extra_BP = (cluttered_BP3 - points_BP3).abs().amax(dim=-1) > 1e-5
    share_B = extra_BP.float().mean(dim=1)
    assert share_B.max() < 0.38
    assert 0.14 < share_B.mean() < 0.19
    assert cluttered_BP3.norm(dim=-1).max() < 1.0001
    # With one to seven clusters, most extra points have a neighbor nearer than the points of the sphere.
    cloud = int(share_B.argmax())
    extra_S3 = cluttered_BP3[cloud][extra_BP[cloud]]
    assert float(torch.cdist(extra_S3, extra_S3).kthvalue(20, dim=1).values.median()) < 0.25


def test_holes_are_around_few_places_and_not_too_large() -> None:
    points_BP3 = clouds()
    present_BP = torch.rand(CLOUDS, COUNT, generator=torch.Generator().manual_seed(0)) < 0.8
    keep_BP = cut_holes(points_BP3, present_BP, 0.5, rng())
    assert not (keep_BP & ~present_BP).any()
    share_B = 1 - keep_BP.sum(dim=1) / present_BP.sum(dim=1)
    assert share_B.max() < 0.56
    assert 0.12 < share_B.mean() < 0.27
    # A missing point's nearest neighbors are missing too, except at the rim.
    cloud = int(share_B.argmax())
    lost_P = present_BP[cloud] & ~keep_BP[cloud]
    points_P3 = points_BP3[cloud][present_BP[cloud]]
    neighbors = torch.cdist(points_P3, points_P3).topk(5, largest=False).indices
    lost_p = lost_P[present_BP[cloud]]
    assert lost_p[neighbors][lost_p].float().mean() > 0.75


def test_density_falls_with_the_distance_from_a_place() -> None:
    points_BP3 = clouds()
    keep_BP = thin_out(points_BP3, 20.0, rng())
    share_B = keep_BP.float().mean(dim=1)
    assert share_B.min() > 0.05
    assert 0.3 < share_B.mean() < 0.7
    # From the densest place outwards: of six directions, the best kept and the worst kept half differ.
    axes_63 = torch.cat([torch.eye(3), -torch.eye(3)])
    side_BP6 = points_BP3 @ axes_63.T > 0
    kept_B6 = (keep_BP[..., None] & side_BP6).sum(dim=1) / side_BP6.sum(dim=1)
    assert float((kept_B6.amax(dim=1) / kept_B6.amin(dim=1)).median()) > 1.3
    assert thin_out(points_BP3, 1.0, rng()).all()
