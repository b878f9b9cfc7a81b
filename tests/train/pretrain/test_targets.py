"""What the scaling of the targets does to numbers.

R embeddings, D teacher width
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from crossjepa.train.pretrain.config import TargetScaling
from crossjepa.train.pretrain.targets import Targets


def embeddings_RD() -> NDArray[np.float32]:
    """Embeddings that vary 100 times as much along one direction as along the others."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(5000, 8)) * [10, 1, 1, 1, 1, 1, 1, 1]
    rotation = np.linalg.qr(generator.normal(size=(8, 8)))[0]
    return np.asarray(values @ rotation + 3, np.float32)


@pytest.mark.parametrize("scaling", ["standardize", "whiten", "center"])
def test_targets_are_centered_with_mean_variance_one(scaling: str) -> None:
    embeddings = embeddings_RD()
    targets = Targets(embeddings, scaling)(torch.from_numpy(embeddings)[None])[0]  # type: ignore[arg-type]
    torch.testing.assert_close(targets.mean(dim=0), torch.zeros(8), atol=1e-4, rtol=0)
    assert float(targets.var(dim=0).mean()) == pytest.approx(1, abs=1e-3)


def test_whitening_is_done_by_half() -> None:
    embeddings = embeddings_RD()
    scaled, whitened = (
        np.linalg.eigvalsh(np.cov(Targets(embeddings, name)(torch.from_numpy(embeddings)).numpy().T))
        for name in ("standardize", "whiten")
    )
    # The variance along a direction becomes its square root.
    np.testing.assert_allclose(whitened[-1] / whitened[0], np.sqrt(scaled[-1] / scaled[0]), rtol=1e-3)


def test_embeddings_stay_as_they_are_without_scaling() -> None:
    embeddings = torch.from_numpy(embeddings_RD())
    targets = Targets(embeddings.numpy(), "none")
    assert torch.equal(targets(embeddings), embeddings)
    assert sorted(targets.state_dict()) == ["mean_D", "std_D"]


@pytest.mark.parametrize("scaling", ["standardize", "whiten", "center", "none"])
def test_each_of_several_teachers_is_scaled_on_its_own(scaling: TargetScaling) -> None:
    embeddings = np.concatenate([embeddings_RD(), 100 * embeddings_RD()[::-1, :5]], axis=1)
    parts = slice(0, 8), slice(8, 13)
    targets = Targets(embeddings, scaling, (8, 5))
    found = targets(torch.from_numpy(embeddings))
    for part in parts:
        alone = np.ascontiguousarray(embeddings[:, part])
        expected = Targets(alone, scaling)(torch.from_numpy(alone))
        torch.testing.assert_close(found[:, part], expected, rtol=1e-4, atol=1e-4)
    if scaling != "none":
        norms = [float(found[:, part].square().mean()) for part in parts]
        assert norms[0] == pytest.approx(norms[1], rel=1e-3)
