"""Features: cache, baselines, disturbances."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from crossjepa import CrossJEPAEncoder
from crossjepa.datasets import Dataset
from crossjepa.datasets.splits import limit
from crossjepa.evaluate import (
    EncoderFeatures,
    FeatureCache,
    ShapeDistributions,
    evaluate,
    extract_features,
    find_extractor,
    untrained_encoder,
)
from crossjepa.evaluate.baselines import distances, radii
from crossjepa.evaluate.features import Transform, default_cache
from crossjepa.evaluate.robustness import as_transform, disturbances, rotation_about, turn_any
from crossjepa.hashing import weights_digest
from tests.evaluate.conftest import Spreads


def test_second_protocol_costs_nothing(boxes: Dataset, spreads: Spreads, tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path / "cache")
    first = evaluate("linear", boxes, spreads, cache=cache)
    count = len(spreads.seen)
    assert count == len(boxes)
    for protocol in ("knn", "retrieval", "linear", "fewshot"):
        evaluate(protocol, boxes, spreads, cache=cache)
    assert len(spreads.seen) == count
    assert evaluate("linear", boxes, Spreads(), cache=cache).metrics == first.metrics
    assert not list((tmp_path / "cache").glob("*.partial"))


def test_cache_knows_weights_data_and_preprocessing(
    boxes: Dataset, tiny: CrossJEPAEncoder, tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path / "cache")
    small = limit(boxes, 1)
    everything = EncoderFeatures(tiny, "tiny")

    def count() -> int:
        return len(list((tmp_path / "cache").glob("*.npz")))

    original = extract_features(everything, small, cache=cache)
    np.testing.assert_array_equal(extract_features(everything, small, cache=cache), original)
    assert count() == 1
    maxima = extract_features(everything.pooled("max"), small, cache=cache)
    means = extract_features(everything.pooled("mean"), small, cache=cache)
    np.testing.assert_array_equal(np.concatenate([maxima, means], axis=1), original)
    np.testing.assert_allclose(maxima, tiny.encode([each.points_N3 for each in small], pool="max"), atol=1e-5)
    assert count() == 1
    extract_features(everything, replace(small, up_axis="z"), cache=cache)
    extract_features(everything, small.select([1, 0]), cache=cache)
    extract_features(everything, small, cache=cache, transform=Transform("x", lambda points, _: points))
    with torch.no_grad():
        tiny.network.norm.bias.add_(1)
    changed = extract_features(everything, small, cache=cache)
    assert count() == 5
    assert np.abs(changed - original).min() > 0


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off"])
def test_damaged_cache_is_made_anew(boxes: Dataset, spreads: Spreads, tmp_path: Path, content: bytes) -> None:
    cache = FeatureCache(tmp_path)
    expected = extract_features(spreads, boxes, cache=cache)
    (file,) = [path for path in tmp_path.glob("*.npz") if path.stem != "boxes"]
    file.write_bytes(content)
    np.testing.assert_array_equal(extract_features(spreads, boxes, cache=cache), expected)
    np.testing.assert_array_equal(cache.load(file.stem, len(boxes)), expected)
    assert cache.load(file.stem, 3) is None


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CROSSJEPA_CACHE", str(tmp_path))
    assert default_cache() == tmp_path / "features"
    monkeypatch.delenv("CROSSJEPA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "crossjepa" / "features"


def test_features_are_those_of_encode(boxes: Dataset, tiny: CrossJEPAEncoder) -> None:
    small = limit(boxes, 1)
    expected = tiny.encode([sample.points_N3 for sample in small], up_axis="z")
    found = extract_features(EncoderFeatures(tiny, "tiny"), replace(small, up_axis="z"), batch_size=5)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_digest_of_weights(tiny: CrossJEPAEncoder) -> None:
    before = weights_digest(tiny)
    assert weights_digest(tiny) == before
    assert weights_digest(tiny.to(torch.bfloat16)) != before


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


def test_extractors_by_name(boxes: Dataset) -> None:
    small = limit(boxes, 2)
    assert find_extractor("d2", small).name == "d2"
    first, again, other = (find_extractor("untrained", small, seed=seed) for seed in (0, 0, 1))
    assert first.describe() == again.describe() != other.describe()
    assert find_extractor("crossjepa-base", small).describe()["kind"] == "encoder"


def test_untrained_encoder_takes_clouds_of_any_size(tiny: CrossJEPAEncoder) -> None:
    generator = np.random.default_rng(0)
    clouds = [generator.normal(size=(size, 3)) for size in (64, 30, 64, 30, 64, 30)]
    encoder = untrained_encoder(clouds, 0, config=tiny.model_config)
    assert not encoder.training
    assert np.isfinite(encoder.encode(clouds)).all()


def test_rotations() -> None:
    np.testing.assert_allclose(
        rotation_about(np.array([0.0, 0, 1]), np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-12
    )
    points = np.random.default_rng(0).normal(size=(50, 3))
    turned = turn_any(points, np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), np.linalg.norm(points, axis=1))
    assert np.linalg.det(np.linalg.lstsq(points, turned, rcond=None)[0]) == pytest.approx(1)


def test_disturbances() -> None:
    points = np.random.default_rng(0).normal(size=(1000, 3)) * [1, 2, 3] + 5
    sizes: dict[str, list[int]] = {}
    for row in disturbances("z"):
        transform = as_transform(row, seed=0)
        changed = transform.apply(points, 4)
        np.testing.assert_array_equal(changed, transform.apply(points, 4))
        assert np.abs(changed - transform.apply(points, 5)[: len(changed)]).max() > 0
        assert np.linalg.norm(changed, axis=1).max() < 1.3
        sizes.setdefault(row.kind, []).append(len(changed))
        if row.amount == "any angle about the vertical":
            frame = as_transform(replace(row, change=lambda cloud, _: cloud), 0).apply(points, 4)
            np.testing.assert_allclose(changed[:, 2], frame[:, 2])
    assert sizes == {
        "rotation": [1000] * 4,
        "jitter": [1000] * 3,
        "dropout": [750, 500, 250],
        "occlusion": [750, 500],
        "point count": [64, 128, 256, 512],
    }
