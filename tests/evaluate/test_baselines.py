"""Baselines: shape distributions and the untrained encoder."""

from __future__ import annotations

import numpy as np
import pytest

from crossjepa import CrossJEPAEncoder
from crossjepa.evaluate import ShapeDistributions
from crossjepa.evaluate.baselines import distances, radii, untrained_encoder
from crossjepa.evaluate.robustness import turn_any


def test_distances_by_hand() -> None:
    histogram = distances(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]))
    assert histogram.sum() == pytest.approx(1)
    assert histogram[32] == pytest.approx(2 / 3)  # two distances of 1, one of 1.414, in 64 bins up to 2
    assert histogram[int(np.sqrt(2) * 32)] == pytest.approx(1 / 3)
    assert radii(np.array([[0.5, 0, 0], [0, -1, 0]]))[[32, 63]].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("name", "width"), [("d2", 64), ("shape-distributions", 256)])
def test_shape_distributions(name: str, width: int) -> None:
    cloud = np.random.default_rng(0).normal(size=(100, 3))
    turned = turn_any(cloud, np.random.default_rng(1))
    features = ShapeDistributions(name).extract([cloud, 3 * cloud + 7, turned[:, [0, 1, 2]]], "y")
    assert features.shape == (3, width)
    np.testing.assert_allclose(features[1], features[0], atol=1e-6)
    np.testing.assert_allclose(features[2, :64], features[0, :64], atol=0.01)
    assert ShapeDistributions(name).pooled("max").name == name


def test_untrained_encoder_takes_clouds_of_any_size(tiny: CrossJEPAEncoder) -> None:
    generator = np.random.default_rng(0)
    clouds = [generator.normal(size=(size, 3)) for size in (64, 30, 64, 30, 64, 30)]
    encoder = untrained_encoder(clouds, 0, config=tiny.model_config)
    assert not encoder.training
    assert np.isfinite(encoder.encode(clouds)).all()
