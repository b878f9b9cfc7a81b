"""Random numbers of clouds, and clouds in the unit sphere.

B clouds, N points
"""

from __future__ import annotations

import numpy as np
import torch

from crossjepa.train.common.rng import CloudRng, normalize_batch, unit_spheres


def rng(*seeds: int) -> CloudRng:
    return CloudRng([np.random.default_rng(seed) for seed in seeds])


def test_numbers_of_a_cloud_do_not_depend_on_the_others() -> None:
    together, alone = rng(1, 2), rng(2)
    for name, shape in (("uniform", (3,)), ("normal", (2, 3)), ("uniform", ())):
        both = getattr(together, name)(*shape)
        assert both.shape == (2, *shape)
        assert torch.equal(both[1:], getattr(alone, name)(*shape))


def test_another_device_continues_the_same_numbers() -> None:
    expected, source = rng(3), rng(3)
    expected.uniform(4)
    source.uniform(4)
    assert torch.equal(source.on("cpu").normal(2), expected.normal(2))
    assert source.on("meta").uniform(5).device.type == "meta"


def test_some_of_the_clouds_continue_their_own_numbers() -> None:
    together, alone = rng(1, 2, 3), [rng(seed) for seed in (1, 2, 3)]
    expected = torch.cat([alone[2].uniform(4), alone[0].uniform(4)])
    assert torch.equal(together.of([2, 0]).uniform(4), expected)
    assert torch.equal(together.uniform(2)[:1], alone[0].uniform(2)), "from where they were left"


def test_masked_points_do_not_count() -> None:
    points_BN3, mask_BN = torch.randn(3, 50, 3), torch.arange(50) < torch.tensor([[20], [50], [1]])
    centroid_B13, radius_B11 = unit_spheres(points_BN3, mask_BN)
    for cloud, count in enumerate((20, 50, 1)):
        alone = unit_spheres(points_BN3[cloud : cloud + 1, :count])
        torch.testing.assert_close(centroid_B13[cloud], alone[0][0])
        torch.testing.assert_close(radius_B11[cloud], alone[1][0])


def test_clouds_fill_the_unit_sphere_around_their_centroids() -> None:
    points_BN3 = normalize_batch(torch.randn(3, 50, 3) * torch.tensor([5.0, 1, 0.1]) + 7)
    torch.testing.assert_close(points_BN3.mean(dim=1), torch.zeros(3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(points_BN3.norm(dim=-1).amax(dim=1), torch.ones(3))
    assert torch.isfinite(normalize_batch(torch.ones(1, 4, 3))).all()
